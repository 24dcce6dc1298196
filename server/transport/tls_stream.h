/* A row of the table of transports: TLS over another row, that of sockets.
 *
 * layer   transport, internal
 * shapes  Ciphertext is read into the TLS input, and decrypted into the connection's memory. Replies are
 *         sealed into the TLS output; what the socket does not take at once is in `sealed` from then on,
 *         and is written before anything else is sealed: records are neither reordered nor sealed twice.
 *         The last byte of a write counts as unwritten while its record is not all in the socket, so that
 *         somebody waits for room.
 * threads Before the handshake is over, one thread has the stream at a time: opening.h. Then as in
 *         transport.h. An SSL object is not for two threads, so its calls are under `lock`, and so are
 *         those calls of the row below that give an activity away. Order of locks: the connection's,
 *         then this one.
 */
#ifndef HF_TRANSPORT_TLS_STREAM_H
#define HF_TRANSPORT_TLS_STREAM_H

#include "proto/base/limited_log.h"
#include "proto/tls/tls.h"
#include "server/transport/transport.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

struct tls_gate;

struct tls_stream {
  const struct transport *lower;
  void *lower_stream;
  const struct transport_events *events; /* of the connection, which is NULL until it is accepted */
  void *connection;
  struct limited_log *limited_log; /* borrowed */

  /* Only the activity "reading" touches these. */
  bool is_posted;                 /* the row below has the input's memory */
  bool has_more;                  /* there may be something to decrypt */
  bool is_filled;                 /* the last read had no room for more */
  enum transport_result received; /* how reading below ended; TRANSPORT_WAITS: it did not */

  pthread_mutex_t lock; /* for all below */
  struct tls *tls;
  struct buffer sealed; /* ciphertext on its way, also the row below's while is_draining */
  bool is_draining;     /* the row below waits for room */
  size_t owed_len;      /* so many bytes with which the next write begins are sealed already */
  bool is_closed;

  /* Before the handshake is over; the gate's. */
  struct tls_gate *gate;
  uint64_t address;
  uint64_t deadline_ns;
  bool is_accepted;
  /* When, CLOCK_MONOTONIC, it may be closed to make room, as its peer had its time; 0: the peer waits for
   * us, and the row below does not have the stream. */
  atomic_uint_least64_t kept_until_ns;
  atomic_bool is_delayed; /* its peer is not read from yet */
  bool is_evicted;        /* closed, to make room or because the server stops */
  bool has_worked;        /* the server has answered something */
  TAILQ_ENTRY(tls_stream) next_opening;
  STAILQ_ENTRY(tls_stream) next_in_line;
};

/* NULL: out of memory, and the stream below is the caller's. */
struct tls_stream *tls_stream_new(struct tls_context *context, struct buffer_budget *budget,
                                  const struct transport *lower, void *lower_stream);
/* Frees all but the stream below. */
void tls_stream_discard(struct tls_stream *stream);
/* Frees the stream below, too. */
void tls_stream_free(struct tls_stream *stream);

/* Moves what the row below has into the TLS input. */
void tls_stream_receive(struct tls_stream *stream);
/* As await_readable, under the lock and not after close. */
bool tls_stream_await_locked(struct tls_stream *stream, uint64_t deadline_ns);
/* Writes what is sealed. TRANSPORT_OK: all of it | TRANSPORT_WAITS: no more for now. */
enum transport_result tls_stream_flush_locked(struct tls_stream *stream);
/* As await_writable; something is sealed. */
bool tls_stream_drain_locked(struct tls_stream *stream, uint64_t deadline_ns);
/* Closes the row below, once. */
void tls_stream_close_locked(struct tls_stream *stream);

extern const struct transport tls_transport;

#endif
