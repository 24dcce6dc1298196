#include "server/transport/socket_stream.h"

#include "proto/base/clock.h"
#include "server/transport/address.h"
#include "server/transport/nng_shim.h"
#include "server/transport/peer_identity.h"

#include <stdatomic.h>
#include <stdlib.h>

#define POSTED_BYTES (4u << 10) /* memory of a waiting connection */

struct socket_stream {
  const struct transport_events *events;
  void *connection;
  nng_stream *stream;
  atomic_bool is_closed;

  /* Reading. */
  nng_aio *receive;
  nng_aio *posted;  /* without callback; NULL until it is first needed */
  bool is_posted;   /* `posted` is under way */
  bool is_pausing;  /* `receive` is a pause */
  bool is_received; /* the next two are the next read's */
  int received_result;
  size_t received_bytes;

  /* Writing. */
  nng_aio *send;   /* without callback: completes within the call, or is cancelled */
  nng_aio *drain;  /* for what `send` could not do */
  bool is_drained; /* its result is the next write's */
};

/* Of what is left until then. */
static nng_duration timeout_of(uint64_t deadline_ns) {
  if (deadline_ns == CLOCK_NEVER) {
    return NNG_DURATION_INFINITE;
  }
  uint64_t now_ns = clock_now_ns();
  uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
  return (nng_duration)(left_ns / CLOCK_NS_PER_MS) + 1;
}

static enum transport_result result_of(int rv, size_t bytes, size_t *count) {
  if (rv == 0 && bytes > 0) {
    *count = bytes;
    return TRANSPORT_OK;
  }
  if (rv == 0) {
    return TRANSPORT_WAITS;
  }
  return rv == NNG_ETIMEDOUT ? TRANSPORT_LATE : TRANSPORT_LEFT;
}

/* ---------------------------------------------------------------------------------- reading */

static void received(void *arg) {
  struct socket_stream *stream = arg;
  if (!stream->is_pausing) {
    stream->is_received = true;
    stream->received_result = nng_aio_result(stream->receive);
    stream->received_bytes = nng_aio_count(stream->receive);
  }
  stream->is_pausing = false;
  stream->events->readable(stream->connection);
}

static void stream_post(void *self, void *data, size_t capacity) {
  struct socket_stream *stream = self;
  stream->is_posted = stream->posted != NULL || nng_aio_alloc(&stream->posted, NULL, NULL) == 0;
  if (stream->is_posted) {
    nng_shim_post_read(stream->stream, stream->posted, data, capacity);
    /* A read that is posted before nng closes the stream is ended by that; one that is posted after it
     * would never end. nng's lock of the stream orders both, so the flag is seen in time. */
    if (atomic_load(&stream->is_closed)) {
      nng_aio_cancel(stream->posted);
    }
  }
}

static bool stream_is_readable(void *self) {
  const struct socket_stream *stream = self;
  return (stream->is_posted && nng_shim_is_done(stream->posted)) || stream->is_received;
}

static size_t stream_pending(void *self) {
  (void)self;
  return 0;
}

static enum transport_result stream_read(void *self, void *data, size_t capacity, size_t *count) {
  struct socket_stream *stream = self;
  (void)data, (void)capacity; /* they are where it was posted */
  if (stream->is_received) {
    stream->is_received = false;
    return result_of(stream->received_result, stream->received_bytes, count);
  }
  if (!stream_is_readable(stream)) {
    return TRANSPORT_WAITS;
  }
  size_t bytes;
  int rv = nng_shim_take(stream->posted, &bytes);
  stream->is_posted = false;
  return result_of(rv, bytes, count);
}

/* Whether there was nothing to take. */
static bool withdraw_posted(struct socket_stream *stream) {
  stream->is_posted = false;
  stream->received_result = nng_shim_withdraw(stream->posted, &stream->received_bytes);
  stream->is_received = stream->received_result != 0 || stream->received_bytes > 0;
  return !stream->is_received;
}

static bool stream_await_readable(void *self, void *data, size_t capacity, uint64_t deadline_ns) {
  struct socket_stream *stream = self;
  if (stream->is_received || (stream->is_posted && !withdraw_posted(stream))) {
    return false;
  }
  nng_aio_set_timeout(stream->receive, timeout_of(deadline_ns));
  nng_shim_post_read(stream->stream, stream->receive, data, capacity);
  return true;
}

static void stream_pause(void *self, uint32_t ms) {
  struct socket_stream *stream = self;
  stream->is_pausing = true;
  nng_sleep_aio((nng_duration)ms, stream->receive);
}

static void stream_resume(void *self) {
  struct socket_stream *stream = self;
  stream->events->readable(stream->connection);
}

/* ---------------------------------------------------------------------------------- writing */

static void drained(void *arg) {
  struct socket_stream *stream = arg;
  stream->is_drained = true;
  stream->events->writable(stream->connection);
}

static enum transport_result stream_write(void *self, const struct bytes *runs, size_t *count) {
  struct socket_stream *stream = self;
  if (stream->is_drained) {
    stream->is_drained = false;
    return result_of(nng_aio_result(stream->drain), nng_aio_count(stream->drain), count);
  }
  size_t sent;
  nng_shim_set_runs(stream->send, runs, TRANSPORT_RUNS);
  int rv = nng_shim_try_send(stream->stream, stream->send, &sent);
  return result_of(rv, sent, count);
}

static bool stream_await_writable(void *self, const struct bytes *runs, uint64_t deadline_ns) {
  struct socket_stream *stream = self;
  nng_shim_set_runs(stream->drain, runs, TRANSPORT_RUNS);
  nng_aio_set_timeout(stream->drain, timeout_of(deadline_ns));
  nng_stream_send(stream->stream, stream->drain);
  return true;
}

/* ------------------------------------------------------------------------------------- life */

static void stream_close(void *self) {
  struct socket_stream *stream = self;
  atomic_store(&stream->is_closed, true);
  nng_stream_close(stream->stream);
  nng_aio_cancel(stream->receive); /* a pause, which is not the stream's */
}

static void stream_free(void *self) {
  struct socket_stream *stream = self;
  /* Often on a callback of one of these operations, so they are freed on nng's own thread. */
  nng_aio_reap(stream->receive);
  nng_aio_reap(stream->posted);
  nng_aio_reap(stream->send);
  nng_aio_reap(stream->drain);
  nng_stream_free(stream->stream);
  free(stream);
}

static const struct transport sockets_transport = {
    .name = "socket",
    .posted_bytes = POSTED_BYTES,
    .post = stream_post,
    .is_readable = stream_is_readable,
    .pending = stream_pending,
    .read = stream_read,
    .await_readable = stream_await_readable,
    .pause = stream_pause,
    .resume = stream_resume,
    .write = stream_write,
    .await_writable = stream_await_writable,
    .close = stream_close,
    .free = stream_free,
};

/* NULL: out of memory, and the nng stream is freed. */
static struct socket_stream *stream_new(nng_stream *nng) {
  struct socket_stream *stream = calloc(1, sizeof *stream);
  if (stream == NULL) {
    nng_stream_free(nng);
    return NULL;
  }
  stream->stream = nng;
  if (nng_aio_alloc(&stream->receive, received, stream) != 0 ||
      nng_aio_alloc(&stream->send, NULL, NULL) != 0 ||
      nng_aio_alloc(&stream->drain, drained, stream) != 0) {
    stream_free(stream);
    return NULL;
  }
  return stream;
}

void socket_stream_start(nng_stream *nng, enum sp_transport framing,
                         const struct transport_acceptor *acceptor) {
  const uint64_t address = address_of_peer(nng);
  if (acceptor->refuses != NULL && acceptor->refuses(acceptor->ctx, address)) {
    nng_stream_free(nng);
    return;
  }
  const struct transport_peer peer = {
      .address = address, .framing = framing, .identity = peer_identity(nng)};
  struct socket_stream *stream = stream_new(nng);
  if (stream == NULL) {
    return;
  }
  stream->events = acceptor->events;
  if (!acceptor->accept(acceptor->ctx, &sockets_transport, stream, &peer, &stream->connection)) {
    stream_free(stream);
  }
}
