#include "server/transport/tls_stream.h"

#include "proto/base/clock.h"

#include <stdlib.h>

#define INPUT_BYTES ((size_t)4 << 10)       /* of a connection that waits */
#define INPUT_BUSY_BYTES ((size_t)64 << 10) /* of one that fills its reads */
#define SEALED_BYTES ((size_t)64 << 10)     /* plaintext sealed at once */
/* Plaintext that one write takes: a peer that reads as fast as it is sealed holds nobody up. */
#define WRITE_BYTES_MAX ((size_t)256 << 10)
/* A peer that asks for new keys without reading our answers. */
#define UNREAD_BYTES_MAX ((size_t)256 << 10)
#define PAUSE_MS 10 /* before the next attempt to get memory */

/* ---------------------------------------------------------------------------------- reading */

static bool make_room(struct tls_stream *stream) {
  struct buffer *input = tls_input(stream->tls);
  size_t wanted = stream->is_filled ? INPUT_BUSY_BYTES : INPUT_BYTES;
  return buffer_reserve(input, wanted) || buffer_reserve(input, INPUT_BYTES);
}

void tls_stream_receive(struct tls_stream *stream) {
  struct buffer *input = tls_input(stream->tls);
  size_t count = 0;
  if (buffer_room(input) == 0 && !make_room(stream)) {
    return; /* nothing was posted; later */
  }
  enum transport_result result =
      stream->lower->read(stream->lower_stream, buffer_end(input), buffer_room(input), &count);
  if (result == TRANSPORT_WAITS) {
    return;
  }
  stream->is_posted = false;
  if (result == TRANSPORT_OK) {
    stream->is_filled = count == buffer_room(input);
    input->len += count;
    stream->has_more = true;
  } else {
    stream->received = result;
  }
}

/* While the stream is polled the input's memory is posted, which it is not while it waits. */
static bool poll_lower(struct tls_stream *stream) {
  const struct transport *lower = stream->lower;
  if (!stream->is_posted && !lower->is_readable(stream->lower_stream) && make_room(stream)) {
    struct buffer *input = tls_input(stream->tls);
    stream->is_posted = true;
    lower->post(stream->lower_stream, buffer_end(input), buffer_room(input));
  }
  return lower->is_readable(stream->lower_stream);
}

static bool stream_is_readable(void *self) {
  struct tls_stream *stream = self;
  return stream->has_more || stream->received != TRANSPORT_WAITS || poll_lower(stream);
}

static size_t stream_pending(void *self) {
  struct tls_stream *stream = self;
  if (!stream->has_more && stream->received == TRANSPORT_WAITS &&
      stream->lower->is_readable(stream->lower_stream)) {
    tls_stream_receive(stream);
  }
  if (!stream->has_more) {
    return 0;
  }
  pthread_mutex_lock(&stream->lock);
  size_t pending = tls_pending(stream->tls);
  pthread_mutex_unlock(&stream->lock);
  return pending;
}

static void log_failure(struct tls_stream *stream) {
  limited_log_line(stream->limited_log, "tls connection broken why=\"%s\"",
                   tls_failure_text(stream->tls));
}

/* An answer to a key update, or an alert, leaves with the next reply at the latest. */
static enum transport_result send_answers_locked(struct tls_stream *stream) {
  if (!stream->is_draining && !stream->is_closed && tls_output(stream->tls)->len > 0) {
    (void)tls_stream_flush_locked(stream); /* writing finds out what went wrong */
  }
  return tls_output(stream->tls)->len > UNREAD_BYTES_MAX ? TRANSPORT_BROKEN : TRANSPORT_OK;
}

static enum transport_result decrypt(struct tls_stream *stream, void *data, size_t capacity,
                                     size_t *count) {
  pthread_mutex_lock(&stream->lock);
  enum tls_result result = tls_read(stream->tls, data, capacity, count);
  stream->has_more = tls_pending(stream->tls) > 0;
  enum transport_result answered = send_answers_locked(stream);
  pthread_mutex_unlock(&stream->lock);
  switch (result) {
    case TLS_OK:
      return answered;
    case TLS_WAITS:
      return answered == TRANSPORT_OK ? TRANSPORT_WAITS : answered;
    case TLS_ENDED:
      return TRANSPORT_LEFT;
    case TLS_FAILED:
      break;
  }
  log_failure(stream);
  return TRANSPORT_BROKEN;
}

/* Not again, if it was only late. */
static enum transport_result take_received(struct tls_stream *stream) {
  enum transport_result result = stream->received;
  if (result == TRANSPORT_LATE) {
    stream->received = TRANSPORT_WAITS;
  }
  return result;
}

static enum transport_result stream_read(void *self, void *data, size_t capacity, size_t *count) {
  struct tls_stream *stream = self;
  if (!stream->has_more && stream->received == TRANSPORT_WAITS &&
      stream->lower->is_readable(stream->lower_stream)) {
    tls_stream_receive(stream);
  }
  if (stream->has_more) {
    enum transport_result result = decrypt(stream, data, capacity, count);
    if (result != TRANSPORT_WAITS) {
      return result;
    }
  }
  return take_received(stream);
}

bool tls_stream_await_locked(struct tls_stream *stream, uint64_t deadline_ns) {
  struct buffer *input = tls_input(stream->tls);
  if (!stream->is_posted) {
    stream->is_filled = false;
    buffer_trim(input, INPUT_BYTES);
    if (!make_room(stream)) {
      stream->lower->pause(stream->lower_stream, PAUSE_MS);
      return true;
    }
  }
  stream->is_posted = false;
  return stream->lower->await_readable(stream->lower_stream, buffer_end(input), buffer_room(input),
                                       deadline_ns);
}

static bool stream_await_readable(void *self, void *data, size_t capacity, uint64_t deadline_ns) {
  struct tls_stream *stream = self;
  (void)data, (void)capacity; /* ciphertext is read elsewhere */
  if (stream->has_more || stream->received != TRANSPORT_WAITS) {
    return false;
  }
  pthread_mutex_lock(&stream->lock);
  bool is_given = tls_stream_await_locked(stream, deadline_ns);
  pthread_mutex_unlock(&stream->lock);
  return is_given;
}

static void stream_pause(void *self, uint32_t ms) {
  struct tls_stream *stream = self;
  stream->lower->pause(stream->lower_stream, ms);
}

static void stream_resume(void *self) {
  struct tls_stream *stream = self;
  stream->lower->resume(stream->lower_stream);
}

/* ---------------------------------------------------------------------------------- writing */

/* What is sealed next is beside what is on its way: the row below has that memory. */
static bool take_output(struct tls_stream *stream) {
  struct buffer *output = tls_output(stream->tls);
  if (stream->sealed.len == 0 && output->len > 0) {
    struct buffer empty = stream->sealed;
    stream->sealed = *output;
    *output = empty;
  }
  return stream->sealed.len > 0;
}

static struct bytes sealed_bytes(struct tls_stream *stream) {
  return bytes_of(buffer_first(&stream->sealed), stream->sealed.len);
}

enum transport_result tls_stream_flush_locked(struct tls_stream *stream) {
  stream->is_draining = false;
  while (take_output(stream)) {
    size_t count = 0;
    const struct bytes runs[TRANSPORT_RUNS] = {sealed_bytes(stream)};
    enum transport_result result = stream->lower->write(stream->lower_stream, runs, &count);
    if (result != TRANSPORT_OK) {
      return result;
    }
    buffer_consume(&stream->sealed, count);
  }
  buffer_trim(&stream->sealed, INPUT_BYTES);
  buffer_trim(tls_output(stream->tls), INPUT_BYTES);
  return TRANSPORT_OK;
}

bool tls_stream_drain_locked(struct tls_stream *stream, uint64_t deadline_ns) {
  (void)take_output(stream);
  stream->is_draining = true; /* before: the event may come at once */
  const struct bytes runs[TRANSPORT_RUNS] = {sealed_bytes(stream)};
  bool is_given = stream->lower->await_writable(stream->lower_stream, runs, deadline_ns);
  stream->is_draining = is_given;
  return is_given;
}

/* Seals piece by piece, as long as the socket takes all. */
static enum transport_result seal_run(struct tls_stream *stream, struct bytes run, size_t *count) {
  enum transport_result result = TRANSPORT_OK;
  for (size_t done = 0; done < run.len && *count < WRITE_BYTES_MAX && result == TRANSPORT_OK;) {
    size_t piece = run.len - done < SEALED_BYTES ? run.len - done : SEALED_BYTES;
    if (!tls_write(stream->tls, run.data + done, piece)) {
      return TRANSPORT_LEFT; /* no memory, or it has failed */
    }
    done += piece;
    *count += piece;
    result = tls_stream_flush_locked(stream);
  }
  return result;
}

/* Seals what there is from the *count-th byte on. */
static enum transport_result seal(struct tls_stream *stream, const struct bytes *runs,
                                  size_t *count) {
  enum transport_result result = TRANSPORT_OK;
  size_t skipped = *count;
  for (size_t i = 0; i < TRANSPORT_RUNS && result == TRANSPORT_OK; i++) {
    size_t skip = skipped < runs[i].len ? skipped : runs[i].len;
    skipped -= skip;
    if (skip < runs[i].len) {
      result = seal_run(stream, bytes_of(runs[i].data + skip, runs[i].len - skip), count);
    }
  }
  return result;
}

static enum transport_result write_locked(struct tls_stream *stream, const struct bytes *runs,
                                          size_t *count) {
  enum transport_result result = tls_stream_flush_locked(stream);
  if (result != TRANSPORT_OK) {
    return result;
  }
  *count = stream->owed_len;
  stream->owed_len = 0;
  result = seal(stream, runs, count);
  if (result == TRANSPORT_WAITS) {
    stream->owed_len = 1;
    --*count;
    result = *count > 0 ? TRANSPORT_OK : TRANSPORT_WAITS;
  }
  return result;
}

static enum transport_result stream_write(void *self, const struct bytes *runs, size_t *count) {
  struct tls_stream *stream = self;
  pthread_mutex_lock(&stream->lock);
  enum transport_result result = write_locked(stream, runs, count);
  pthread_mutex_unlock(&stream->lock);
  return result;
}

/* What is to be written next is sealed, as something has to wait for room. */
static bool seal_ahead(struct tls_stream *stream, const struct bytes *runs) {
  const struct bytes *run = runs[0].len > 0 ? &runs[0] : &runs[1];
  size_t piece = run->len < SEALED_BYTES ? run->len : SEALED_BYTES;
  if (stream->owed_len > 0 || !tls_write(stream->tls, run->data, piece)) {
    return false;
  }
  stream->owed_len = piece;
  return take_output(stream);
}

static bool stream_await_writable(void *self, const struct bytes *runs, uint64_t deadline_ns) {
  struct tls_stream *stream = self;
  pthread_mutex_lock(&stream->lock);
  bool is_sealed = take_output(stream) || seal_ahead(stream, runs);
  bool is_given = is_sealed && tls_stream_drain_locked(stream, deadline_ns);
  pthread_mutex_unlock(&stream->lock);
  return is_given;
}

/* ------------------------------------------------------------------------------------- life */

void tls_stream_close_locked(struct tls_stream *stream) {
  if (!stream->is_closed) {
    stream->is_closed = true;
    stream->lower->close(stream->lower_stream);
  }
}

static void stream_close(void *self) {
  struct tls_stream *stream = self;
  pthread_mutex_lock(&stream->lock);
  tls_goodbye(stream->tls);
  if (!stream->is_draining) {
    (void)tls_stream_flush_locked(stream);
  }
  tls_stream_close_locked(stream);
  pthread_mutex_unlock(&stream->lock);
}

void tls_stream_discard(struct tls_stream *stream) {
  tls_free(stream->tls);
  buffer_deinit(&stream->sealed);
  pthread_mutex_destroy(&stream->lock);
  free(stream);
}

void tls_stream_free(struct tls_stream *stream) {
  stream->lower->free(stream->lower_stream);
  tls_stream_discard(stream);
}

static void stream_free(void *self) {
  tls_stream_free(self);
}

const struct transport tls_transport = {
    .name = "tls",
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

struct tls_stream *tls_stream_new(struct tls_context *context, struct buffer_budget *budget,
                                  const struct transport *lower, void *lower_stream) {
  struct tls_stream *stream = calloc(1, sizeof *stream);
  struct tls *tls = stream != NULL ? tls_new(context, budget, NULL) : NULL;
  if (tls == NULL) {
    free(stream);
    return NULL;
  }
  stream->tls = tls;
  stream->lower = lower;
  stream->lower_stream = lower_stream;
  stream->received = TRANSPORT_WAITS;
  buffer_init(&stream->sealed, budget);
  pthread_mutex_init(&stream->lock, NULL);
  return stream;
}
