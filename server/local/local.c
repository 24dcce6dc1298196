#include "server/local/local.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/map64.h"
#include "server/local/link.h"
#include "server/local/spin.h"

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
#define STARVED_TICK_MS 10 /* while a link waits for memory */
#define FLUSH_POLL_MS 5
/* Tags of what epoll reports: the index of a door, this, or the id of a link, alone or with its
 * bell. */
#define POKE_TAG DOORS_MAX
#define BELL_TAG (LOCAL_CONNECTION >> 1)

TAILQ_HEAD(busy_list, local_link);

struct door {
  int fd;
  struct socket_file file;
};

struct local {
  struct dispatch_sink sink;
  struct link_house house;
  int poll; /* epoll: doors, the sockets of links, and pokes */
  pthread_t thread;
  bool is_started;
  atomic_bool is_stopping;

  pthread_mutex_t doors_lock; /* while one is let in; for the next three */
  struct door doors[DOORS_MAX];
  size_t doors_count;
  bool is_accepting;

  pthread_mutex_t lock; /* for the next two; before a link's */
  struct map64 links;   /* by id; each holds a reference */
  uint64_t last_id;

  /* The thread's. */
  struct busy_list busy;
  struct spin spin;
  uint64_t next_look_ns, next_tick_ns;
  uint32_t hello_count;
  uint32_t stranger_count; /* links of other users, which are to be told why not */
  bool is_pausing; /* no descriptors, or no memory: doors are left alone until the next tick */
};

/* ------------------------------------------------------------------------------------- sink */

static struct local_link *acquire(struct local *local, uint64_t id) {
  pthread_mutex_lock(&local->lock);
  struct local_link *link = map64_get(&local->links, id);
  if (link != NULL) {
    link_acquire(link);
  }
  pthread_mutex_unlock(&local->lock);
  return link;
}

static bool sink_deliver(void *ctx, void *self, uint64_t id, const struct sp_route *route,
                         struct reply *reply) {
  struct local_link *link = acquire(ctx, id);
  (void)self;
  if (link == NULL) {
    reply_release(reply);
    return false;
  }
  bool has_room = link_deliver(link, route, reply, false);
  link_release(link);
  return has_room;
}

static void sink_close(void *ctx, uint64_t id, const char *why) {
  struct local_link *link = acquire(ctx, id);
  if (link != NULL) {
    link_close(link, why);
    link_release(link);
  }
}

/* ------------------------------------------------------------------------------------ links */

static bool watch_for(struct local *local, int fd, uint32_t events, uint64_t tag) {
  struct epoll_event event = {.events = events, .data = {.u64 = tag}};
  return epoll_ctl(local->poll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool watch(struct local *local, int fd, uint64_t tag) {
  return watch_for(local, fd, EPOLLIN, tag);
}

/* Also of descriptors that others have too: epoll would go on with those. */
static void unwatch(struct local *local, int fd) {
  epoll_ctl(local->poll, EPOLL_CTL_DEL, fd, NULL);
}

static void make_busy(struct local *local, struct local_link *link, uint64_t now_ns) {
  if (!link->is_busy) {
    link->is_busy = true;
    link->served_ns = now_ns;
    TAILQ_INSERT_TAIL(&local->busy, link, next_busy);
  }
}

static void make_quiet(struct local *local, struct local_link *link) {
  if (link->is_busy) {
    link->is_busy = false;
    TAILQ_REMOVE(&local->busy, link, next_busy);
  }
}

static void end_link(struct local *local, struct local_link *link) {
  make_quiet(local, link);
  local->hello_count -= link->state == LINK_HELLO;
  local->stranger_count -= link->refusal == DOOR_NOT_ALLOWED;
  unwatch(local, link->door);
  unwatch(local, link->bell);
  link_end(link);
  pthread_mutex_lock(&local->lock);
  map64_remove(&local->links, link->id);
  pthread_mutex_unlock(&local->lock);
  link_release(link);
}

/* The next link after *position, for the thread, which alone adds and removes them. */
static struct local_link *next_link(struct local *local, size_t *position) {
  uint64_t id;
  void *link;
  return map64_next(&local->links, position, &id, &link) ? link : NULL;
}

/* Ends those that are over. One at a time, because that changes the table. */
static void end_those_over(struct local *local) {
  struct local_link *link;
  size_t position = 0;
  if (!atomic_exchange(&local->house.some_are_over, false)) {
    return;
  }
  while ((link = next_link(local, &position)) != NULL) {
    if (link_is_over(link)) {
      end_link(local, link);
      position = 0;
    }
  }
}

static void add_link(struct local *local, int fd, enum door_status refusal) {
  struct local_link *link =
      link_new(&local->house, LOCAL_CONNECTION | (local->last_id + 1), fd, refusal);
  if (link == NULL) {
    close(fd);
    return;
  }
  pthread_mutex_lock(&local->lock);
  bool is_added = map64_set(&local->links, link->id, link);
  local->last_id++;
  pthread_mutex_unlock(&local->lock);
  if (!is_added) {
    link_release(link);
    return;
  }
  local->hello_count++;
  local->stranger_count += refusal == DOOR_NOT_ALLOWED;
  if (!watch(local, fd, link->id)) {
    link_close(link, "no memory");
  }
}

/* ------------------------------------------------------------------------------------ doors */

/* Other users take none of this one's places. */
static void let_in(struct local *local, int fd) {
  size_t count = local->links.count - local->stranger_count;
  bool is_stranger = !door_admits(fd);
  if (is_stranger ? local->stranger_count >= REFUSED_MAX : count >= HF_RINGS_MAX + REFUSED_MAX) {
    close(fd);
  } else if (is_stranger) {
    add_link(local, fd, DOOR_NOT_ALLOWED);
  } else {
    add_link(local, fd, count < HF_RINGS_MAX ? DOOR_WELCOME : DOOR_FULL);
  }
}

/* They stay in epoll, because putting them there again might fail: memory is what there is none of. */
static void watch_doors(struct local *local, uint32_t events) {
  for (size_t i = 0; i < local->doors_count; i++) {
    struct epoll_event event = {.events = events, .data = {.u64 = i}};
    epoll_ctl(local->poll, EPOLL_CTL_MOD, local->doors[i].fd, &event);
  }
}

static void pause_accepting(struct local *local) {
  complaints_log(&local->house.complaints, "accept failed, trying on reason=\"%s\"",
                 strerror(errno));
  watch_doors(local, 0);
  local->is_pausing = true;
}

static void answer_door(struct local *local, size_t idx) {
  pthread_mutex_lock(&local->doors_lock);
  if (!local->is_accepting) {
    unwatch(local, local->doors[idx].fd);
  } else {
    int fd = door_accept(local->doors[idx].fd);
    if (fd >= 0) {
      let_in(local, fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      pause_accepting(local);
    }
  }
  pthread_mutex_unlock(&local->doors_lock);
}

static void accept_again(struct local *local) {
  pthread_mutex_lock(&local->doors_lock);
  if (local->is_pausing) {
    watch_doors(local, EPOLLIN);
    local->is_pausing = false;
  }
  pthread_mutex_unlock(&local->doors_lock);
}

/* ----------------------------------------------------------------------------------- thread */

static void hear_door(struct local *local, struct local_link *link) {
  bool was_hello = link->state == LINK_HELLO;
  link_hear(link);
  if (!was_hello || link->state == LINK_HELLO) {
    return;
  }
  local->hello_count--;
  if (!watch_for(local, link->bell, EPOLLIN | EPOLLET, link->id | BELL_TAG)) {
    link_close(link, "no memory");
  }
}

static void hear_link(struct local *local, uint64_t tag, uint64_t now_ns) {
  struct local_link *link = map64_get(&local->links, tag & ~BELL_TAG);
  if (link == NULL) {
    return; /* it ended in this very round */
  }
  if (!(tag & BELL_TAG)) {
    hear_door(local, link);
  }
  make_busy(local, link, now_ns);
}

static void take_pokes(struct local *local) {
  uint64_t count;
  ssize_t taken = read(local->house.poke, &count, sizeof count);
  (void)taken;
  end_those_over(local);
}

/* Something waits for the clock. */
static bool needs_clock(struct local *local) {
  return local->hello_count > 0 || local->house.part_count > 0 || local->is_pausing ||
         local->house.starved_count > 0 || atomic_load(&local->house.unsent_count) > 0;
}

static int tick_ms(const struct local *local) {
  return local->house.starved_count > 0 ? STARVED_TICK_MS : TICK_MS;
}

static void tick(struct local *local, uint64_t now_ns) {
  struct local_link *link;
  size_t position = 0;
  if (now_ns < local->next_tick_ns) {
    return;
  }
  local->next_tick_ns = clock_deadline_ns(now_ns, (uint64_t)tick_ms(local));
  while ((link = next_link(local, &position)) != NULL) {
    link_check_times(link, now_ns);
    if (link->is_starved) {
      make_busy(local, link, now_ns);
    }
  }
  accept_again(local);
  end_those_over(local);
}

/* At the descriptors that are ready, or become so in time. */
static void look(struct local *local, int timeout_ms) {
  struct epoll_event events[EVENTS_MAX];
  int count = epoll_wait(local->poll, events, EVENTS_MAX, timeout_ms);
  uint64_t now_ns = clock_now_ns();
  for (int i = 0; i < count; i++) {
    uint64_t tag = events[i].data.u64;
    if (tag & LOCAL_CONNECTION) {
      hear_link(local, tag, now_ns);
    } else if (tag == POKE_TAG) {
      take_pokes(local);
    } else {
      answer_door(local, tag);
    }
  }
  tick(local, now_ns);
  local->next_look_ns = now_ns + LOOK_NS;
}

/* A turn for each busy link; the quiet ones rest. Whether there was traffic. */
static bool go_round(struct local *local, uint64_t now_ns) {
  struct local_link *link, *next;
  bool had_traffic = false;
  for (link = TAILQ_FIRST(&local->busy); link != NULL; link = next) {
    next = TAILQ_NEXT(link, next_busy);
    if (link_serve(link, now_ns)) {
      had_traffic = true;
      local->spin.is_followed |= link_is_followed(link);
    } else if (link_is_over(link)) {
      end_link(local, link);
    } else if (now_ns - link->served_ns > QUIET_NS && link_rest(link)) {
      make_quiet(local, link);
    }
  }
  return had_traffic;
}

/* Whether everybody knocks from now on. */
static bool rest(struct local *local) {
  struct local_link *link, *next;
  for (link = TAILQ_FIRST(&local->busy); link != NULL; link = next) {
    next = TAILQ_NEXT(link, next_busy);
    if (link_rest(link)) {
      make_quiet(local, link);
    }
  }
  return TAILQ_EMPTY(&local->busy);
}

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

static void run_once(struct local *local) {
  uint64_t now_ns = clock_now_ns();
  if (go_round(local, now_ns)) {
    spin_note_traffic(&local->spin, now_ns);
  }
  if (spin_goes_on(&local->spin, now_ns)) {
    relax();
  } else if (rest(local)) {
    spin_end(&local->spin);
    look(local, needs_clock(local) ? tick_ms(local) : -1);
    return;
  }
  if (now_ns >= local->next_look_ns) {
    look(local, 0);
  }
}

static void *run(void *arg) {
  struct local *local = arg;
  struct local_link *link;
  while (!atomic_load(&local->is_stopping)) {
    run_once(local);
  }
  for (size_t position = 0; (link = next_link(local, &position)) != NULL; position = 0) {
    link_close(link, "stopping");
    end_link(local, link);
  }
  return NULL;
}

/* ------------------------------------------------------------------------------------- life */

struct local *local_new(const struct segment_lender *lender) {
  struct local *local = calloc(1, sizeof *local);
  if (local == NULL) {
    return NULL;
  }
  local->sink = (struct dispatch_sink){.ctx = local, .deliver = sink_deliver, .close = sink_close};
  local->house.lender = *lender;
  spin_init(&local->spin);
  local->is_accepting = true;
  local->poll = epoll_create1(EPOLL_CLOEXEC);
  local->house.poke = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  TAILQ_INIT(&local->busy);
  complaints_init(&local->house.complaints);
  pthread_mutex_init(&local->doors_lock, NULL);
  pthread_mutex_init(&local->lock, NULL);
  if (local->poll < 0 || local->house.poke < 0 || !watch(local, local->house.poke, POKE_TAG)) {
    local_free(local);
    return NULL;
  }
  return local;
}

const struct dispatch_sink *local_sink(struct local *local) {
  return &local->sink;
}

bool local_start(struct local *local, struct dispatch *dispatch) {
  local->house.dispatch = dispatch;
  local->is_started = pthread_create(&local->thread, NULL, run, local) == 0;
  return local->is_started;
}

static bool add_door(struct local *local, const char *path) {
  struct socket_file file;
  int fd = door_open(path, &file);
  if (fd < 0) {
    return false;
  }
  pthread_mutex_lock(&local->doors_lock);
  struct door *door = &local->doors[local->doors_count];
  door->fd = fd;
  door->file = file;
  bool is_added = watch(local, fd, local->doors_count++);
  pthread_mutex_unlock(&local->doors_lock);
  return is_added;
}

bool local_listen(struct local *local, const char *ipc_path, char door_path[LOCAL_PATH_BYTES_MAX]) {
  char path[LOCAL_PATH_BYTES_MAX];
  int len = snprintf(path, sizeof path, "%s" DOOR_SUFFIX, ipc_path);
  errno = ENAMETOOLONG;
  if ((size_t)len >= sizeof path || local->doors_count == DOORS_MAX || !add_door(local, path)) {
    log_line(LOG_WARN, "no shared memory for clients path=%s" DOOR_SUFFIX " reason=\"%s\"",
             ipc_path, strerror(errno));
    return false;
  }
  memcpy(door_path, path, sizeof path);
  return true;
}

void local_stop_accepting(struct local *local) {
  pthread_mutex_lock(&local->doors_lock);
  local->is_accepting = false;
  for (size_t i = 0; i < local->doors_count; i++) {
    socket_file_remove(&local->doors[i].file);
    shutdown(local->doors[i].fd, SHUT_RDWR);
  }
  pthread_mutex_unlock(&local->doors_lock);
}

void local_close(struct local *local, uint32_t flush_ms) {
  uint64_t deadline_ns = clock_deadline_ns(clock_now_ns(), flush_ms);
  if (!local->is_started) {
    return;
  }
  while (atomic_load(&local->house.unsent_count) > 0 && clock_now_ns() < deadline_ns) {
    nanosleep(&(struct timespec){.tv_nsec = FLUSH_POLL_MS * 1000000}, NULL);
  }
  atomic_store(&local->is_stopping, true);
  link_poke(&local->house);
  pthread_join(local->thread, NULL);
}

void local_free(struct local *local) {
  for (size_t i = 0; i < local->doors_count; i++) {
    close(local->doors[i].fd);
  }
  if (local->poll >= 0) {
    close(local->poll);
  }
  if (local->house.poke >= 0) {
    close(local->house.poke);
  }
  map64_deinit(&local->links);
  complaints_deinit(&local->house.complaints);
  pthread_mutex_destroy(&local->doors_lock);
  pthread_mutex_destroy(&local->lock);
  free(local);
}
