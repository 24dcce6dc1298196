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

#define DOORS_MAX 16
#define EVENTS_MAX 64
/* While it goes round: when it stops looking at a quiet ring. */
#define QUIET_NS 500000
/* While it goes round: how often it looks who knocks. */
#define LOOK_NS 20000
/* Refused ones that may be told why, at the same time. */
#define REFUSED_MAX 64
#define TICK_MS 1000
#define PAUSED_TICK_MS 10 /* while a stream waits for memory */
/* Tags of what epoll reports: the index of a door, this, or the id of a stream, alone or with its
 * bell. */
#define POKE_TAG DOORS_MAX
#define STREAM_TAG (UINT64_C(1) << 63)
#define BELL_TAG (UINT64_C(1) << 62)

TAILQ_HEAD(busy_list, ring_stream);

struct door {
  int fd;
  struct socket_file file;
};

struct rings {
  struct ring_house house;
  int poll; /* epoll: doors, the sockets of streams, and pokes */
  pthread_t thread;
  bool is_started;
  atomic_bool is_stopping;

  pthread_mutex_t doors_lock; /* while one is let in; for the next three */
  struct door doors[DOORS_MAX];
  size_t doors_count;
  bool is_accepting;

  /* The thread's. */
  struct map64 streams; /* by id; each holds a reference */
  uint64_t last_id;
  struct busy_list busy;
  struct spin spin;
  uint64_t next_look_ns, last_tick_ns;
  uint32_t hello_count;
  uint32_t stranger_count; /* streams of other users, which are to be told why not */
  bool is_pausing; /* no descriptors, or no memory: doors are left alone until the next tick */
};

/* ------------------------------------------------------------------------------------ streams */

static bool watch_for(struct rings *rings, int fd, uint32_t events, uint64_t tag) {
  struct epoll_event event = {.events = events, .data = {.u64 = tag}};
  return epoll_ctl(rings->poll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool watch(struct rings *rings, int fd, uint64_t tag) {
  return watch_for(rings, fd, EPOLLIN, tag);
}

/* Also of descriptors that others have too: epoll would go on with those. */
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

static void make_quiet(struct rings *rings, struct ring_stream *stream) {
  if (stream->is_busy) {
    stream->is_busy = false;
    TAILQ_REMOVE(&rings->busy, stream, next_busy);
  }
}

static void end_stream(struct rings *rings, struct ring_stream *stream) {
  make_quiet(rings, stream);
  rings->hello_count -= stream->connection == NULL;
  rings->stranger_count -= stream->refusal == DOOR_NOT_ALLOWED;
  unwatch(rings, stream->door);
  unwatch(rings, stream->bell);
  map64_remove(&rings->streams, stream->id);
  ring_stream_end(stream);
  ring_stream_release(stream);
}

/* The next stream after *position, for the thread, which alone adds and removes them. */
static struct ring_stream *next_stream(struct rings *rings, uint64_t *position) {
  uint64_t id;
  void *stream;
  return map64_next(&rings->streams, position, &id, &stream) ? stream : NULL;
}

/* Ends those that are over. One at a time, because that changes the table. */
static void end_those_over(struct rings *rings) {
  struct ring_stream *stream;
  uint64_t position = 0;
  if (!atomic_exchange(&rings->house.some_are_over, false)) {
    return;
  }
  while ((stream = next_stream(rings, &position)) != NULL) {
    if (ring_stream_is_over(stream)) {
      end_stream(rings, stream);
      position = 0;
    }
  }
}

static void add_stream(struct rings *rings, int fd, enum door_status refusal) {
  struct ring_stream *stream =
      ring_stream_new(&rings->house, STREAM_TAG | (rings->last_id + 1), fd, refusal);
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
  rings->stranger_count += refusal == DOOR_NOT_ALLOWED;
  if (!watch(rings, fd, stream->id)) {
    end_stream(rings, stream);
  }
}

/* ------------------------------------------------------------------------------------ doors */

/* Other users take none of this one's places. */
static void let_in(struct rings *rings, int fd) {
  size_t count = rings->streams.count - rings->stranger_count;
  bool is_stranger = !door_admits(fd);
  if (is_stranger ? rings->stranger_count >= REFUSED_MAX : count >= HF_RINGS_MAX + REFUSED_MAX) {
    close(fd);
  } else if (is_stranger) {
    add_stream(rings, fd, DOOR_NOT_ALLOWED);
  } else {
    add_stream(rings, fd, count < HF_RINGS_MAX ? DOOR_WELCOME : DOOR_FULL);
  }
}

/* They stay in epoll, because putting them there again might fail: memory is what there is none of. */
static void watch_doors(struct rings *rings, uint32_t events) {
  for (size_t i = 0; i < rings->doors_count; i++) {
    struct epoll_event event = {.events = events, .data = {.u64 = i}};
    epoll_ctl(rings->poll, EPOLL_CTL_MOD, rings->doors[i].fd, &event);
  }
}

static void pause_accepting(struct rings *rings) {
  limited_log_line(&rings->house.limited_log, "accept failed, trying on reason=\"%s\"",
                   strerror(errno));
  watch_doors(rings, 0);
  rings->is_pausing = true;
}

static void answer_door(struct rings *rings, size_t idx) {
  pthread_mutex_lock(&rings->doors_lock);
  if (!rings->is_accepting) {
    unwatch(rings, rings->doors[idx].fd);
  } else {
    int fd = door_accept(rings->doors[idx].fd);
    if (fd >= 0) {
      let_in(rings, fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      pause_accepting(rings);
    }
  }
  pthread_mutex_unlock(&rings->doors_lock);
}

static void accept_again(struct rings *rings) {
  pthread_mutex_lock(&rings->doors_lock);
  if (rings->is_pausing) {
    watch_doors(rings, EPOLLIN);
    rings->is_pausing = false;
  }
  pthread_mutex_unlock(&rings->doors_lock);
}

/* ----------------------------------------------------------------------------------- thread */

static void hear_door(struct rings *rings, struct ring_stream *stream) {
  bool was_hello = stream->connection == NULL;
  ring_stream_hear(stream);
  if (!was_hello || stream->connection == NULL) {
    return;
  }
  rings->hello_count--;
  if (!watch_for(rings, stream->bell, EPOLLIN | EPOLLET, stream->id | BELL_TAG)) {
    stream->has_left = true; /* nothing more would be heard of it */
  }
}

static void hear_stream(struct rings *rings, uint64_t tag, uint64_t now_ns) {
  struct ring_stream *stream = map64_get(&rings->streams, tag & ~BELL_TAG);
  if (stream == NULL) {
    return; /* it ended in this very round */
  }
  if (!(tag & BELL_TAG)) {
    hear_door(rings, stream);
  }
  make_busy(rings, stream, now_ns);
}

static void take_pokes(struct rings *rings) {
  uint64_t count;
  ssize_t taken = read(rings->house.poke, &count, sizeof count);
  (void)taken;
  end_those_over(rings);
}

/* Something waits for the clock. */
static bool needs_clock(struct rings *rings) {
  return rings->hello_count > 0 || rings->house.timed_count > 0 || rings->is_pausing ||
         rings->house.paused_count > 0 || atomic_load(&rings->house.awaiting_room_count) > 0;
}

static int tick_ms(const struct rings *rings) {
  return rings->house.paused_count > 0 ? PAUSED_TICK_MS : TICK_MS;
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

/* At the descriptors that are ready, or become so in time. */
static void look(struct rings *rings, int timeout_ms) {
  struct epoll_event events[EVENTS_MAX];
  int count = epoll_wait(rings->poll, events, EVENTS_MAX, timeout_ms);
  uint64_t now_ns = clock_now_ns();
  for (int i = 0; i < count; i++) {
    uint64_t tag = events[i].data.u64;
    if (tag & STREAM_TAG) {
      hear_stream(rings, tag, now_ns);
    } else if (tag == POKE_TAG) {
      take_pokes(rings);
    } else {
      answer_door(rings, tag);
    }
  }
  tick(rings, now_ns);
  rings->next_look_ns = now_ns + LOOK_NS;
}

/* A turn for each busy stream; the quiet ones rest. Whether there was traffic. */
static bool go_round(struct rings *rings, uint64_t now_ns) {
  struct ring_stream *stream, *next;
  bool had_traffic = false;
  for (stream = TAILQ_FIRST(&rings->busy); stream != NULL; stream = next) {
    next = TAILQ_NEXT(stream, next_busy);
    if (ring_stream_serve(stream, now_ns)) {
      had_traffic = true;
      rings->spin.is_followed |= ring_stream_is_followed(stream);
    } else if (ring_stream_is_over(stream)) {
      end_stream(rings, stream);
    } else if (now_ns - stream->served_ns > QUIET_NS && ring_stream_rest(stream)) {
      make_quiet(rings, stream);
    }
  }
  return had_traffic;
}

/* Whether everybody knocks from now on. */
static bool rest(struct rings *rings) {
  struct ring_stream *stream, *next;
  for (stream = TAILQ_FIRST(&rings->busy); stream != NULL; stream = next) {
    next = TAILQ_NEXT(stream, next_busy);
    if (ring_stream_rest(stream)) {
      make_quiet(rings, stream);
    }
  }
  return TAILQ_EMPTY(&rings->busy);
}

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

static void run_once(struct rings *rings) {
  uint64_t now_ns = clock_now_ns();
  if (go_round(rings, now_ns)) {
    spin_note_traffic(&rings->spin, now_ns);
  }
  if (spin_goes_on(&rings->spin, now_ns)) {
    relax();
  } else if (rest(rings)) {
    spin_end(&rings->spin);
    look(rings, needs_clock(rings) ? tick_ms(rings) : -1);
    return;
  }
  if (now_ns >= rings->next_look_ns) {
    look(rings, 0);
  }
}

static void *run(void *arg) {
  struct rings *rings = arg;
  struct ring_stream *stream;
  while (!atomic_load(&rings->is_stopping)) {
    run_once(rings);
  }
  for (uint64_t position = 0; (stream = next_stream(rings, &position)) != NULL; position = 0) {
    end_stream(rings, stream); /* in hello; the others' connections have ended */
  }
  return NULL;
}

/* ------------------------------------------------------------------------------------- life */

struct rings *rings_new(const struct segment_lender *lender) {
  struct rings *rings = calloc(1, sizeof *rings);
  if (rings == NULL) {
    return NULL;
  }
  rings->house.lender = *lender;
  spin_init(&rings->spin);
  rings->is_accepting = true;
  rings->poll = epoll_create1(EPOLL_CLOEXEC);
  rings->house.poke = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  TAILQ_INIT(&rings->busy);
  limited_log_init(&rings->house.limited_log);
  pthread_mutex_init(&rings->doors_lock, NULL);
  if (rings->poll < 0 || rings->house.poke < 0 || !watch(rings, rings->house.poke, POKE_TAG)) {
    rings_free(rings);
    return NULL;
  }
  return rings;
}

bool rings_start(struct rings *rings, const struct transport_acceptor *acceptor) {
  rings->house.acceptor = acceptor;
  rings->is_started = pthread_create(&rings->thread, NULL, run, rings) == 0;
  return rings->is_started;
}

static bool add_door(struct rings *rings, const char *path) {
  struct socket_file file;
  int fd = door_open(path, &file);
  if (fd < 0) {
    return false;
  }
  pthread_mutex_lock(&rings->doors_lock);
  struct door *door = &rings->doors[rings->doors_count];
  door->fd = fd;
  door->file = file;
  bool is_added = watch(rings, fd, rings->doors_count++);
  pthread_mutex_unlock(&rings->doors_lock);
  return is_added;
}

bool rings_listen(struct rings *rings, const char *ipc_path, char door_path[RINGS_PATH_BYTES_MAX]) {
  char path[RINGS_PATH_BYTES_MAX];
  int len = snprintf(path, sizeof path, "%s" DOOR_SUFFIX, ipc_path);
  errno = ENAMETOOLONG;
  if ((size_t)len >= sizeof path || rings->doors_count == DOORS_MAX || !add_door(rings, path)) {
    log_line(LOG_WARN, "no shared memory for clients path=%s" DOOR_SUFFIX " reason=\"%s\"",
             ipc_path, strerror(errno));
    return false;
  }
  memcpy(door_path, path, sizeof path);
  return true;
}

void rings_stop_accepting(struct rings *rings) {
  pthread_mutex_lock(&rings->doors_lock);
  rings->is_accepting = false;
  for (size_t i = 0; i < rings->doors_count; i++) {
    socket_file_remove(&rings->doors[i].file);
    shutdown(rings->doors[i].fd, SHUT_RDWR);
  }
  pthread_mutex_unlock(&rings->doors_lock);
}

void rings_stop(struct rings *rings) {
  if (rings->is_started) {
    atomic_store(&rings->is_stopping, true);
    ring_house_poke(&rings->house);
    pthread_join(rings->thread, NULL);
  }
}

void rings_free(struct rings *rings) {
  for (size_t i = 0; i < rings->doors_count; i++) {
    close(rings->doors[i].fd);
  }
  if (rings->poll >= 0) {
    close(rings->poll);
  }
  if (rings->house.poke >= 0) {
    close(rings->house.poke);
  }
  map64_deinit(&rings->streams);
  limited_log_deinit(&rings->house.limited_log);
  pthread_mutex_destroy(&rings->doors_lock);
  free(rings);
}
