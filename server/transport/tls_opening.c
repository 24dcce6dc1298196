#include "server/transport/tls_opening.h"

#include "proto/base/clock.h"
#include "proto/limits.h"

#include <string.h>

_Static_assert(IDENTITY_NAMES_BYTES_MAX >= TLS_NAMES_BYTES_MAX, "all names fit");
_Static_assert(USER_NAME_BYTES_MAX >= KEY_USER_BYTES_MAX, "every key's user fits");

static enum tls_opening opening_of(enum transport_result result) {
  return result == TRANSPORT_LATE ? TLS_OPENING_LATE : TLS_OPENING_LEFT;
}

bool tls_opening_is_proven(const struct tls_stream *stream) {
  return stream->has_worked && *tls_claimed_user(stream->tls) != '\0';
}

/* Before the row below has the stream: its event may come at once. */
static void set_waiting(struct tls_stream *stream, bool is_waiting) {
  uint64_t ms = tls_opening_is_proven(stream) ? HF_HANDSHAKE_WAIT_PROVEN_MS : HF_HANDSHAKE_WAIT_MS;
  atomic_store(&stream->kept_until_ns, is_waiting ? clock_deadline_ns(clock_now_ns(), ms) : 0);
}

/* Gives reading away. true: an event comes, and the stream may be gone. */
static bool await_input(struct tls_stream *stream) {
  pthread_mutex_lock(&stream->lock);
  set_waiting(stream, true);
  bool is_given = !stream->is_closed && tls_stream_await_locked(stream, stream->deadline_ns);
  if (!is_given) {
    set_waiting(stream, false);
    stream->received = stream->is_closed ? TRANSPORT_LEFT : stream->received;
  }
  pthread_mutex_unlock(&stream->lock);
  return is_given;
}

/* Our side of the handshake. TRANSPORT_WAITS: an event comes, and the stream may be gone. */
static enum transport_result send_flight(struct tls_stream *stream) {
  enum transport_result result = TRANSPORT_LEFT;
  pthread_mutex_lock(&stream->lock);
  bool waits = !stream->is_closed;
  while (waits) {
    result = tls_stream_flush_locked(stream);
    set_waiting(stream, result == TRANSPORT_WAITS);
    waits = result == TRANSPORT_WAITS && !tls_stream_drain_locked(stream, stream->deadline_ns);
  }
  pthread_mutex_unlock(&stream->lock);
  return result;
}

/* An alert, as far as the socket takes it: the stream is freed next, so no event may come. */
static void send_alert(struct tls_stream *stream) {
  pthread_mutex_lock(&stream->lock);
  if (!stream->is_closed) {
    (void)tls_stream_flush_locked(stream);
  }
  pthread_mutex_unlock(&stream->lock);
}

/* One step with the input there is. false: *opening is how it ended, or goes on later. */
static bool step(struct tls_stream *stream, enum tls_opening *opening) {
  enum tls_result result = tls_handshake(stream->tls);
  stream->has_worked |= tls_output(stream->tls)->len > 0;
  stream->has_more = tls_pending(stream->tls) > 0;
  if (result == TLS_FAILED) {
    send_alert(stream);
    *opening = TLS_OPENING_REFUSED;
    return false;
  }
  enum transport_result sent = send_flight(stream);
  if (sent != TRANSPORT_OK) {
    *opening = sent == TRANSPORT_WAITS ? TLS_OPENING_WAITS : opening_of(sent);
    return false;
  }
  *opening = TLS_OPENING_DONE;
  return result == TLS_WAITS;
}

/* false: an event comes. */
static bool receive(struct tls_stream *stream) {
  while (tls_input(stream->tls)->len == 0 && stream->received == TRANSPORT_WAITS) {
    if (stream->lower->is_readable(stream->lower_stream)) {
      tls_stream_receive(stream);
    } else if (await_input(stream)) {
      return false;
    }
  }
  return true;
}

bool tls_opening_begin(struct tls_stream *stream, uint32_t delay_ms) {
  if (delay_ms == 0) {
    return await_input(stream);
  }
  pthread_mutex_lock(&stream->lock);
  bool is_given = !stream->is_closed;
  if (is_given) {
    atomic_store(&stream->kept_until_ns,
                 clock_deadline_ns(clock_now_ns(), delay_ms + HF_HANDSHAKE_WAIT_MS));
    atomic_store(&stream->is_delayed, true);
    stream->lower->pause(stream->lower_stream, delay_ms);
  }
  pthread_mutex_unlock(&stream->lock);
  return is_given;
}

static bool is_draining(struct tls_stream *stream) {
  pthread_mutex_lock(&stream->lock);
  bool is_draining = stream->is_draining;
  pthread_mutex_unlock(&stream->lock);
  return is_draining;
}

enum tls_opening tls_opening_go_on(struct tls_stream *stream) {
  enum tls_opening opening;
  if (clock_now_ns() >= stream->deadline_ns) {
    return TLS_OPENING_LATE; /* it has stood in line for too long */
  }
  if (is_draining(stream) && !step(stream, &opening)) {
    return opening;
  }
  do {
    if (!receive(stream)) {
      return TLS_OPENING_WAITS;
    }
    if (stream->received != TRANSPORT_WAITS) {
      return opening_of(stream->received);
    }
  } while (step(stream, &opening));
  return opening;
}

void tls_opening_identity(const struct tls_stream *stream, struct identity *identity) {
  struct tls_peer peer = tls_peer(stream->tls);
  *identity = (struct identity){.kind = IDENTITY_NONE};
  switch (peer.kind) {
    case TLS_PEER_UNKNOWN:
      break;
    case TLS_PEER_KEY:
      identity->kind = IDENTITY_KEY;
      memcpy(identity->key.user, peer.key->user, sizeof peer.key->user);
      memcpy(identity->key.id, peer.key->id, sizeof identity->key.id);
      break;
    case TLS_PEER_CERTIFICATE: {
      size_t len = 0;
      while (peer.names[len] != '\0') {
        len += strlen(peer.names + len) + 1;
      }
      identity->kind = IDENTITY_CERTIFICATE;
      memcpy(identity->names, peer.names, len + 1);
      break;
    }
  }
}
