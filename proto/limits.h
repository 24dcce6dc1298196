/* Every bound of Holdfast: its unit, its reason, and what happens beyond it.
 *
 * layer   proto: server, client and tests read the same numbers
 */
#ifndef HF_PROTO_LIMITS_H
#define HF_PROTO_LIMITS_H

#include <stddef.h>

#define HF_PORT 4653

/* Framing. A longer message closes the connection, because its length can't be trusted. */
#define HF_FRAME_BYTES_MAX (16u << 20)
/* Replies may be slightly longer than requests, so that everything one request can store can be
 * returned: a number received as `unsigned` is sent as `integer`, which may take a byte more, as
 * may the length prefix before it, and each field has one of both. Beyond: RESOURCE_EXHAUSTED
 * REPLY_TOO_BIG. Receivers of replies accept this length. */
#define HF_REPLY_BYTES_MAX (HF_FRAME_BYTES_MAX + HF_FIELDS_MAX + 4096)
/* Device hops before a REQ id; nng's own TTL limit is 15. More closes the connection. */
#define HF_HOPS_MAX 15
/* The server closes a connection that has not sent its 8-byte hello after this time. */
#define HF_HELLO_TIMEOUT_MS 10000
/* A peer that is not admitted: bytes of its first request, which is answered so, and how long the
 * server waits for it. */
#define HF_REFUSED_BYTES_MAX 1024
#define HF_REFUSED_TIMEOUT_MS 5000
/* How far a user may be ahead of its rate of requests: for so long the connection that came too fast is
 * not read from. Beyond: RESOURCE_EXHAUSTED TOO_FAST, after which it is not read from for all of this. */
#define HF_TOO_FAST_PAUSE_MS 100

/* TLS. The handshake and the hello after it have HF_HELLO_TIMEOUT_MS together. An idle connection
 * with a key takes the server 17 KiB, a plain one 9; a client's certificate is kept beside that.
 * Connections in their handshake: one more closes the oldest that the server has waited for long enough.
 * While there is none it accepts no further ones. */
#define HF_HANDSHAKES_MAX 512
/* So long at least a peer is waited for, even if others need its place; and one that has proved its key: in
 * a crowd it may take some time for its second message, and the first has cost the server the most. */
#define HF_HANDSHAKE_WAIT_MS 1000u
#define HF_HANDSHAKE_WAIT_PROVEN_MS 5000u
/* After this many handshakes of one address that failed one after the other the next one waits before it
 * is read, twice as long with each failure. A minute without one, or one that succeeds, ends that. */
#define HF_HANDSHAKE_FAILURES_FREE 5
#define HF_HANDSHAKE_DELAY_MS_MIN 100u
#define HF_HANDSHAKE_DELAY_MS_MAX \
  2000u /* less than a client waits for: honest clients of that address still get in */
/* The grace time of lost sessions stands still while peers stand in line for their handshakes, at most
 * for so long at a time: a client that can't get in must not lose everything for that, and an attacker
 * that fills the line must not keep others' locks. */
#define HF_GRACE_HELD_MS_MAX 30000

/* Request bodies, checked before unpacking, since protobuf-c bounds neither depth nor fields.
 * Beyond: INVALID_ARGUMENT TOO_DEEP, RESOURCE_EXHAUSTED TOO_MANY_FIELDS. */
#define HF_DEPTH_MAX 32 /* nested messages in a body; a nested tuple counts as two */
#define HF_FIELDS_MAX \
  (1u << 19) /* fields in a body, nested ones included; a nested message costs up to 88 bytes \
                unpacked */
/* Memory that unpacking one request may allocate; RESOURCE_EXHAUSTED REQUEST_TOO_BIG beyond. */
#define HF_UNPACK_BYTES_MAX (64u << 20)

/* Nesting of tuples in a value; INVALID_ARGUMENT TOO_DEEP beyond. */
#define HF_TUPLE_DEPTH_MAX 12
/* Names of objects, attributes and clients, bytes; INVALID_ARGUMENT BAD_NAME beyond. */
#define HF_NAME_BYTES_MAX 255
/* Items a list, queue or array may have; RESOURCE_EXHAUSTED OBJECT_TOO_BIG beyond. */
#define HF_LENGTH_MAX (1u << 28)

/* Sessions. */
#define HF_SESSION_BYTES 16
/* Length of OpenSession.machine, bytes; a longer one is ignored. */
#define HF_MACHINE_BYTES_MAX 64
#define HF_GRACE_MS_DEFAULT 5000
#define HF_GRACE_MS_MAX 3600000
/* Replies kept until acknowledged; requests that wait have HF_IN_FLIGHT_MAX for themselves. Beyond:
 * RESOURCE_EXHAUSTED WINDOW_FULL; the client library waits at this bound, and resends a request
 * that is refused all the same. Also the bound of one acked_also (TOO_MANY_FIELDS), and of the
 * ranges of selectively acknowledged sequences that a session keeps; replies beyond them stay kept.
 */
#define HF_WINDOW_COUNT_MAX 1024
/* Bytes of kept replies per session. Beyond: new requests are refused until replies are
 * acknowledged. */
#define HF_WINDOW_BYTES_MAX (64u << 20)
#define HF_SESSIONS_MAX 65536
/* Sessions made by one parent for forked children that have not resumed them yet;
 * RESOURCE_EXHAUSTED SESSIONS_FULL beyond. */
#define HF_FORKED_SESSIONS_MAX 1024
/* References and ends of pipes that a forked child's session inherits; copying them takes
 * milliseconds. RESOURCE_EXHAUSTED MEMORY_FULL beyond. */
#define HF_INHERITED_MAX 16384
/* Objects in one object_retain or object_release; RESOURCE_EXHAUSTED TOO_MANY_FIELDS beyond. */
#define HF_REFERENCES_PER_REQUEST_MAX 16384
/* Sessions of one peer address; all local peers count as one. Beyond: the session of that address
 * that has been without a connection for longest ends; if all have one, RESOURCE_EXHAUSTED
 * SESSIONS_FULL. More than the connections that can exist. */
#define HF_SESSIONS_OF_ADDRESS_MAX 16384
/* Sessions that one connection opened or resumed one after the other, and that no other connection
 * has. Beyond: the one bound first ends. */
#define HF_SESSIONS_OF_CONNECTION_MAX 16
/* A session's table of up to this size, and a reply of up to this size, is stored even when memory
 * is full, so that reading and deleting still work. Larger: RESOURCE_EXHAUSTED MEMORY_FULL. */
#define HF_SMALL_TABLE_BYTES 4096
#define HF_SMALL_REPLY_BYTES 1024
/* Failures of one-way requests kept until the next flush; beyond, they are only counted. */
#define HF_FAILURES_MAX 64

/* Connections. */
#define HF_CONNECTIONS_MAX 11000 /* 10,000 over networks; one more is closed before its hello */
/* Per address: workers that share a host or a NAT address can't exclude all others. Loopback is one
 * address, all ipc sockets are one, an IPv6 network of 64 bits is one. */
#define HF_CONNECTIONS_PER_ADDRESS_MAX (HF_CONNECTIONS_MAX / 2)
#define HF_CONNECTIONS_IPC_KEPT \
  1000 /* of HF_CONNECTIONS_MAX, for ipc only: an administrator can always connect */
#define HF_IN_FLIGHT_MAX \
  1024 /* parked requests per connection; RESOURCE_EXHAUSTED IN_FLIGHT_FULL */
/* Waiting requests of a session, whose calls and one-way requests may use two connections:
 * RESOURCE_EXHAUSTED IN_FLIGHT_FULL. Waiting requests of sessions that a connection was bound to
 * earlier count for this connection too. */
#define HF_SESSION_WAITERS_MAX (2 * HF_IN_FLIGHT_MAX)
/* Waiting requests take at most 1/HF_WAITERS_SHARE of --memory-max, those of one peer address half
 * of that: RESOURCE_EXHAUSTED MEMORY_FULL. */
#define HF_WAITERS_SHARE 4
/* When memory is full, small requests may still wait, up to this many bytes of waiting requests in
 * total, because a waiting get may free memory. At least this many bytes may wait however small
 * --memory-max is. */
#define HF_WAITERS_RESERVE_BYTES (16u << 20)
/* Small replies are kept when memory is full too, so that deleting goes on exactly once: up to
 * 1/HF_WINDOWS_RESERVE_SHARE of --memory-max beyond it, or HF_WINDOWS_RESERVE_BYTES. From there on only
 * HF_SMALL_WINDOW_COUNT of each session; further requests: RESOURCE_EXHAUSTED MEMORY_FULL. */
#define HF_WINDOWS_RESERVE_SHARE 8
#define HF_WINDOWS_RESERVE_BYTES (16u << 20)
#define HF_SMALL_WINDOW_COUNT 16
#define HF_UNSENT_BYTES_MAX \
  (1u << 20) /* unsent replies of a connection; beyond, the server neither reads from the \
                connection nor applies its requests */
/* The server closes a connection whose peer reads none of its replies for this long. */
#define HF_DRAIN_TIMEOUT_MS 30000
/* A request must be complete this long after its first byte, plus its length divided by the rate.
 * Slower connections are closed. */
#define HF_PART_MS_MAX 30000
#define HF_PART_BYTES_PER_MS_MIN 128
/* The buffers of all connections together: partial requests and encoded replies. An eighth of
 * --memory-max, within these bounds; a quarter of it is reserved for buffers of up to 16 KiB, so
 * that large messages don't block small ones. Beyond: connections wait, and the one that has held
 * the most bytes for longest is closed. Replies whose peers don't read may keep the same amount of
 * memory again. */
#define HF_BUFFER_BYTES_MIN ((size_t)128 << 20)
#define HF_BUFFER_BYTES_MAX ((size_t)1 << 30)
#define HF_BUDGET_BYTES_MIN ((size_t)64 << 10) /* a connection with less is never closed for that */
#define HF_BUDGET_MS_MIN 2000                  /* nor one that has had it for a shorter time */
/* Connections through shared memory. Beyond: no rings, the client uses a socket. */
#define HF_RINGS_MAX 1024
/* Bytes of each ring, a power of two; when full, the writer waits. */
#define HF_RING_BYTES (128u << 10)
/* Bytes of a ring that a client accepts; it refuses a larger one and uses a socket. */
#define HF_RING_BYTES_MAX (16u << 20)
/* Objects in one listing page; locks with their waiters in one page of locks. Each takes a
 * microsecond of the engine. */
#define HF_LISTING_COUNT_MAX 1000
/* Entries of one scan page; and objects visited for one listing page, whether they are listed or
 * not. */
#define HF_PAGE_COUNT_MAX 10000
/* Lock owners in a deadlock cycle; longer cycles are not detected. */
#define HF_CYCLE_PARTIES_MAX 256
/* Waiters visited to detect one cycle, and all cycles of a page of locks; the search ends there. A
 * lock that is owned visits them for each new waiter. */
#define HF_CYCLE_STEPS_MAX 4096
#define HF_PAGE_CYCLE_STEPS_MAX 65536
/* Items of one queue_get_many, which is cut to this. Of one queue_put_many: INVALID_ARGUMENT
 * BAD_ARGUMENT beyond, because all that fit are put in one engine batch. */
#define HF_MANY_COUNT_MAX 10000
/* Items reserved by a session; RESOURCE_EXHAUSTED RESERVATIONS_FULL beyond. */
#define HF_RESERVATIONS_MAX 16384
/* Items in one direction of a pipe; beyond, a send waits. */
#define HF_PIPE_COUNT_MAX 1024

/* Lists of operations; RESOURCE_EXHAUSTED TOO_MANY_FIELDS beyond. */
#define HF_WAIT_ANY_COUNT_MAX 64 /* of WaitAny: each has a wait entry */
#define HF_TRANSACTION_COUNT_MAX \
  1024 /* conditions and operations of Transaction, which run in one engine batch */
/* A transaction that waits runs in the engine batch of the change that met its conditions. A longer
 * one may not wait: RESOURCE_EXHAUSTED REQUEST_TOO_BIG. */
#define HF_WAITING_TRANSACTION_BYTES_MAX (64u << 10)
/* Steps of work in one engine batch, of about a tenth of a microsecond each: waking a waiter takes
 * 16, deleting an object 40. Remaining wake-ups, deletions and ends of sessions are done in later
 * batches, between those of other requests. */
#define HF_BATCH_STEPS_MAX 4096

/* Bytes of one ArrayRead or ArrayWrite, which are copied in one engine batch, in about a tenth of a
 * millisecond. RESOURCE_EXHAUSTED REQUEST_TOO_BIG beyond. */
#define HF_ARRAY_PART_BYTES_MAX (1u << 20)

/* Values and arrays in shared memory. Beyond each bound: they stay in the server's own memory, and
 * local clients use requests. */
#define HF_SEGMENTS_MAX 512                 /* memfds, each a descriptor of the server */
#define HF_SEGMENTS_BYTES_MAX (64ull << 30) /* in all of them */
#define HF_ARENA_BYTES (1u << 20)           /* of a segment shared by small cells */
#define HF_ARENA_CELL_BYTES_MAX (64u << 10) /* a larger cell has a segment of its own */
/* Backoff of the server's checks whether a local owner has released a cell's lock, ms, doubling. A
 * notification comes sooner; this is for owners that died. */
#define HF_CELL_RETRY_MS_MIN 1
#define HF_CELL_RETRY_MS_MAX 10
/* Waits for a change of a cell check the cell this often even without a notification, ms. */
#define HF_CELL_POLL_MS 50

/* Default of --memory-max: memory of values, containers, waiting requests and kept replies, bytes.
 * Beyond: RESOURCE_EXHAUSTED MEMORY_FULL for every request that would store more. */
#define HF_MEMORY_BYTES_DEFAULT (8ull << 30)
/* The least. A session takes 1.3 KiB, and a small dict 3 KiB more: with less next to nothing could be stored. */
#define HF_MEMORY_BYTES_MIN (1u << 20)

/* Client library. */
/* Memory that unpacking a reply may allocate: a constant, plus a ratio of its bytes. The densest
 * regular reply is a list of empty tuples, whose 4 bytes each unpack to 128. Beyond:
 * RESOURCE_EXHAUSTED REPLY_TOO_BIG. */
#define HF_REPLY_UNPACK_BYTES (1u << 20)
#define HF_REPLY_UNPACK_RATIO 32
#define HF_CALL_TIMEOUT_MS_DEFAULT 10000 /* without an answer of the server: UNAVAILABLE */
#define HF_UNFLUSHED_BYTES_MAX \
  (8u << 20) /* one-way requests kept for resending; beyond, a call waits for a flush */

#endif
