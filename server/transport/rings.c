#include "server/transport/rings.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/map64.h"
#include "proto/limits.h"
#include "server/transport/ring_stream.h"
#include "server/transport/spin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HANDSHAKE_LISTENERS_MAX 16
#define EVENTS_MAX 64
/* A ring without traffic for so long is idle: its client rings the doorbell from then on. */
#define IDLE_NS 500000
/* How often epoll is asked while rings are polled. */
#define EPOLL_INTERVAL_NS 20000
/* Clients that are being refused, at the same time. */
#define REFUSED_MAX 64
#define TICK_MS 1000
#define PAUSED_TICK_MS 10 /* while a stream is paused */
/* Tags of what epoll reports: the index of a listener, WAKEUP_TAG, or the id of a stream; with
 * DOORBELL_TAG its doorbell. */
#define WAKEUP_TAG HANDSHAKE_LISTENERS_MAX
#define STREAM_TAG (UINT64_C(1) << 63)
#define DOORBELL_TAG (UINT64_C(1) << 62)

TAILQ_HEAD(busy_list, ring_stream);

struct handshake_listener {
  int fd;
  struct socket_file file;
};

struct rings {
  struct ring_context context;
  int poll; /* epoll: listeners, sockets and doorbells of streams, the wakeup */
  pthread_t thread;
  bool is_started;
  atomic_bool is_stopping;

  pthread_mutex_t listeners_lock; /* for the next three; owned while a client is accepted */
  struct handshake_listener listeners[HANDSHAKE_LISTENERS_MAX];
  size_t listeners_count;
  bool is_accepting;

  /* The thread's. */
  struct map64 streams; /* by id; with a reference to each */
  uint64_t last_id;
  struct busy_list busy;
  struct spin spin;
  uint64_t next_epoll_ns, last_tick_ns;
  uint32_t hello_count;
  uint32_t other_user_count; /* streams of other users, which are refused */
  bool is_pausing; /* no descriptors, or no memory: nothing is accepted until the next tick */
};

/* ------------------------------------------------------------------------------------ streams */

static bool watch_for(struct rings *rings, int fd, uint32_t events, uint64_t tag) {
  struct epoll_event event = {.events = events, .data = {.u64 = tag}};
  return epoll_ctl(rings->poll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool watch(struct rings *rings, int fd, uint64_t tag) {
  return watch_for(rings, fd, EPOLLIN, tag);
}

/* Needed although the descriptor is closed: the client has a copy, for which epoll would go on. */
static void unwatch(struct rings *rings, int fd) {
  epoll_ctl(rings->poll, EPOLL_CTL_DEL, fd, NULL);
}

static void make_busy(struct rings *rings, struct ring_stream *stream, uint64_t now_ns) {
  ring_stream_poll_again(stream);
  if (!stream->is_busy) {
    stream->is_busy = true;
    stream->served_ns = now_ns;
    TAILQ_INSERT_TAIL(&rings->busy, stream, next_busy);
  }
}

static void make_idle(struct rings *rings, struct ring_stream *stream) {
  if (stream->is_busy) {
    stream->is_busy = false;
    TAILQ_REMOVE(&rings->busy, stream, next_busy);
  }
}

static void end_stream(struct rings *rings, struct ring_stream *stream) {
  make_idle(rings, stream);
  rings->hello_count -= stream->connection == NULL;
  rings->other_user_count -= stream->refusal == HANDSHAKE_NOT_ALLOWED;
  unwatch(rings, stream->socket);
  unwatch(rings, stream->doorbell);
  map64_remove(&rings->streams, stream->id);
  ring_stream_end(stream);
  ring_stream_release(stream);
}

/* The next stream after *position. Called by the thread that adds and removes streams. */
static struct ring_stream *next_stream(struct rings *rings, uint64_t *position) {
  uint64_t id;
  void *stream;
  return map64_next(&rings->streams, position, &id, &stream) ? stream : NULL;
}

/* Ends the streams that are over. The search begins anew after each, because the map has changed. */
static void end_those_over(struct rings *rings) {
  struct ring_stream *stream;
  uint64_t position = 0;
  if (!atomic_exchange(&rings->context.some_are_over, false)) {
    return;
  }
  while ((stream = next_stream(rings, &position)) != NULL) {
    if (ring_stream_is_over(stream)) {
      end_stream(rings, stream);
      position = 0;
    }
  }
}

static void add_stream(struct rings *rings, int fd, enum handshake_status refusal) {
  struct ring_stream *stream =
      ring_stream_new(&rings->context, STREAM_TAG | (rings->last_id + 1), fd, refusal);
  if (stream == NULL) {
    close(fd);
    return;
  }
  bool is_added = map64_set(&rings->streams, stream->id, stream);
  rings->last_id++;
  if (!is_added) {
    ring_stream_release(stream);
    return;
  }
  rings->hello_count++;
  rings->other_user_count += refusal == HANDSHAKE_NOT_ALLOWED;
  if (!watch(rings, fd, stream->id)) {
    end_stream(rings, stream);
  }
}

/* -------------------------------------------------------------------------------- accepting */

/* Clients of other users are counted apart from those of the server's user. */
static void admit(struct rings *rings, int fd) {
  size_t count = rings->streams.count - rings->other_user_count;
  bool is_other_user = !handshake_admits(fd);
  if (is_other_user ? rings->other_user_count >= REFUSED_MAX
                    : count >= HF_RINGS_MAX + REFUSED_MAX) {
    close(fd);
  } else if (is_other_user) {
    add_stream(rings, fd, HANDSHAKE_NOT_ALLOWED);
  } else {
    add_stream(rings, fd, count < HF_RINGS_MAX ? HANDSHAKE_WELCOME : HANDSHAKE_FULL);
  }
}

/* The listeners stay in epoll with other events: adding them again might fail without memory. */
static void watch_listeners(struct rings *rings, uint32_t events) {
  for (size_t i = 0; i < rings->listeners_count; i++) {
    struct epoll_event event = {.events = events, .data = {.u64 = i}};
    epoll_ctl(rings->poll, EPOLL_CTL_MOD, rings->listeners[i].fd, &event);
  }
}

static void pause_accepting(struct rings *rings) {
  limited_log_line(&rings->context.limited_log, "accept failed, trying on reason=\"%s\"",
                   strerror(errno));
  watch_listeners(rings, 0);
  rings->is_pausing = true;
}

static void accept_client(struct rings *rings, size_t idx) {
  pthread_mutex_lock(&rings->listeners_lock);
  if (!rings->is_accepting) {
    unwatch(rings, rings->listeners[idx].fd);
  } else {
    int fd = handshake_accept(rings->listeners[idx].fd);
    if (fd >= 0) {
      admit(rings, fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      pause_accepting(rings);
    }
  }
  pthread_mutex_unlock(&rings->listeners_lock);
}

static void accept_again(struct rings *rings) {
  pthread_mutex_lock(&rings->listeners_lock);
  if (rings->is_pausing) {
    watch_listeners(rings, EPOLLIN);
    rings->is_pausing = false;
  }
  pthread_mutex_unlock(&rings->listeners_lock);
}

/* ----------------------------------------------------------------------------------- thread */

static void read_socket(struct rings *rings, struct ring_stream *stream) {
  bool was_hello = stream->connection == NULL;
  ring_stream_read_socket(stream);
  if (stream->has_left) {
    unwatch(rings, stream->socket); /* the end of file would be reported again and again */
  }
  if (!was_hello || stream->connection == NULL) {
    return;
  }
  rings->hello_count--;
  if (!watch_for(rings, stream->doorbell, EPOLLIN | EPOLLET, stream->id | DOORBELL_TAG)) {
    stream->has_left = true; /* its notifications would be lost */
  }
}

static void handle_ready(struct rings *rings, uint64_t tag, uint64_t now_ns) {
  struct ring_stream *stream = map64_get(&rings->streams, tag & ~DOORBELL_TAG);
  if (stream == NULL) {
    return; /* it ended while these events were handled */
  }
  if (!(tag & DOORBELL_TAG)) {
    read_socket(rings, stream);
  }
  make_busy(rings, stream, now_ns);
}

static void poll_those_resumed(struct rings *rings, uint64_t now_ns) {
  struct ring_stream *stream;
  uint64_t position = 0;
  if (!atomic_exchange(&rings->context.some_are_resumed, false)) {
    return;
  }
  while ((stream = next_stream(rings, &position)) != NULL) {
    if (ring_stream_take_resume(stream)) {
      make_busy(rings, stream, now_ns);
    }
  }
}

static void take_wakeups(struct rings *rings, uint64_t now_ns) {
  uint64_t count;
  ssize_t taken = read(rings->context.wakeup, &count, sizeof count);
  (void)taken;
  end_those_over(rings);
  poll_those_resumed(rings, now_ns);
}

/* Whether a deadline or a pause is under way. */
static bool needs_clock(struct rings *rings) {
  return rings->hello_count > 0 || rings->context.timed_count > 0 || rings->is_pausing ||
         rings->context.paused_count > 0 || atomic_load(&rings->context.awaiting_room_count) > 0;
}

static int tick_ms(const struct rings *rings) {
  return rings->context.paused_count > 0 ? PAUSED_TICK_MS : TICK_MS;
}

static void tick(struct rings *rings, uint64_t now_ns) {
  struct ring_stream *stream;
  uint64_t position = 0;
  if (now_ns < clock_deadline_ns(rings->last_tick_ns, (uint64_t)tick_ms(rings))) {
    return;
  }
  rings->last_tick_ns = now_ns;
  while ((stream = next_stream(rings, &position)) != NULL) {
    if (ring_stream_check_times(stream, now_ns)) {
      make_busy(rings, stream, now_ns);
    }
  }
  accept_again(rings);
  end_those_over(rings);
}

/* Handles the descriptors that are ready, or become ready within the timeout. */
static void wait_for_events(struct rings *rings, int timeout_ms) {
  struct epoll_event events[EVENTS_MAX];
  int count = epoll_wait(rings->poll, events, EVENTS_MAX, timeout_ms);
  uint64_t now_ns = clock_now_ns();
  for (int i = 0; i < count; i++) {
    uint64_t tag = events[i].data.u64;
    if (tag & STREAM_TAG) {
      handle_ready(rings, tag, now_ns);
    } else if (tag == WAKEUP_TAG) {
      take_wakeups(rings, now_ns);
    } else {
      accept_client(rings, tag);
    }
  }
  tick(rings, now_ns);
  rings->next_epoll_ns = now_ns + EPOLL_INTERVAL_NS;
}

/* Serves each busy stream once; one without traffic becomes idle. Whether there was traffic. */
static bool poll_busy(struct rings *rings, uint64_t now_ns) {
  struct ring_stream *stream, *next;
  bool had_traffic = false;
  for (stream = TAILQ_FIRST(&rings->busy); stream != NULL; stream = next) {
    next = TAILQ_NEXT(stream, next_busy);
    if (ring_stream_serve(stream, now_ns)) {
      had_traffic = true;
      rings->spin.is_followed |= ring_stream_is_followed(stream);
    } else if (ring_stream_is_over(stream)) {
      end_stream(rings, stream);
    } else if (now_ns - stream->served_ns > IDLE_NS && ring_stream_go_idle(stream)) {
      make_idle(rings, stream);
    }
  }
  return had_traffic;
}

/* Makes all streams idle. Whether all clients ring the doorbell from now on. */
static bool go_idle(struct rings *rings) {
  struct ring_stream *stream, *next;
  for (stream = TAILQ_FIRST(&rings->busy); stream != NULL; stream = next) {
    next = TAILQ_NEXT(stream, next_busy);
    if (ring_stream_go_idle(stream)) {
      make_idle(rings, stream);
    }
  }
  return TAILQ_EMPTY(&rings->busy);
}

static void run_once(struct rings *rings) {
  uint64_t now_ns = clock_now_ns();
  if (poll_busy(rings, now_ns)) {
    spin_record_traffic(&rings->spin, now_ns);
  }
  if (spin_goes_on(&rings->spin, now_ns)) {
    ring_relax();
  } else if (go_idle(rings)) {
    spin_end(&rings->spin);
    wait_for_events(rings, needs_clock(rings) ? tick_ms(rings) : -1);
    return;
  }
  if (now_ns >= rings->next_epoll_ns) {
    wait_for_events(rings, 0);
  }
}

static void *run(void *arg) {
  struct rings *rings = arg;
  struct ring_stream *stream;
  while (!atomic_load(&rings->is_stopping)) {
    run_once(rings);
  }
  for (uint64_t position = 0; (stream = next_stream(rings, &position)) != NULL; position = 0) {
    end_stream(rings, stream); /* in hello: all connections have ended */
  }
  return NULL;
}

/* ------------------------------------------------------------------------------------- life */

struct rings *rings_new(const struct segment_opener *opener) {
  struct rings *rings = calloc(1, sizeof *rings);
  if (rings == NULL) {
    return NULL;
  }
  rings->context.opener = *opener;
  spin_init(&rings->spin);
  rings->is_accepting = true;
  rings->poll = epoll_create1(EPOLL_CLOEXEC);
  rings->context.wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  TAILQ_INIT(&rings->busy);
  limited_log_init(&rings->context.limited_log);
  pthread_mutex_init(&rings->listeners_lock, NULL);
  if (rings->poll < 0 || rings->context.wakeup < 0 ||
      !watch(rings, rings->context.wakeup, WAKEUP_TAG)) {
    rings_free(rings);
    return NULL;
  }
  return rings;
}

bool rings_start(struct rings *rings, const struct transport_acceptor *acceptor) {
  rings->context.acceptor = acceptor;
  rings->is_started = pthread_create(&rings->thread, NULL, run, rings) == 0;
  return rings->is_started;
}

static bool add_listener(struct rings *rings, const char *path) {
  struct socket_file file;
  int fd = handshake_listen(path, &file);
  if (fd < 0) {
    return false;
  }
  pthread_mutex_lock(&rings->listeners_lock);
  struct handshake_listener *listener = &rings->listeners[rings->listeners_count];
  listener->fd = fd;
  listener->file = file;
  bool is_added = watch(rings, fd, rings->listeners_count++);
  pthread_mutex_unlock(&rings->listeners_lock);
  return is_added;
}

bool rings_listen(struct rings *rings, const char *ipc_path,
                  char handshake_path[RINGS_PATH_BYTES_MAX]) {
  char path[RINGS_PATH_BYTES_MAX];
  int len = snprintf(path, sizeof path, "%s" HANDSHAKE_SUFFIX, ipc_path);
  errno = ENAMETOOLONG;
  if ((size_t)len >= sizeof path || rings->listeners_count == HANDSHAKE_LISTENERS_MAX ||
      !add_listener(rings, path)) {
    log_line(LOG_WARN, "no shared memory for clients path=%s" HANDSHAKE_SUFFIX " reason=\"%s\"",
             ipc_path, strerror(errno));
    return false;
  }
  memcpy(handshake_path, path, sizeof path);
  return true;
}

void rings_stop_accepting(struct rings *rings) {
  pthread_mutex_lock(&rings->listeners_lock);
  rings->is_accepting = false;
  for (size_t i = 0; i < rings->listeners_count; i++) {
    socket_file_remove(&rings->listeners[i].file);
    shutdown(rings->listeners[i].fd, SHUT_RDWR);
  }
  pthread_mutex_unlock(&rings->listeners_lock);
}

void rings_stop(struct rings *rings) {
  if (rings->is_started) {
    atomic_store(&rings->is_stopping, true);
    ring_context_notify(&rings->context);
    pthread_join(rings->thread, NULL);
  }
}

void rings_free(struct rings *rings) {
  for (size_t i = 0; i < rings->listeners_count; i++) {
    close(rings->listeners[i].fd);
  }
  if (rings->poll >= 0) {
    close(rings->poll);
  }
  if (rings->context.wakeup >= 0) {
    close(rings->context.wakeup);
  }
  map64_deinit(&rings->streams);
  limited_log_deinit(&rings->context.limited_log);
  pthread_mutex_destroy(&rings->listeners_lock);
  free(rings);
}
