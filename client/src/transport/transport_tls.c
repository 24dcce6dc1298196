/* tls+tcp://: tcp with TLS over memory in between, without threads, and usable after a fork.
 *
 * threads A mutex for each link, within tls_guard: one thread sends while another receives. Both are
 *         held for work of the processor, and calls that don't block.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/src/transport/credentials.h"
#include "client/src/transport/descriptor.h"
#include "client/src/transport/dial_error.h"
#include "client/src/transport/tls_guard.h"
#include "client/src/transport/tls_refusal.h"
#include "client/src/transport/transport.h"

/* Received at once. */
#define RECEIVE_BYTES ((size_t)64 << 10)
/* Sealed at once of one large part; and sealed bytes that the kernel has not taken, beyond which no
 * more are sealed. */
#define PIECE_BYTES ((size_t)64 << 10)
#define SEALED_BYTES_MAX ((size_t)64 << 10)

struct tls_link {
  pthread_mutex_t mutex;
  struct tls *tls;
  char user[KEY_USER_BYTES_MAX + 1]; /* of the key that is offered */
  struct buffer plain;               /* decrypted, not yet read */
  bool has_ended;                    /* nothing more will be received */
  /* A byte was sealed, but reported as unsent, so that somebody waits for room for the sealed bytes
   * that the kernel did not take. */
  bool owes_byte;
  int error; /* errno: the link is lost */
  uint8_t scratch[TLS_RECORD_BYTES_MAX];
};

/* Bounded by what one record may have, and by the limits above. */
static struct buffer_budget budget = {.bytes_max = SIZE_MAX};

static struct tls_link *enter(const struct link *link) {
  tls_guard_enter();
  pthread_mutex_lock(&link->tls->mutex);
  return link->tls;
}

static void leave(struct tls_link *state) {
  pthread_mutex_unlock(&state->mutex);
  tls_guard_leave();
}

/* ---------------------------------------------------------------- ciphertext; entered */

/* Sends what the kernel takes of the sealed bytes. Whether it took all. */
static bool flush_sealed(const struct link *link) {
  struct tls_link *state = link->tls;
  struct buffer *sealed = tls_output(state->tls);
  while (sealed->len > 0 && state->error == 0) {
    ssize_t sent = send(link->fd, buffer_first(sealed), sealed->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      buffer_consume(sealed, (size_t)sent);
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      state->error = errno;
    }
  }
  return sealed->len == 0;
}

/* Receives what the socket has, once. Whether anything came. */
static bool fill_input(const struct link *link) {
  struct tls_link *state = link->tls;
  struct buffer *input = tls_input(state->tls);
  ssize_t received;
  if (state->has_ended || state->error != 0) {
    return false;
  }
  if (!buffer_reserve(input, RECEIVE_BYTES)) {
    state->error = ENOMEM;
    return false;
  }
  do {
    received = recv(link->fd, buffer_end(input), buffer_room(input), MSG_DONTWAIT);
  } while (received < 0 && errno == EINTR);
  if (received > 0) {
    input->len += (size_t)received;
  } else if (received == 0) {
    state->has_ended = true;
  } else if (errno != EAGAIN) {
    state->error = errno;
  }
  return received > 0;
}

/* Decrypts all that was received. */
static void decrypt(struct tls_link *state) {
  enum tls_result result = TLS_OK;
  size_t pending;
  while (result == TLS_OK && state->error == 0 && (pending = tls_pending(state->tls)) > 0) {
    size_t count = 0;
    if (!buffer_reserve(&state->plain, pending)) {
      state->error = ENOMEM;
      return;
    }
    result = tls_read(state->tls, buffer_end(&state->plain), buffer_room(&state->plain), &count);
    if (result == TLS_OK) {
      state->plain.len += count;
    } else if (result == TLS_ENDED) {
      state->has_ended = true;
    } else if (result == TLS_FAILED) {
      state->error = EBADMSG;
    }
  }
}

/* Receives and decrypts; sends what the peer is to be answered, such as new keys of the
 * connection. */
static void take_in(const struct link *link) {
  decrypt(link->tls); /* what came with the end of the handshake */
  if (link->tls->plain.len == 0 && fill_input(link)) {
    decrypt(link->tls);
  }
  flush_sealed(link);
}

/* ---------------------------------------------------------------- sending */

/* What is left of the parts. */
struct cursor {
  const struct iovec *parts;
  int count;
  size_t offset; /* in the first */
};

static void cursor_skip(struct cursor *cursor, size_t size) {
  cursor->offset += size;
  while (cursor->count > 0 && cursor->offset >= cursor->parts->iov_len) {
    cursor->offset -= cursor->parts->iov_len;
    cursor->parts++;
    cursor->count--;
  }
}

/* Up to `size` bytes that lie together. */
static struct bytes cursor_next(struct cursor *cursor, size_t size) {
  const uint8_t *data = (const uint8_t *)cursor->parts->iov_base + cursor->offset;
  size_t left = cursor->parts->iov_len - cursor->offset;
  struct bytes piece = bytes_of(data, left < size ? left : size);
  cursor_skip(cursor, piece.len);
  return piece;
}

/* The next bytes to be sealed: some of a large part as it is, small parts together. */
static struct bytes next_piece(struct tls_link *state, struct cursor *cursor) {
  size_t len = 0;
  if (cursor->parts->iov_len - cursor->offset >= sizeof state->scratch) {
    return cursor_next(cursor, PIECE_BYTES);
  }
  while (cursor->count > 0 && len < sizeof state->scratch) {
    struct bytes part = cursor_next(cursor, sizeof state->scratch - len);
    memcpy(state->scratch + len, part.data, part.len);
    len += part.len;
  }
  return bytes_of(state->scratch, len);
}

static ssize_t send_parts(const struct link *link, struct iovec *parts, int part_count) {
  struct cursor cursor = {.parts = parts, .count = part_count};
  struct tls_link *state = enter(link);
  size_t total = 0;
  bool has_room = flush_sealed(link);
  cursor_skip(&cursor, 0); /* empty parts */
  if (has_room && state->owes_byte) {
    state->owes_byte = false;
    cursor_skip(&cursor, 1);
    total = 1;
  }
  while (state->error == 0 && !state->owes_byte && cursor.count > 0 &&
         tls_output(state->tls)->len < SEALED_BYTES_MAX) {
    struct bytes piece = next_piece(state, &cursor);
    total += piece.len;
    if (!tls_write(state->tls, piece.data, piece.len)) {
      state->error = tls_failure(state->tls) == TLS_FAILURE_MEMORY ? ENOMEM : EBADMSG;
    }
    has_room = flush_sealed(link);
  }
  if (total > 0 && !has_room) {
    state->owes_byte = true;
    total--;
  }
  int error = state->error;
  leave(state);
  if (error != 0 || total == 0) {
    errno = error != 0 ? error : EAGAIN;
    return -1;
  }
  return (ssize_t)total;
}

/* ---------------------------------------------------------------- receiving */

static ssize_t receive(const struct link *link, void *data, size_t capacity) {
  struct tls_link *state = enter(link);
  int error = EAGAIN;
  ssize_t count = -1;
  if (state->plain.len == 0) {
    take_in(link);
  }
  if (state->plain.len > 0) {
    size_t size = state->plain.len < capacity ? state->plain.len : capacity;
    memcpy(data, buffer_first(&state->plain), size);
    buffer_consume(&state->plain, size);
    buffer_trim(&state->plain, RECEIVE_BYTES);
    count = (ssize_t)size;
  } else if (state->error != 0) {
    error = state->error;
  } else if (state->has_ended) {
    count = 0;
  }
  leave(state);
  errno = error;
  return count;
}

/* ---------------------------------------------------------------- waiting */

/* Of a reader's events those that need no wait. Who waits for room alone leaves what comes to the
 * reader. */
static short events_now(struct tls_link *state, short events) {
  short found = 0;
  if ((events & POLLIN) != 0) {
    decrypt(state);
    found |= state->plain.len > 0 ? POLLIN : 0;
    found |= state->has_ended ? POLLIN | POLLHUP : 0;
  }
  return state->error != 0 ? POLLIN | POLLHUP : found;
}

/* What the descriptor is to be polled for; sealed bytes need room whatever is waited for. */
static short poll_events(const struct link *link, short events) {
  struct tls_link *state = enter(link);
  bool has_sealed = tls_output(state->tls)->len > 0;
  leave(state);
  return (short)(events | (has_sealed ? POLLOUT : 0));
}

/* What has occurred of `events` after a wait for the descriptor. */
static short events_after(const struct link *link, short events, short ready) {
  struct tls_link *state = enter(link);
  bool is_reader = (events & POLLIN) != 0, has_room = true;
  if ((ready & POLLOUT) != 0) {
    has_room = flush_sealed(link);
  }
  if (is_reader && (ready & ~POLLOUT) != 0) {
    take_in(link);
  }
  short found = events_now(state, events);
  leave(state);
  if (has_room) {
    found |= (short)(ready & events & POLLOUT);
  }
  return is_reader ? found : (short)(found | (ready & (POLLERR | POLLHUP | POLLNVAL)));
}

/* Readable are decrypted bytes: who only looks whether the server left must not take a change of
 * keys for that. */
static short await(const struct link *link, short events, int other, bool *is_other,
                   uint64_t deadline_ns) {
  struct tls_link *state = enter(link);
  short ready, found = events_now(state, events);
  leave(state);
  while (found == 0) {
    ready = descriptor_wait_or(link->fd, poll_events(link, events), other, is_other, deadline_ns);
    found = ready != 0 ? events_after(link, events, ready) : 0;
    if (ready == 0 || *is_other) {
      break;
    }
  }
  return found;
}

static short arm(const struct link *link, short events) {
  struct tls_link *state = enter(link);
  short found = events_now(state, events);
  leave(state);
  return found;
}

static void disarm(const struct link *link) {
  (void)link;
}

/* ---------------------------------------------------------------- life */

/* Writes nothing: in a forked child the connection is the parent's. */
static void tls_link_free(struct tls_link *state) {
  tls_guard_enter();
  tls_free(state->tls);
  tls_guard_leave();
  buffer_deinit(&state->plain);
  pthread_mutex_destroy(&state->mutex);
  free(state);
}

static void close_link(const struct link *link) {
  close(link->fd);
  if (link->tls != NULL) { /* NULL while the link was being opened */
    tls_link_free(link->tls);
  }
}

static void cut(const struct link *link) {
  shutdown(link->fd, SHUT_RDWR);
}

static struct tls_link *tls_link_new(const struct dial *dial) {
  char host[RESOLVE_HOST_BYTES_MAX];
  const char *port;
  struct tls_link *state = calloc(1, sizeof *state);
  if (state == NULL || !resolve_split(dial->address, host, &port)) {
    free(state);
    return NULL;
  }
  pthread_mutex_init(&state->mutex, NULL);
  buffer_init(&state->plain, &budget);
  tls_guard_enter();
  struct tls_context *context = credentials_context(dial->dialling->credentials, state->user);
  state->tls = tls_new(context, &budget, host);
  tls_context_release(context);
  tls_guard_leave();
  if (state->tls == NULL) {
    tls_link_free(state);
    return NULL;
  }
  return state;
}

/* As an attempt's step; entered. */
static int shake_hands(const struct link *link, struct waits *waits) {
  struct tls_link *state = link->tls;
  for (;;) {
    enum tls_result result = tls_handshake(state->tls);
    bool has_room = flush_sealed(link);
    if (result != TLS_WAITS) {
      return result == TLS_OK ? 0 : EBADMSG;
    }
    if (!fill_input(link)) {
      if (state->error != 0 || state->has_ended) {
        return state->error != 0 ? state->error : DIAL_HANDSHAKE_CUT;
      }
      waits_add(waits, link->fd, (short)(POLLIN | (has_room ? 0 : POLLOUT)));
      return STEP_WAITS;
    }
  }
}

static int secure(struct link *link, const struct dial *dial, struct waits *waits) {
  if (link->tls == NULL) {
    link->tls = tls_link_new(dial);
  }
  if (link->tls == NULL) {
    return ENOMEM;
  }
  struct tls_link *state = enter(link);
  int error = shake_hands(link, waits);
  leave(state);
  return error;
}

static int explain(const struct link *link, const struct dial *dial, int error) {
  struct dialling *dialling = dial->dialling;
  if (link->tls == NULL) {
    return error;
  }
  struct tls_link *state = enter(link);
  struct refusal refusal = {.address = dial->address,
                            .user = state->user,
                            .files = credentials_files(dialling->credentials),
                            .failure = tls_failure(state->tls),
                            .cause = tls_failure_text(state->tls)};
  int explained = refusal.failure == TLS_FAILURE_NONE
                      ? error
                      : refusal_explain(&refusal, dialling->refusal, sizeof dialling->refusal);
  leave(state);
  return explained;
}

static bool is_tls_address(const char *address) {
  return transport_tcp.is_address(address);
}

static int dial_tls(struct dial *dial, int *fd, struct waits *waits) {
  return transport_tcp.dial(dial, fd, waits);
}

const struct transport transport_tls = {
    .scheme = "tls+tcp://",
    .name = "tls",
    .framing = SP_TCP,
    .is_address = is_tls_address,
    .dial = dial_tls,
    .secure = secure,
    .explain = explain,
    .send = send_parts,
    .recv = receive,
    .wait = await,
    .arm = arm,
    .poll_events = poll_events,
    .disarm = disarm,
    .cut = cut,
    .close = close_link,
};
