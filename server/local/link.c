#include "server/local/link.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "server/engine/addresses.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES_MAX (64u << 10) /* in one turn */
#define KEPT_BYTES_MAX (16u << 10) /* of empty buffers */
#define RESTING_BYTES_MAX 1024u    /* of those of a link that rests */

/* ------------------------------------------------------------------------------------- life */

struct local_link *link_new(struct link_house *house, uint64_t id, int door,
                            enum door_status refusal) {
  struct local_link *link = calloc(1, sizeof *link);
  if (link == NULL) {
    return NULL;
  }
  link->house = house;
  link->id = id;
  link->door = door;
  link->bell = -1;
  link->refusal = refusal;
  link->hello_deadline_ns = clock_deadline_ns(clock_now_ns(), HF_HELLO_TIMEOUT_MS);
  atomic_init(&link->references, 1);
  pthread_mutex_init(&link->lock, NULL);
  link->input_account.connection = id;
  buffer_init(&link->input, &dispatch_budget(house->dispatch)->buffers);
  dispatch_init_outbox(house->dispatch, &link->outbox, id, SP_TCP);
  return link;
}

void link_acquire(struct local_link *link) {
  atomic_fetch_add_explicit(&link->references, 1, memory_order_relaxed);
}

void link_release(struct local_link *link) {
  if (atomic_fetch_sub(&link->references, 1) > 1) {
    return;
  }
  if (link->segment != NULL) {
    munmap(link->segment, segment_bytes(HF_RING_BYTES));
  }
  if (link->bell >= 0) {
    close(link->bell);
  }
  close(link->door);
  buffer_deinit(&link->input);
  budget_forget(dispatch_budget(link->house->dispatch), &link->input_account);
  outbox_deinit(&link->outbox);
  pthread_mutex_destroy(&link->lock);
  free(link);
}

void link_poke(const struct link_house *house) {
  const uint64_t one = 1;
  ssize_t written = write(house->poke, &one, sizeof one);
  (void)written; /* at worst the counter is full, and wakes all the same */
}

void link_close(struct local_link *link, const char *why) {
  const char *none = NULL;
  if (atomic_compare_exchange_strong(&link->why, &none, why)) {
    atomic_store(&link->house->some_are_over, true);
    link_poke(link->house);
  }
}

static void complain(struct local_link *link, const char *why) {
  complaints_log(&link->house->complaints, "connection refused connection=%llu why=\"%s\"",
                 (unsigned long long)link->id, why);
  link_close(link, why);
}

bool link_is_over(struct local_link *link) {
  return atomic_load_explicit(&link->why, memory_order_relaxed) != NULL;
}

/* ------------------------------------------------------------------------------------ hello */

/* A descriptor of memory that can neither shrink nor grow, or -1. */
static int make_memory(size_t size) {
  int fd = memfd_create("holdfast", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd >= 0 && (ftruncate(fd, (off_t)size) != 0 ||
                  fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)) {
    close(fd);
    return -1;
  }
  return fd;
}

static bool map_memory(struct local_link *link, int fd) {
  void *mapped =
      mmap(NULL, segment_bytes(HF_RING_BYTES), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) {
    return false;
  }
  uint8_t *data = (uint8_t *)mapped + SEGMENT_DATA_OFFSET;
  link->segment = mapped;
  ring_init_reader(&link->requests, &link->segment->requests, data, HF_RING_BYTES);
  ring_init_writer(&link->replies, &link->segment->replies, data + HF_RING_BYTES, HF_RING_BYTES);
  return true;
}

/* The client may write as soon as it has the answer, so everything is ready before. */
static enum door_status welcome(struct local_link *link, const struct door_hello *hello) {
  link->split = (struct split){.transport = (enum sp_transport)hello->framing,
                               .one_way = hello->protocol == SP_PUSH,
                               .count_max = SPLIT_COUNT_FIRST};
  int memory = make_memory(segment_bytes(HF_RING_BYTES));
  link->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (memory < 0 || link->bell < 0 || !map_memory(link, memory) ||
      !dispatch_connected(link->house->dispatch, link->id, ADDRESS_LOCAL, link->split.one_way)) {
    if (memory >= 0) {
      close(memory);
    }
    return DOOR_NO_MEMORY;
  }
  link->is_announced = true;
  link->state = LINK_OPEN;
  pthread_mutex_lock(&link->lock);
  link->outbox.transport = link->split.transport;
  link->takes_replies = true;
  pthread_mutex_unlock(&link->lock);
  ring_announce_sleep(&link->requests, RING_BELL_KNOCK);
  const int descriptors[] = {[DOOR_MEMORY] = memory, [DOOR_BELL] = link->bell};
  if (!door_answer(link->door, DOOR_WELCOME, HF_RING_BYTES, descriptors, DOOR_DESCRIPTORS)) {
    link_close(link, "peer left");
  }
  close(memory);
  return DOOR_WELCOME;
}

/* What is lent is said in one packet, and that is all. */
static enum door_status lend_segment(struct local_link *link, uint64_t segment) {
  const struct segment_lender *lender = &link->house->lender;
  size_t bytes = 0;
  int memory = lender->lend != NULL ? lender->lend(lender->ctx, segment, &bytes) : -1;
  if (memory < 0) {
    return DOOR_NO_SEGMENT;
  }
  (void)door_answer(link->door, DOOR_WELCOME, bytes, &memory, 1);
  close(memory);
  link_close(link, "segment lent");
  return DOOR_WELCOME;
}

static enum door_status answer_hello(struct local_link *link, const struct door_hello *hello) {
  bool wants_segment = hello->magic == DOOR_SEGMENT;
  if (wants_segment && (link->refusal == DOOR_WELCOME || link->refusal == DOOR_FULL)) {
    return lend_segment(link, hello->segment);
  }
  if (link->refusal != DOOR_WELCOME) {
    return link->refusal;
  }
  return door_hello_is_good(hello) ? welcome(link, hello) : DOOR_BAD_HELLO;
}

static void hear_hello(struct local_link *link) {
  static const char *const whys[] = {
      [DOOR_NO_SEGMENT] = "no such segment",
      [DOOR_NOT_ALLOWED] = "another user's client at the door",
      [DOOR_FULL] = "too many local connections",
      [DOOR_NO_MEMORY] = "no memory for shared memory",
      [DOOR_BAD_HELLO] = "no hello at the door",
  };
  struct door_hello hello;
  enum door_news news = door_read_hello(link->door, &hello);
  if (news == DOOR_NOTHING_YET) {
    return;
  }
  if (news == DOOR_PEER_LEFT) {
    link_close(link, "peer left");
    return;
  }
  enum door_status status = answer_hello(link, &hello);
  if (status != DOOR_WELCOME) {
    (void)door_answer(link->door, status, 0, NULL, 0);
    complain(link, whys[status]);
  }
}

void link_hear(struct local_link *link) {
  if (link->state == LINK_HELLO) {
    hear_hello(link);
  } else if (!door_is_held(link->door)) {
    link->has_left = true;
  }
}

/* --------------------------------------------------------------------------------- replies */

/* Whether replies are left is known to whoever looks without the lock. */
static void note_unsent(struct local_link *link) {
  bool is_unsent = !outbox_is_empty(&link->outbox);
  if (atomic_exchange(&link->is_unsent, is_unsent) == is_unsent) {
    return;
  }
  if (!is_unsent) {
    atomic_fetch_sub(&link->house->unsent_count, 1);
  } else if (atomic_fetch_add(&link->house->unsent_count, 1) == 0) {
    link_poke(link->house);
  }
}

static void wake_client(struct local_link *link) {
  enum ring_bell bell = ring_must_wake_reader(&link->replies);
  atomic_store_explicit(&link->client_sleeps, bell != RING_BELL_NONE, memory_order_relaxed);
  if (bell == RING_BELL_KNOCK) {
    door_knock(link->door);
  } else if (bell == RING_BELL_FUTEX) {
    ring_wake_reader(&link->replies);
  }
}

/* The client may read at once, and the local thread hear of it before the caller has unlocked: it is
 * to know by then that replies are left. */
static void announce_wait(struct local_link *link) {
  note_unsent(link);
  ring_announce_wait(&link->replies);
}

/* Moves what fits into the ring. Answers bytes, or RING_BROKEN. */
static size_t write_ring(struct local_link *link) {
  struct outbox *outbox = &link->outbox;
  size_t sent = ring_write(&link->replies, buffer_first(&outbox->encoded), outbox->encoded.len);
  if (sent == RING_BROKEN) {
    link_close(link, "its memory makes no sense");
  } else if (sent > 0) {
    buffer_consume(&outbox->encoded, sent);
    outbox_note_sent(outbox, sent);
    if (outbox->count > 0 && !outbox_fill(outbox)) {
      link_close(link, "no memory for its replies");
      return RING_BROKEN;
    }
  }
  return sent;
}

/* With the lock. */
static void send_locked(struct local_link *link) {
  bool was_unsent = atomic_load_explicit(&link->is_unsent, memory_order_relaxed);
  bool has_sent = false, has_announced = false;
  while (link->takes_replies && link->outbox.encoded.len > 0) {
    size_t sent = write_ring(link);
    if (sent == RING_BROKEN) {
      break;
    }
    if (sent > 0) {
      has_sent = true;
    } else if (has_announced) {
      break;
    } else {
      announce_wait(link);
      has_announced = true;
    }
  }
  if (has_sent || !was_unsent) {
    link->unsent_since_ns = has_announced ? clock_now_ns() : 0;
  }
  if (has_sent) {
    wake_client(link);
  }
  if (was_unsent || has_announced) {
    note_unsent(link);
  }
  buffer_trim(&link->outbox.encoded, KEPT_BYTES_MAX);
}

bool link_deliver(struct local_link *link, const struct sp_route *route, struct reply *reply,
                  bool own) {
  bool has_room = false;
  pthread_mutex_lock(&link->lock);
  if (!link->takes_replies) {
    reply_release(reply);
  } else if (!outbox_add(&link->outbox, route, reply)) {
    link->takes_replies = false;
    link_close(link, "no memory for its replies");
  } else {
    if (!own && !link->is_served) {
      send_locked(link);
    }
    has_room = !outbox_is_full(&link->outbox);
  }
  pthread_mutex_unlock(&link->lock);
  return has_room;
}

/* -------------------------------------------------------------------------------- requests */

static void set_served(struct local_link *link, bool is_served) {
  pthread_mutex_lock(&link->lock);
  link->is_served = is_served;
  pthread_mutex_unlock(&link->lock);
}

static void serve_input(struct local_link *link) {
  struct dispatch_message messages[SPLIT_COUNT_MAX];
  struct dispatch *dispatch = link->house->dispatch;
  struct bytes input = bytes_of(buffer_first(&link->input), link->input.len);
  size_t count = split_messages(&link->split, input, messages);
  if (count > 0) {
    set_served(link, true);
    size_t applied = dispatch_messages(dispatch, NULL, link->id, messages, count);
    size_t used = split_take(&link->split, input, messages, applied, count);
    buffer_consume(&link->input, used);
    budget_note(dispatch_budget(dispatch), &link->input_account, link->input.capacity, used);
    pthread_mutex_lock(&link->lock);
    link->is_served = false;
    split_adapt(&link->split, count, outbox_encoded_bytes(&link->outbox));
    send_locked(link);
    pthread_mutex_unlock(&link->lock);
  }
  if (link->split.why != NULL) {
    complain(link, link->split.why);
  }
}

static void set_starved(struct local_link *link, bool is_starved) {
  if (is_starved != link->is_starved) {
    link->is_starved = is_starved;
    link->house->starved_count += is_starved ? 1 : (uint32_t)-1;
  }
}

/* What to ask for when so many bytes don't fit: for an incomplete frame as much again as has arrived
 * of it, or all that is missing, so that it is seldom moved. */
static size_t room_for(const struct local_link *link, size_t bytes) {
  size_t len = link->input.len, missing = link->split.missing_bytes;
  size_t room = missing < len ? missing : len;
  bool fits = link->input.capacity - len >= bytes;
  return fits || room < bytes ? bytes : room;
}

/* Room for the next bytes that are in the ring. */
static bool make_room(struct local_link *link, size_t bytes) {
  struct dispatch *dispatch = link->house->dispatch;
  bool has_room = buffer_reserve(&link->input, room_for(link, bytes));
  budget_note(dispatch_budget(dispatch), &link->input_account, link->input.capacity, 0);
  if (!has_room) {
    dispatch_make_room(dispatch);
  }
  set_starved(link, !has_room);
  return has_room;
}

/* Copies bytes out of the ring before anybody looks at them. Whether there were any. */
static bool read_ring(struct local_link *link) {
  size_t used = ring_used(&link->requests);
  if (used == 0) {
    return false;
  }
  size_t want = used < READ_BYTES_MAX ? used : READ_BYTES_MAX;
  if (used == RING_BROKEN) {
    complain(link, "its memory makes no sense");
  } else if (make_room(link, want)) {
    link->input.len += ring_read(&link->requests, buffer_end(&link->input), want);
    if (ring_must_wake_writer(&link->requests)) {
      door_knock(link->door);
    }
    return true;
  }
  return false;
}

static bool has_whole_message(const struct local_link *link) {
  return link->input.len > 0 && link->split.missing_bytes == 0;
}

static void note_part(struct local_link *link, uint64_t now_ns) {
  bool holds_part = link->input.len > 0 && !has_whole_message(link);
  if (holds_part) {
    (void)split_deadline_ns(&link->split, link->input.len, now_ns);
  }
  if (holds_part != link->holds_part) {
    link->holds_part = holds_part;
    link->house->part_count += holds_part ? 1 : (uint32_t)-1;
  }
  if (link->input.len == 0) {
    buffer_trim(&link->input, READ_BYTES_MAX);
  }
}

/* Whether its replies leave no room for more requests. */
static bool is_blocked(struct local_link *link) {
  if (!atomic_load_explicit(&link->is_unsent, memory_order_relaxed)) {
    return false;
  }
  pthread_mutex_lock(&link->lock);
  send_locked(link);
  bool blocked = outbox_is_full(&link->outbox) && !link->has_left;
  pthread_mutex_unlock(&link->lock);
  return blocked;
}

/* Where we run, for the client that waits. */
static void tell_cpu(struct local_link *link) {
  uint32_t cpu = (uint32_t)sched_getcpu();
  if (cpu != link->told_cpu) {
    link->told_cpu = cpu;
    ring_tell_cpu(&link->requests, cpu);
  }
}

bool link_serve(struct local_link *link, uint64_t now_ns) {
  if (link->state != LINK_OPEN || link_is_over(link) || is_blocked(link)) {
    return false;
  }
  bool has_read = read_ring(link);
  if (has_read) {
    tell_cpu(link);
  }
  if (has_read || has_whole_message(link)) {
    serve_input(link);
    note_part(link, now_ns);
    link->served_ns = now_ns;
    return true;
  }
  if (link->has_left) {
    link_close(link, "peer left");
  }
  return false;
}

bool link_is_followed(struct local_link *link) {
  return !atomic_load_explicit(&link->client_sleeps, memory_order_relaxed) &&
         !ring_reader_is_on(&link->replies, link->told_cpu);
}

bool link_rest(struct local_link *link) {
  if (link->state != LINK_OPEN) {
    return true;
  }
  ring_announce_sleep(&link->requests, RING_BELL_KNOCK);
  bool is_quiet = ring_used(&link->requests) == 0 && !has_whole_message(link);
  if (!is_quiet && !link->is_starved && !is_blocked(link)) {
    ring_withdraw_sleep(&link->requests);
    return false;
  }
  buffer_trim(&link->input, RESTING_BYTES_MAX);
  return true;
}

/* ------------------------------------------------------------------------------------ times */

static bool is_past(uint64_t since_ns, uint64_t timeout_ms, uint64_t now_ns) {
  return now_ns >= clock_deadline_ns(since_ns, timeout_ms);
}

void link_check_times(struct local_link *link, uint64_t now_ns) {
  if (link->state == LINK_HELLO) {
    if (now_ns >= link->hello_deadline_ns) {
      complain(link, "no hello in time");
    }
    return;
  }
  bool waits_for_it = link->holds_part && !link->is_starved && !is_blocked(link);
  if (!waits_for_it) {
    split_restart_time(&link->split);
  } else if (now_ns >= split_deadline_ns(&link->split, link->input.len, now_ns)) {
    link_close(link, "nothing more in time");
  }
  pthread_mutex_lock(&link->lock);
  if (!outbox_is_empty(&link->outbox) &&
      is_past(link->unsent_since_ns, HF_DRAIN_TIMEOUT_MS, now_ns)) {
    link_close(link, "replies not read in time");
  }
  pthread_mutex_unlock(&link->lock);
}

/* -------------------------------------------------------------------------------------- end */

void link_end(struct local_link *link) {
  log_line(LOG_DEBUG, "disconnected connection=%llu why=\"%s\"", (unsigned long long)link->id,
           atomic_load(&link->why));
  pthread_mutex_lock(&link->lock);
  send_locked(link);
  link->takes_replies = false;
  if (atomic_exchange(&link->is_unsent, false)) {
    atomic_fetch_sub(&link->house->unsent_count, 1);
  }
  pthread_mutex_unlock(&link->lock);
  link->house->part_count -= link->holds_part;
  set_starved(link, false);
  link->state = LINK_ENDED;
  if (link->is_announced) {
    dispatch_disconnected(link->house->dispatch, link->id);
  }
  shutdown(link->door, SHUT_RDWR);
}
