/* Every bound of Holdfast, with its unit, why it is what it is, and what happens beyond it.
 *
 * layer   proto: server, client and tests read the same numbers
 */
#ifndef HF_PROTO_LIMITS_H
#define HF_PROTO_LIMITS_H

#include <stddef.h>

#define HF_PORT 4653

/* Framing. A longer message closes the connection: its length can't be trusted to skip it. */
#define HF_FRAME_BYTES_MAX (16u << 20)
/* Replies may be a little longer than requests, so that whatever was stored by one request can be
 * answered: a number that came as `unsigned` goes as `integer`, which may take a byte more, as may
 * the length before it, and a field holds one of both. Beyond: RESOURCE_EXHAUSTED REPLY_TOO_BIG.
 * Receivers of replies accept this much. */
#define HF_REPLY_BYTES_MAX (HF_FRAME_BYTES_MAX + HF_FIELDS_MAX + 4096)
/* Device hops before a REQ id; nng's own TTL limit is 15. More closes the connection. */
#define HF_HOPS_MAX 15
/* A peer that has not said its 8-byte hello by then is closed. */
#define HF_HELLO_TIMEOUT_MS 10000

/* Request bodies: looked at before protobuf sees them, because protobuf-c bounds neither.
 * Beyond: INVALID_ARGUMENT TOO_DEEP, RESOURCE_EXHAUSTED TOO_MANY_FIELDS. */
#define HF_DEPTH_MAX 32 /* nested messages in a body, a tuple in a tuple costs two */
#define HF_FIELDS_MAX \
  (1u << 19) /* fields in a body, nested ones included; a nested message costs up to 88 bytes \
                unpacked */
/* What unpacking one request may allocate; RESOURCE_EXHAUSTED REQUEST_TOO_BIG beyond. */
#define HF_UNPACK_BYTES_MAX (64u << 20)

/* Tuples within tuples in a value; INVALID_ARGUMENT TOO_DEEP beyond. */
#define HF_TUPLE_DEPTH_MAX 12
/* Names of objects, attributes and clients, bytes; INVALID_ARGUMENT BAD_NAME beyond. */
#define HF_NAME_BYTES_MAX 255
/* Items a list, queue or array may hold; RESOURCE_EXHAUSTED OBJECT_TOO_BIG beyond. */
#define HF_LENGTH_MAX (1u << 28)

/* Sessions. */
#define HF_SESSION_BYTES 16
/* What names a machine in OpenSession, bytes. A longer one names none. */
#define HF_MACHINE_BYTES_MAX 64
#define HF_GRACE_MS_DEFAULT 5000
#define HF_GRACE_MS_MAX 3600000
/* Replies kept until acknowledged; those of requests that still wait have HF_IN_FLIGHT_MAX for
 * themselves. Beyond: RESOURCE_EXHAUSTED WINDOW_FULL; the client library waits before it gets
 * there, and sends once more what is refused all the same. Also the numbers of one acked_also
 * (TOO_MANY_FIELDS), and the ranges of numbers acknowledged that way that a session remembers; a
 * reply beyond them is kept. */
#define HF_WINDOW_COUNT_MAX 1024
/* Bytes of kept replies per session; beyond, no new request is taken until some are acknowledged.
 */
#define HF_WINDOW_BYTES_MAX (64u << 20)
#define HF_SESSIONS_MAX 65536
/* Sessions of forked children that have not come for them yet, of one parent; RESOURCE_EXHAUSTED
 * SESSIONS_FULL beyond. */
#define HF_FORKED_SESSIONS_MAX 1024
/* Objects referred to and ends of pipes that one of them inherits: copying takes some milliseconds.
 * RESOURCE_EXHAUSTED MEMORY_FULL beyond. */
#define HF_INHERITED_MAX 65536
/* Sessions of one address of peers, all local ones being one: beyond, that address's session that
 * has been without a connection longest ends; when each has one, RESOURCE_EXHAUSTED SESSIONS_FULL.
 * More than the connections there may be. */
#define HF_SESSIONS_OF_ADDRESS_MAX 16384
/* Sessions whose last connection is this one, which opened or resumed one after the other: beyond,
 * the one that was bound first ends. */
#define HF_SESSIONS_OF_CONNECTION_MAX 16
/* What a session notes in a table of up to this many bytes, and a reply of up to so many, is kept
 * also when memory is full: reading and deleting go on. Larger: RESOURCE_EXHAUSTED MEMORY_FULL. */
#define HF_SMALL_TABLE_BYTES 4096
#define HF_SMALL_REPLY_BYTES 1024
/* Failures of one-way requests remembered until the next flush; the count goes on. */
#define HF_FAILURES_MAX 64

/* Connections. */
#define HF_CONNECTIONS_MAX 10000 /* one more is closed before its hello */
/* Of one address: many workers share a host or the address of a NAT, and can't lock out all others.
 * Loopback is one address, all ipc sockets are one, an IPv6 network of 64 bits is one. */
#define HF_CONNECTIONS_PER_ADDRESS_MAX (HF_CONNECTIONS_MAX / 2)
#define HF_CONNECTIONS_IPC_KEPT 1000 /* of all: only for ipc, so that its user can always look */
#define HF_IN_FLIGHT_MAX \
  1024 /* parked requests per connection; RESOURCE_EXHAUSTED IN_FLIGHT_FULL */
/* Waiting requests of a session, which may come by a connection for calls and one for one-way ones:
 * RESOURCE_EXHAUSTED IN_FLIGHT_FULL. Those of the sessions that were bound to a connection before
 * count for that connection too. */
#define HF_SESSION_WAITERS_MAX (2 * HF_IN_FLIGHT_MAX)
/* Waiting requests take at most this part of --memory-max, those of one address of peers half of
 * it: RESOURCE_EXHAUSTED MEMORY_FULL. */
#define HF_WAITERS_SHARE 4
/* When memory is full small requests may still wait up to this many bytes of all that wait, because
 * it may be a get that makes room; and at least this many may wait however small --memory-max is.
 */
#define HF_WAITERS_RESERVE_BYTES (16u << 20)
#define HF_UNSENT_BYTES_MAX \
  (1u << 20) /* unsent replies beyond this: the connection is not read from, and what was is not \
                applied */
/* A peer that takes no byte of its replies for this long is closed. */
#define HF_DRAIN_TIMEOUT_MS 30000
/* A request must have come as a whole so long after its first byte: that, and what its length takes
 * at that rate. Slower ones are closed. */
#define HF_PART_MS_MAX 30000
#define HF_PART_BYTES_PER_MS_MIN 128
/* What buffers of all connections take together: parts of requests and encoded replies. An eighth
 * of --memory-max, within these. A quarter of it is for buffers of up to 16 KiB, so that large
 * messages don't stop small ones. Beyond: a connection waits, and who has held most for longest is
 * closed. The same again is what replies may keep in memory while their peers don't read. */
#define HF_BUFFER_BYTES_MIN ((size_t)128 << 20)
#define HF_BUFFER_BYTES_MAX ((size_t)1 << 30)
#define HF_BUDGET_BYTES_MIN ((size_t)64 << 10) /* who holds less is never closed for it */
#define HF_BUDGET_MS_MIN 2000                  /* nor who has held it for less */
/* Connections through shared memory; one more gets no rings, and uses a socket. */
#define HF_RINGS_MAX 1024
/* Bytes under way each way in shared memory at most, a power of two; more waits at the writer. */
#define HF_RING_BYTES (128u << 10)
/* Bytes of a ring that a client accepts; a larger one is refused, and a socket used. */
#define HF_RING_BYTES_MAX (16u << 20)
/* Objects of one listing page, locks and those who wait for them of one page of locks: each takes a
 * microsecond to tell of, while all others wait. */
#define HF_LISTING_COUNT_MAX 1000
/* Entries of one scan page; and objects that are looked at for a listing page, whether it tells of
 * them or not. */
#define HF_PAGE_COUNT_MAX 10000
/* Lock holders that wait for each other in a circle: longer circles are not noticed. */
#define HF_CIRCLE_PARTIES_MAX 256
/* Waiters that are looked at to find one circle, or all of a page of locks: what is not found by
 * then is not noticed. A lock that is held looks at them for each one who comes to wait. */
#define HF_CIRCLE_STEPS_MAX 4096
#define HF_PAGE_CIRCLE_STEPS_MAX 65536
/* Items of one queue_get_many: is cut to it. Of one queue_put_many: INVALID_ARGUMENT BAD_ARGUMENT
 * beyond, because as many as there is room for are put while all others wait. */
#define HF_BATCH_COUNT_MAX 10000
/* Items a session has reserved; RESOURCE_EXHAUSTED RESERVATIONS_FULL beyond. */
#define HF_RESERVATIONS_MAX 16384
/* Items waiting in one direction of a pipe; a sender parks beyond. */
#define HF_PIPE_COUNT_MAX 1024

/* Lists of operations; RESOURCE_EXHAUSTED TOO_MANY_FIELDS beyond. */
#define HF_WAIT_ANY_COUNT_MAX 64 /* of WaitAny: each waits in a queue */
#define HF_TRANSACTION_COUNT_MAX \
  1024 /* conditions and operations of Transaction: they hold up everybody else */
/* A transaction that waited for its conditions runs in the turn of the change that met them. Longer
 * ones don't wait: RESOURCE_EXHAUSTED REQUEST_TOO_BIG. */
#define HF_WAITING_TRANSACTION_BYTES_MAX (64u << 10)
/* Steps of work that one turn of the engine's lock is to take, of a tenth of a microsecond or so:
 * waking a waiter takes 16, deleting an object 40. What is left of waking, of deleting and of
 * ending sessions goes on in later turns, between those of others. */
#define HF_BATCH_STEPS_MAX 4096

/* Bytes of one ArrayRead or ArrayWrite: they are copied while all others wait, in a tenth of a
 * millisecond or so. RESOURCE_EXHAUSTED REQUEST_TOO_BIG beyond. */
#define HF_ARRAY_PART_BYTES_MAX (1u << 20)

/* Values and arrays in shared memory. Beyond each: they stay in the server's own, and clients on
 * its machine use them as all others do. */
#define HF_SEGMENTS_MAX 512                 /* memfds: a descriptor of the server's each */
#define HF_SEGMENTS_BYTES_MAX (64ull << 30) /* in all of them */
#define HF_ARENA_BYTES (1u << 20)           /* of a segment that small cells share */
#define HF_ARENA_CELL_BYTES_MAX (64u << 10) /* a larger cell has a segment of its own */
/* How soon the server looks again whether a local holder has let go of a cell, ms: at first, then
 * doubling. A notification comes sooner; this is for holders that died. */
#define HF_CELL_RETRY_MS_MIN 1
#define HF_CELL_RETRY_MS_MAX 10
/* Who waits for a change of a cell looks at it this often, notified or not, ms. */
#define HF_CELL_LOOK_MS 50

/* Memory held by values, containers, parked requests and kept replies, bytes: the default of
 * --memory-max. Beyond: RESOURCE_EXHAUSTED MEMORY_FULL for whatever would store more. */
#define HF_MEMORY_BYTES_DEFAULT (8ull << 30)

/* Client library. */
/* What unpacking a reply may allocate, bytes: so many, and so many for each byte of it. The densest
 * honest reply is a list of empty tuples, whose 4 bytes each unpack to 128. Beyond:
 * RESOURCE_EXHAUSTED REPLY_TOO_BIG. */
#define HF_REPLY_UNPACK_BYTES (1u << 20)
#define HF_REPLY_UNPACK_RATIO 32
#define HF_CALL_TIMEOUT_MS_DEFAULT 10000 /* without an answering server: UNAVAILABLE */
#define HF_UNFLUSHED_BYTES_MAX \
  (8u << 20) /* one-way requests kept for resending; then it flushes by itself */

#endif
