#include "server/transport/ring_stream.h"

#include "proto/base/clock.h"
#include "proto/base/descriptors.h"
#include "proto/limits.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct transport ring_transport;

/* ------------------------------------------------------------------------------------- life */

struct ring_stream *ring_stream_new(struct ring_context *context, uint64_t id, int socket,
                                    enum handshake_status refusal) {
  struct ring_stream *stream = calloc(1, sizeof *stream);
  if (stream == NULL) {
    return NULL;
  }
  stream->context = context;
  stream->id = id;
  stream->socket = socket;
  stream->doorbell = -1;
  stream->refusal = refusal;
  stream->deadline_ns = clock_deadline_ns(clock_now_ns(), HF_HELLO_TIMEOUT_MS);
  atomic_init(&stream->references, 1);
  return stream;
}

void ring_stream_release(struct ring_stream *stream) {
  if (atomic_fetch_sub(&stream->references, 1) > 1) {
    return;
  }
  if (stream->segment != NULL) {
    munmap(stream->segment, segment_bytes(HF_RING_BYTES));
  }
  if (stream->doorbell >= 0) {
    close(stream->doorbell);
  }
  close(stream->socket);
  free(stream);
}

void ring_context_notify(const struct ring_context *context) {
  const uint64_t one = 1;
  ssize_t written = write(context->wakeup, &one, sizeof one);
  (void)written; /* a full counter wakes as well */
}

bool ring_stream_is_over(struct ring_stream *stream) {
  return atomic_load_explicit(&stream->is_over, memory_order_acquire);
}

static void make_over(struct ring_stream *stream) {
  atomic_store(&stream->is_over, true);
  atomic_store(&stream->context->some_are_over, true);
}

static void stream_close(void *self) {
  struct ring_stream *stream = self;
  shutdown(stream->socket, SHUT_RDWR);
  make_over(stream);
  ring_context_notify(stream->context);
}

static void stream_free(void *self) {
  ring_stream_release(self);
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

static bool map_memory(struct ring_stream *stream, int fd) {
  void *mapped =
      mmap(NULL, segment_bytes(HF_RING_BYTES), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) {
    return false;
  }
  uint8_t *data = (uint8_t *)mapped + SEGMENT_DATA_OFFSET;
  stream->segment = mapped;
  shared_header_write(mapped, SHARED_RINGS, segment_bytes(HF_RING_BYTES));
  ring_init_reader(&stream->requests, &stream->segment->requests, data, HF_RING_BYTES);
  ring_init_writer(&stream->replies, &stream->segment->replies, data + HF_RING_BYTES,
                   HF_RING_BYTES);
  return true;
}

static bool offer(struct ring_stream *stream, const struct handshake_hello *hello) {
  const struct transport_acceptor *acceptor = stream->context->acceptor;
  const struct transport_peer peer = {.address = TRANSPORT_ADDRESS_LOCAL,
                                      .framing = (enum sp_transport)hello->framing,
                                      .protocol = (uint16_t)hello->protocol,
                                      /* handshake_admits admits no other */
                                      .identity = {.kind = IDENTITY_UID, .uid = geteuid()}};
  atomic_fetch_add(&stream->references, 1);
  if (!acceptor->accept(acceptor->ctx, &ring_transport, stream, &peer, &stream->connection)) {
    stream->connection = NULL;
    ring_stream_release(stream);
    return false;
  }
  return true;
}

/* The client may write as soon as it has the answer, so everything is ready before. */
static enum handshake_status welcome(struct ring_stream *stream,
                                     const struct handshake_hello *hello) {
  int memory = make_memory(segment_bytes(HF_RING_BYTES));
  stream->doorbell = descriptors_for_client(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (memory < 0 || stream->doorbell < 0 || !map_memory(stream, memory) || !offer(stream, hello)) {
    if (memory >= 0) {
      close(memory);
    }
    return HANDSHAKE_NO_MEMORY;
  }
  const int descriptors[] = {[HANDSHAKE_MEMORY] = memory, [HANDSHAKE_DOORBELL] = stream->doorbell};
  stream->has_left = !handshake_answer(stream->socket, HANDSHAKE_WELCOME, HF_RING_BYTES,
                                       descriptors, HANDSHAKE_DESCRIPTORS);
  close(memory);
  return HANDSHAKE_WELCOME;
}

/* One packet has the answer and the segment's descriptor; then the stream is over. */
static enum handshake_status send_segment(struct ring_stream *stream, uint64_t segment) {
  const struct segment_opener *opener = &stream->context->opener;
  size_t bytes = 0;
  int memory = opener->open != NULL ? opener->open(opener->ctx, segment, &bytes) : -1;
  if (memory < 0) {
    return HANDSHAKE_NO_SEGMENT;
  }
  (void)handshake_answer(stream->socket, HANDSHAKE_WELCOME, bytes, &memory, 1);
  close(memory);
  make_over(stream);
  return HANDSHAKE_WELCOME;
}

static enum handshake_status answer_hello(struct ring_stream *stream,
                                          const struct handshake_hello *hello) {
  enum handshake_status status = handshake_check_hello(hello);
  bool wants_segment = hello->magic == HANDSHAKE_SEGMENT;
  if (stream->refusal != HANDSHAKE_WELCOME &&
      (stream->refusal != HANDSHAKE_FULL || !wants_segment)) {
    return stream->refusal;
  }
  if (status != HANDSHAKE_WELCOME) {
    return status;
  }
  return wants_segment ? send_segment(stream, hello->segment) : welcome(stream, hello);
}

static void refuse(struct ring_stream *stream, const char *why) {
  limited_log_line(&stream->context->limited_log, "connection refused why=\"%s\"", why);
  make_over(stream);
}

static void read_hello(struct ring_stream *stream) {
  static const char *const whys[] = {
      [HANDSHAKE_NO_SEGMENT] = "no such segment",
      [HANDSHAKE_NOT_ALLOWED] = "another user's client in the local handshake",
      [HANDSHAKE_FULL] = "too many local connections",
      [HANDSHAKE_NO_MEMORY] = "no memory for shared memory",
      [HANDSHAKE_BAD_HELLO] = "no hello in the local handshake",
      [HANDSHAKE_OTHER_VERSION] = "a client with another version of the local handshake",
  };
  struct handshake_hello hello;
  enum handshake_event news = handshake_read_hello(stream->socket, &hello);
  if (news == HANDSHAKE_PENDING) {
    return;
  }
  if (news == HANDSHAKE_PEER_LEFT) {
    make_over(stream);
    return;
  }
  enum handshake_status status = answer_hello(stream, &hello);
  if (status != HANDSHAKE_WELCOME) {
    (void)handshake_answer(stream->socket, status, 0, NULL, 0);
    refuse(stream, whys[status]);
  }
}

void ring_stream_read_socket(struct ring_stream *stream) {
  if (stream->connection == NULL) {
    read_hello(stream);
  } else if (!handshake_is_open(stream->socket)) {
    stream->has_left = true;
  }
}

/* ---------------------------------------------------------------------------------- reading */

static bool stream_is_readable(void *self) {
  const struct ring_stream *stream = self;
  return ring_seems_readable(&stream->requests) || stream->has_left || stream->is_late ||
         atomic_load_explicit(&stream->is_over, memory_order_relaxed);
}

static size_t stream_pending(void *self) {
  struct ring_stream *stream = self;
  size_t used = ring_stream_is_over(stream) ? 0 : ring_used(&stream->requests);
  return used == RING_BROKEN ? 0 : used;
}

/* Says where the rings' thread runs, for the client that waits. */
static void announce_cpu(struct ring_stream *stream) {
  uint32_t cpu = (uint32_t)sched_getcpu();
  if (cpu != stream->announced_cpu) {
    stream->announced_cpu = cpu;
    ring_announce_cpu(&stream->requests, cpu);
  }
}

/* What read answers when there are no bytes. */
static enum transport_result state_of(struct ring_stream *stream) {
  if (stream->has_left) {
    return TRANSPORT_LEFT;
  }
  bool is_late = stream->is_late;
  stream->is_late = false;
  return is_late ? TRANSPORT_LATE : TRANSPORT_WAITS;
}

/* Copies bytes out of the ring before they are checked. */
static enum transport_result stream_read(void *self, void *data, size_t capacity, size_t *count) {
  struct ring_stream *stream = self;
  if (ring_stream_is_over(stream)) {
    return TRANSPORT_LEFT;
  }
  size_t used = ring_used(&stream->requests);
  if (used == RING_BROKEN) { /* reported also without room to read into */
    return TRANSPORT_BROKEN;
  }
  used = ring_read(&stream->requests, data, used < capacity ? used : capacity);
  if (used == 0) {
    return state_of(stream);
  }
  if (ring_must_wake_writer(&stream->requests)) {
    handshake_notify(stream->socket);
  }
  announce_cpu(stream);
  *count = used;
  return TRANSPORT_OK;
}

static bool stream_await_readable(void *self, void *data, size_t capacity, uint64_t deadline_ns) {
  struct ring_stream *stream = self;
  (void)data, (void)capacity;
  ring_announce_sleep(&stream->requests, RING_WAKE_NOTIFY);
  if (ring_used(&stream->requests) != 0 || stream->has_left) {
    ring_withdraw_sleep(&stream->requests);
    stream->reading = RING_POLLED;
    return true;
  }
  stream->reading = RING_AWAITED;
  stream->deadline_ns = deadline_ns;
  stream->context->timed_count += deadline_ns != CLOCK_NEVER;
  return true;
}

static void stream_pause(void *self, uint32_t ms) {
  struct ring_stream *stream = self;
  stream->reading = RING_PAUSED; /* ticks come soon while a stream is paused */
  stream->deadline_ns = clock_deadline_ns(clock_now_ns(), ms);
  stream->context->paused_count++;
}

static bool take_resume(struct ring_stream *stream) {
  return atomic_exchange(&stream->is_resumed, false);
}

static void stream_resume(void *self) {
  struct ring_stream *stream = self;
  struct ring_context *context = stream->context;
  atomic_fetch_add(&stream->references, 1);
  atomic_store(&stream->is_resumed, true);
  if (!atomic_load(&stream->is_ended)) {
    atomic_store(&context->some_are_resumed, true);
    ring_context_notify(context);
  } else if (take_resume(stream)) {
    (void)context->acceptor->events->poll(stream->connection); /* sees that the stream is over */
  }
  ring_stream_release(stream);
}

bool ring_stream_take_resume(struct ring_stream *stream) {
  bool is_resumed = take_resume(stream);
  if (is_resumed) {
    stream->reading = RING_POLLED;
  }
  return is_resumed;
}

void ring_stream_poll_again(struct ring_stream *stream) {
  if (stream->reading == RING_AWAITED) {
    stream->context->timed_count -= stream->deadline_ns != CLOCK_NEVER;
    stream->reading = RING_POLLED;
  }
}

static void end_pause(struct ring_stream *stream) {
  if (stream->reading == RING_PAUSED) {
    stream->context->paused_count--;
    stream->reading = RING_POLLED;
  }
}

/* ---------------------------------------------------------------------------------- writing */

static void wake_client(struct ring_stream *stream) {
  enum ring_wake wake = ring_must_wake_reader(&stream->replies);
  atomic_store_explicit(&stream->client_sleeps, wake != RING_WAKE_NONE, memory_order_relaxed);
  if (wake == RING_WAKE_NOTIFY) {
    handshake_notify(stream->socket);
  } else if (wake == RING_WAKE_FUTEX) {
    ring_wake_reader(&stream->replies);
  }
}

static enum transport_result stream_write(void *self, const struct bytes *runs, size_t *count) {
  struct ring_stream *stream = self;
  size_t sent = 0, wanted = 0;
  if (stream->room != TRANSPORT_OK) {
    return stream->room;
  }
  for (size_t i = 0; i < TRANSPORT_RUNS && sent == wanted; i++) {
    size_t part = runs[i].len > 0 ? ring_write(&stream->replies, runs[i].data, runs[i].len) : 0;
    if (part == RING_BROKEN) {
      return TRANSPORT_BROKEN;
    }
    sent += part;
    wanted += runs[i].len;
  }
  if (sent == 0) {
    return TRANSPORT_WAITS;
  }
  wake_client(stream);
  *count = sent;
  return TRANSPORT_OK;
}

static bool take_wait(struct ring_stream *stream) {
  bool is_taken = atomic_exchange(&stream->awaits_room, false);
  if (is_taken) {
    atomic_fetch_sub(&stream->context->awaiting_room_count, 1);
  }
  return is_taken;
}

static bool stream_await_writable(void *self, const struct bytes *runs, uint64_t deadline_ns) {
  struct ring_stream *stream = self;
  (void)runs;
  atomic_store_explicit(&stream->room_deadline_ns, deadline_ns, memory_order_relaxed);
  /* The client may read, and notify the rings' thread, as soon as the wait is announced. So
   * awaits_room is set before. */
  unsigned others = atomic_fetch_add(&stream->context->awaiting_room_count, 1);
  atomic_store(&stream->awaits_room, true);
  if (others == 0) {
    ring_context_notify(stream->context);
  }
  ring_announce_wait(&stream->replies);
  return ring_room(&stream->replies) == 0 || !take_wait(stream);
}

/* Calls the event if it is due and this thread clears the flag. */
static void call_writable(struct ring_stream *stream, enum transport_result room) {
  if (take_wait(stream)) {
    stream->room = room;
    stream->context->acceptor->events->writable(stream->connection);
  }
}

/* ---------------------------------------------------------------------------------- polling */

/* A wait that finds no room is announced again, because the client may have cleared its flag for an
 * earlier wait:
 *
 *   client                                server
 *   sees the flag of the earlier wait
 *                                         uses the room up
 *                                         announces this wait: sets the flag
 *   clears the flag, notifies
 */
static void check_room(struct ring_stream *stream) {
  if (!ring_seems_writable(&stream->replies) && !ring_is_waited_for(&stream->replies)) {
    ring_announce_wait(&stream->replies);
  }
  if (ring_seems_writable(&stream->replies)) {
    call_writable(stream, TRANSPORT_OK);
  } else if (stream->has_left && stream->reading == RING_KEPT) {
    call_writable(stream, TRANSPORT_LEFT);
  }
}

bool ring_stream_serve(struct ring_stream *stream, uint64_t now_ns) {
  if (atomic_load_explicit(&stream->awaits_room, memory_order_relaxed)) {
    check_room(stream);
    (void)ring_stream_take_resume(stream); /* by the event, just now */
  }
  if (stream->reading != RING_POLLED || ring_stream_is_over(stream)) {
    return false;
  }
  enum transport_poll outcome = stream->context->acceptor->events->poll(stream->connection);
  if (outcome == TRANSPORT_POLL_SERVED) {
    stream->served_ns = now_ns;
    return true;
  }
  if (outcome == TRANSPORT_POLL_GONE && stream->reading == RING_POLLED) {
    stream->reading = RING_KEPT;
  }
  return false;
}

bool ring_stream_go_idle(struct ring_stream *stream) {
  if (stream->reading == RING_POLLED && !ring_stream_is_over(stream)) {
    stream->reading = RING_KEPT; /* stays so if the event ends the connection */
    stream->context->acceptor->events->wait(stream->connection);
  }
  return stream->reading != RING_POLLED;
}

bool ring_stream_is_followed(struct ring_stream *stream) {
  return !atomic_load_explicit(&stream->client_sleeps, memory_order_relaxed) &&
         !ring_reader_is_on(&stream->replies, stream->announced_cpu);
}

bool ring_stream_check_times(struct ring_stream *stream, uint64_t now_ns) {
  if (stream->connection == NULL) {
    if (now_ns >= stream->deadline_ns) {
      refuse(stream, "no hello in time");
    }
    return false;
  }
  if (atomic_load(&stream->awaits_room) &&
      now_ns >= atomic_load_explicit(&stream->room_deadline_ns, memory_order_relaxed)) {
    call_writable(stream, TRANSPORT_LATE);
  }
  stream->is_late |= stream->reading == RING_AWAITED && now_ns >= stream->deadline_ns;
  bool waits_in_vain = stream->has_left && atomic_load(&stream->awaits_room);
  bool is_paused_enough = stream->reading == RING_PAUSED && now_ns >= stream->deadline_ns;
  if (is_paused_enough) {
    end_pause(stream);
  }
  return stream->is_late || waits_in_vain || is_paused_enough;
}

void ring_stream_end(struct ring_stream *stream) {
  if (stream->connection == NULL) {
    return;
  }
  ring_stream_poll_again(stream); /* for the counts of the context */
  end_pause(stream);
  atomic_store(&stream->is_ended, true);
  bool is_polled = take_resume(stream) || stream->reading == RING_POLLED;
  stream->reading = RING_KEPT;
  call_writable(stream, TRANSPORT_LEFT);
  if (is_polled) {
    (void)stream->context->acceptor->events->poll(stream->connection);
  }
}

static const struct transport ring_transport = {
    .name = "ring",
    .has_own_limit = true,
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
