/* A transport: reads and writes the bytes of a connection. One table of functions for each kind; a
 * connection knows its transport by the table only.
 *
 * layer   transport; handed to connection as a table, calls back through struct transport_events
 * shapes  a stream belongs to one peer; its struct is private to the transport
 * memory  The connection owns the stream from accept to free. Memory that the connection posts or
 *         waits with is borrowed until a read or write answers something else than TRANSPORT_WAITS.
 * threads Two activities a stream, concurrent with each other, each by one thread at a time:
 *         reading (post, is_readable, pending, read, await_readable, pause) and writing (write,
 *         await_writable). The caller owns the connection's lock in write, await_writable, close,
 *         await_readable and pause: a call that gives an activity away is not made after close.
 *
 *   reading:   connection has it --- await_readable, pause ---> transport has it
 *                      ^                                              |
 *                      '----- events: readable (or poll, or wait) ----'
 *
 * The rows: socket_stream.h (tcp and ipc), ring_stream.h (shared memory), tls_stream.h (over sockets).
 */
#ifndef HF_TRANSPORT_TRANSPORT_H
#define HF_TRANSPORT_TRANSPORT_H

#include "proto/sp.h"
#include "server/users/identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRANSPORT_RUNS 2 /* of bytes that one write takes */

enum transport_result {
  TRANSPORT_OK,     /* with a number of bytes, more than 0 */
  TRANSPORT_WAITS,  /* nothing moves now */
  TRANSPORT_LATE,   /* the deadline of the wait is over */
  TRANSPORT_LEFT,   /* the peer has left, or the stream is closed */
  TRANSPORT_BROKEN, /* what the peer did makes no sense */
};

enum transport_poll {
  TRANSPORT_POLL_QUIET,  /* there was nothing to do */
  TRANSPORT_POLL_SERVED, /* there was, and reading goes on */
  TRANSPORT_POLL_GONE,   /* the connection keeps the reading, or has ended */
};

/* What a transport calls; all with the connection that took the stream, without locks. poll and wait
 * are for a transport whose own thread polls its streams, readable is for any other. */
struct transport_events {
  /* Reading is the connection's again: the stream is readable, late, or its pause is over. */
  void (*readable)(void *connection);
  /* Reads and serves what there is. */
  enum transport_poll (*poll)(void *connection);
  /* Nothing has come for a while: the connection calls await_readable. */
  void (*wait)(void *connection);
  /* After await_writable: the stream is writable, late, or closed. */
  void (*writable)(void *connection);
};

struct transport {
  const char *name; /* static; for the log */
  /* Memory that must be posted while the peer is waited for; 0: none, and `post` is NULL. */
  size_t posted_bytes;
  /* The transport bounds the number of its streams; else the connection set does. */
  bool has_own_limit;

  /* Reading. */

  /* Posts memory for the next bytes, without a wait: the stream becomes readable when bytes are there.
   * Called by the polling thread, once before is_readable. After close: readable at once. */
  void (*post)(void *stream, void *data, size_t capacity);
  /* A hint, and cheap: whether read would answer something else than TRANSPORT_WAITS. Called by the
   * polling thread, very often. After close: true. */
  bool (*is_readable)(void *stream);
  /* The number of bytes known to be there, so that there is room for them; 0: not known. */
  size_t (*pending)(void *stream);
  /* Takes bytes. Memory that was posted must be given again. Never blocks. After close: TRANSPORT_LEFT.
   * out  count  set on TRANSPORT_OK */
  enum transport_result (*read)(void *stream, void *data, size_t capacity, size_t *count);
  /* Gives reading to the transport; the connection may be freed when await_readable returns. At the
   * deadline reading is given back, and read answers TRANSPORT_LATE. false: bytes are there, and
   * reading stays with the connection. Not called after close, which gives reading back at once. */
  bool (*await_readable)(void *stream, void *data, size_t capacity, uint64_t deadline_ns);
  /* Gives reading to the transport for so long, even if bytes come: there was no memory to read into, the
   * peer was too fast, or the log has no room. */
  void (*pause)(void *stream, uint32_t ms);
  /* Gives reading, which the connection kept, to the transport, which gives it back at once, or polls.
   * From any thread; also after close. */
  void (*resume)(void *stream);

  /* Writing. */

  /* Writes as many bytes of the runs as fit; notifies the peer if need be. Never blocks.
   * in   runs   one after the other, at least one of them not empty
   * out  count  set on TRANSPORT_OK */
  enum transport_result (*write)(void *stream, const struct bytes runs[TRANSPORT_RUNS],
                                 size_t *count);
  /* The event `writable` comes when some of the bytes can be written, or were written; the next write
   * is given the same bytes, and answers how many. At the deadline the event comes too, and write
   * answers TRANSPORT_LATE. false: bytes can be written now, and no event comes. Not called after
   * close. */
  bool (*await_writable)(void *stream, const struct bytes runs[TRANSPORT_RUNS],
                         uint64_t deadline_ns);

  /* Ends both directions, once. Awaited events come soon, on another thread. Bytes that were written
   * are still sent. Never blocks. */
  void (*close)(void *stream);
  /* After close, when no event is awaited. From any thread. */
  void (*free)(void *stream);
};

/* The address of all peers over ipc or shared memory; see address.h for other addresses. */
#define TRANSPORT_ADDRESS_LOCAL UINT64_C(1)
#define TRANSPORT_ADDRESS_LOOPBACK UINT64_C(2)
#define TRANSPORT_ADDRESS_UNKNOWN UINT64_C(3)

/* What is known of a peer when it is accepted. */
struct transport_peer {
  uint64_t address;
  enum sp_transport framing;
  uint16_t protocol; /* SP_REQ or SP_PUSH; 0: its hello is still to be read, and to be answered */
  uint64_t hello_deadline_ns; /* 0: some time from now */
  struct identity identity;
};

/* Takes the streams of accepted peers. */
struct transport_acceptor {
  void *ctx;
  /* Gives reading and writing to the connection, which begins to wait within the call.
   * out  connection  for the events; set before the first
   * false: refused, and nothing was taken */
  bool (*accept)(void *ctx, const struct transport *transport, void *stream,
                 const struct transport_peer *peer, void **connection);
  /* Whether accept would refuse now for lack of room, and the peer should wait in the socket's queue;
   * NULL: never. */
  bool (*is_full)(void *ctx);
  /* Whether accept would refuse a peer of that address, because others of it wait already. Asked before
   * there is a stream, which costs more to make and to free than all that follows; NULL: never. */
  bool (*refuses)(void *ctx, uint64_t address);
  const struct transport_events *events;
};

#endif
