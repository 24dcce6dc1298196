/* A transport: how the bytes of a connection come and go. One table of functions for each kind; a
 * connection knows nothing else about its kind.
 *
 * layer   transport; handed to connection as a table, calls back through struct transport_events
 * shapes  a stream is one peer's; what it points to is the transport's own
 * memory  The connection owns the stream from accept to free. Memory that it posts, or waits with,
 *         stays borrowed until the read or write that answers something else than TRANSPORT_WAITS.
 * threads Two activities a stream, each by one thread at a time, side by side with the other:
 *         reading (post, is_readable, pending, read, await_readable, pause) and writing (write,
 *         await_writable). The connection's lock is held for writing, for close, for
 *         await_readable and pause: what gives an activity away is not called after close.
 *
 *   reading:   connection has it --- await_readable, pause ---> transport has it
 *                      ^                                              |
 *                      '----- events: readable (or poll, or wait) ----'
 *
 * The rows: socket_stream.h (tcp and ipc), ring_stream.h (shared memory). What TLS is to need has its
 * place: bytes that are decrypted and not taken are `pending`, and make the stream readable; a read
 * that has to write first, or a write that has to read, does that itself on the stream below, and
 * WAITS until its retry can go on, in whichever direction; who the peer is, known when it is accepted,
 * goes into struct transport_peer.
 */
#ifndef HF_TRANSPORT_TRANSPORT_H
#define HF_TRANSPORT_TRANSPORT_H

#include "proto/sp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
 * are for a transport whose own thread goes round its streams, readable is for any other. */
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
  /* It bounds the number of its streams itself; else the connection set does. */
  bool has_own_limit;

  /* Reading. */

  /* Lends memory for the next bytes, without a wait: the stream becomes readable when they are there.
   * Called by whoever polls, once before is_readable. After close: it becomes readable at once. */
  void (*post)(void *stream, void *data, size_t capacity);
  /* A hint, and cheap: whether read would answer something else than TRANSPORT_WAITS. Called by
   * whoever polls, very often. After close: true. */
  bool (*is_readable)(const void *stream);
  /* How many bytes are known to be there, so that there is room for them; 0: not known. */
  size_t (*pending)(void *stream);
  /* Takes bytes. What was posted must be given again. Never blocks. After close: TRANSPORT_LEFT.
   * out  count  set on TRANSPORT_OK */
  enum transport_result (*read)(void *stream, void *data, size_t capacity, size_t *count);
  /* Reading is the transport's from here on, and the connection may be gone when it returns. At the
   * deadline it is given back, and read answers TRANSPORT_LATE. false: bytes have come just now, and
   * nothing has changed. Not called after close, which gives reading back at once. */
  bool (*await_readable)(void *stream, void *data, size_t capacity, uint64_t deadline_ns);
  /* The same for a while, whatever comes: there was no memory to read into. */
  void (*pause)(void *stream, uint32_t ms);
  /* Reading, which the connection kept, is the transport's, to give back at once, or to poll. */
  void (*resume)(void *stream);

  /* Writing. */

  /* Gives bytes away, as many as fit; wakes the peer if need be. Never blocks.
   * out  count  set on TRANSPORT_OK */
  enum transport_result (*write)(void *stream, void *data, size_t len, size_t *count);
  /* The event `writable` comes when some of the bytes can go, or have gone; the next write is given
   * the same, and tells. At the latest at the deadline, then write answers TRANSPORT_LATE. false: they
   * can go now, and no event comes. Not called after close. */
  bool (*await_writable)(void *stream, void *data, size_t len, uint64_t deadline_ns);

  /* Ends both directions, once. Events that are awaited come soon, on another thread. Bytes that were
   * written still go. Never blocks. */
  void (*close)(void *stream);
  /* After close; the stream is nobody's any more. No event is awaited. From any thread. */
  void (*free)(void *stream);
};

/* The address of all peers that come by ipc or shared memory; see address.h for the others'. */
#define TRANSPORT_ADDRESS_LOCAL UINT64_C(1)

/* What is known of a peer when it is accepted. */
struct transport_peer {
  uint64_t address;
  enum sp_transport framing;
  uint16_t protocol; /* SP_REQ or SP_PUSH; 0: its hello is still to be read, and to be answered */
};

/* Who takes the streams of peers that have come. */
struct transport_acceptor {
  void *ctx;
  /* Reading and writing are the connection's; it begins to wait within the call.
   * out  connection  for the events; set before the first
   * false: refused, and nothing was taken */
  bool (*accept)(void *ctx, const struct transport *transport, void *stream,
                 const struct transport_peer *peer, void **connection);
  const struct transport_events *events;
};

#endif
