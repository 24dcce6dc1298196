#include "server/journal/double_buffer.h"

#include "proto/base/clock.h"

#include <time.h>

#define KEPT_BYTES_MAX (2 * JOURNAL_BATCH_BYTES_MAX)

void double_buffer_init(struct double_buffer *buffer) {
  pthread_condattr_t monotonic;
  *buffer = (struct double_buffer){0};
  buffer->filling = buffer->writers;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&buffer->mutex, NULL);
  pthread_cond_init(&buffer->changed, &monotonic);
  pthread_cond_init(&buffer->has_room, &monotonic);
  pthread_condattr_destroy(&monotonic);
}

void double_buffer_deinit(struct double_buffer *buffer) {
  record_deinit(&buffer->writers[0]);
  record_deinit(&buffer->writers[1]);
  pthread_cond_destroy(&buffer->has_room);
  pthread_cond_destroy(&buffer->changed);
  pthread_mutex_destroy(&buffer->mutex);
}

/* With the mutex; nothing is pinned. */
static void hand_over(struct double_buffer *buffer) {
  buffer->ready = buffer->filling;
  buffer->committing_bytes = record_bytes(buffer->filling);
  buffer->filling = &buffer->writers[buffer->filling == buffer->writers];
  buffer->filling_bytes = 0;
  buffer->has_waiting = buffer->is_hurried = false;
  buffer->is_begun = false;
  buffer->index++;
  pthread_cond_broadcast(&buffer->has_room);
}

static bool has_commands(const struct double_buffer *buffer) {
  return buffer->is_begun && buffer->filling->commands > 0;
}

/* With the mutex. Whether the committer waits for the batch that is being filled. */
static bool is_wanted(const struct double_buffer *buffer) {
  return buffer->is_idle && !buffer->is_led && !buffer->is_pinned && has_commands(buffer);
}

/* With the mutex. Whether the committer waited, and has the batch now. */
static bool wake_committer(struct double_buffer *buffer) {
  bool wakes = is_wanted(buffer);
  if (wakes) {
    hand_over(buffer);
    buffer->is_idle = false;
    pthread_cond_signal(&buffer->changed);
  }
  return wakes;
}

/* With the mutex. The same, unless appenders batch. */
static void offer(struct double_buffer *buffer) {
  if (buffer->batching == 0 || buffer->is_hurried) {
    (void)wake_committer(buffer);
  }
}

void double_buffer_pin(struct double_buffer *buffer) {
  pthread_mutex_lock(&buffer->mutex);
  buffer->is_pinned = true;
  pthread_mutex_unlock(&buffer->mutex);
}

bool double_buffer_begin(struct double_buffer *buffer, struct batch_header header) {
  header.index = buffer->index;
  buffer->is_begun = record_begin(buffer->filling, &header);
  return buffer->is_begun;
}

void double_buffer_unpin(struct double_buffer *buffer) {
  pthread_mutex_lock(&buffer->mutex);
  buffer->is_pinned = false;
  buffer->filling_bytes = buffer->is_begun ? record_bytes(buffer->filling) : 0;
  buffer->has_waiting = has_commands(buffer);
  offer(buffer);
  pthread_mutex_unlock(&buffer->mutex);
}

size_t double_buffer_bytes(const struct double_buffer *buffer) {
  return buffer->committing_bytes + (buffer->is_begun ? record_bytes(buffer->filling) : 0);
}

bool double_buffer_begin_batching(struct double_buffer *buffer) {
  pthread_mutex_lock(&buffer->mutex);
  bool begins = !buffer->has_waiting;
  buffer->batching += begins;
  pthread_mutex_unlock(&buffer->mutex);
  return begins;
}

void double_buffer_end_batching(struct double_buffer *buffer) {
  pthread_mutex_lock(&buffer->mutex);
  buffer->batching--;
  offer(buffer);
  pthread_mutex_unlock(&buffer->mutex);
}

bool double_buffer_lead(struct double_buffer *buffer, struct batch_writer **batch) {
  pthread_mutex_lock(&buffer->mutex);
  bool leads =
      is_wanted(buffer) && !buffer->is_awake && !buffer->is_broken && buffer->batching == 1;
  if (leads) {
    hand_over(buffer);
    *batch = buffer->ready;
    buffer->ready = NULL;
    buffer->is_led = true;
  }
  pthread_mutex_unlock(&buffer->mutex);
  return leads;
}

void double_buffer_end_lead(struct double_buffer *buffer, struct batch_writer *left) {
  pthread_mutex_lock(&buffer->mutex);
  buffer->is_led = false;
  buffer->ready = left;
  if (left || buffer->is_delayed) {
    buffer->is_idle = false;
    pthread_cond_signal(&buffer->changed);
  } else {
    offer(buffer);
  }
  pthread_mutex_unlock(&buffer->mutex);
}

/* With the mutex. */
static bool hurry(struct double_buffer *buffer) {
  bool wakes = wake_committer(buffer);
  buffer->is_hurried = !wakes;
  return wakes;
}

void double_buffer_hurry(struct double_buffer *buffer) {
  pthread_mutex_lock(&buffer->mutex);
  (void)hurry(buffer);
  pthread_mutex_unlock(&buffer->mutex);
}

static bool has_room(const struct double_buffer *buffer) {
  return buffer->filling_bytes <= JOURNAL_BATCH_BYTES_MAX || buffer->is_broken;
}

bool double_buffer_await_room(struct double_buffer *buffer, uint64_t wait_ns) {
  int result = 0;
  pthread_mutex_lock(&buffer->mutex);
  if (!has_room(buffer)) {
    const struct timespec deadline = clock_timespec(clock_now_ns() + wait_ns);
    while (!has_room(buffer) && result == 0) {
      if (!hurry(buffer)) {
        result = pthread_cond_timedwait(&buffer->has_room, &buffer->mutex, &deadline);
      }
    }
  }
  bool is_there = has_room(buffer);
  pthread_mutex_unlock(&buffer->mutex);
  return is_there;
}

/* With the mutex. Until there is a batch, or something else to do. */
static void await_work(struct double_buffer *buffer, uint64_t deadline_ns) {
  struct timespec until = clock_timespec(deadline_ns);
  buffer->is_idle = true;
  if (!buffer->is_awake) {
    pthread_cond_timedwait(&buffer->changed, &buffer->mutex, &until);
  }
  buffer->is_delayed = buffer->is_led;
  while (buffer->is_led) {
    pthread_cond_wait(&buffer->changed, &buffer->mutex);
  }
  buffer->is_delayed = buffer->is_idle = buffer->is_awake = false;
}

/* With the mutex. The next batch; NULL: none yet, or never. */
static struct batch_writer *take_ready(struct double_buffer *buffer) {
  if (buffer->is_broken) {
    return NULL;
  }
  if (!buffer->ready && !buffer->is_pinned && has_commands(buffer)) {
    hand_over(buffer);
  }
  struct batch_writer *ready = buffer->ready;
  buffer->ready = NULL;
  return ready;
}

bool double_buffer_take(struct double_buffer *buffer, uint64_t deadline_ns,
                        struct batch_writer **batch) {
  pthread_mutex_lock(&buffer->mutex);
  *batch = take_ready(buffer);
  bool goes_on = *batch || !(buffer->is_broken || buffer->is_stopping);
  if (goes_on && !*batch) {
    await_work(buffer, deadline_ns);
    *batch = take_ready(buffer);
  }
  pthread_mutex_unlock(&buffer->mutex);
  return goes_on;
}

void double_buffer_give_back(struct double_buffer *buffer, struct batch_writer *batch) {
  buffer->committing_bytes = 0;
  if (batch->bytes.capacity > KEPT_BYTES_MAX) {
    record_deinit(batch);
  }
}

bool double_buffer_pause_ms(struct double_buffer *buffer, uint64_t ms) {
  struct timespec until = clock_timespec(clock_now_ns() + ms * CLOCK_NS_PER_MS);
  pthread_mutex_lock(&buffer->mutex);
  if (!buffer->is_stopping) {
    pthread_cond_timedwait(&buffer->changed, &buffer->mutex, &until);
  }
  bool goes_on = !buffer->is_stopping;
  pthread_mutex_unlock(&buffer->mutex);
  return goes_on;
}

bool double_buffer_is_empty(struct double_buffer *buffer) {
  pthread_mutex_lock(&buffer->mutex);
  bool is_empty = !buffer->ready && !buffer->is_pinned && !has_commands(buffer);
  pthread_mutex_unlock(&buffer->mutex);
  return is_empty;
}

uint64_t double_buffer_last(struct double_buffer *buffer) {
  pthread_mutex_lock(&buffer->mutex);
  uint64_t last = buffer->index - !has_commands(buffer);
  pthread_mutex_unlock(&buffer->mutex);
  return last;
}

void double_buffer_wake(struct double_buffer *buffer) {
  pthread_mutex_lock(&buffer->mutex);
  buffer->is_awake = true;
  pthread_cond_signal(&buffer->changed);
  pthread_mutex_unlock(&buffer->mutex);
}

void double_buffer_stop(struct double_buffer *buffer) {
  pthread_mutex_lock(&buffer->mutex);
  buffer->is_stopping = true;
  pthread_cond_signal(&buffer->changed);
  pthread_mutex_unlock(&buffer->mutex);
}

void double_buffer_break(struct double_buffer *buffer) {
  pthread_mutex_lock(&buffer->mutex);
  buffer->is_broken = true;
  pthread_cond_broadcast(&buffer->has_room);
  pthread_cond_broadcast(&buffer->changed);
  pthread_mutex_unlock(&buffer->mutex);
}

bool double_buffer_is_broken(struct double_buffer *buffer) {
  pthread_mutex_lock(&buffer->mutex);
  bool is_broken = buffer->is_broken;
  pthread_mutex_unlock(&buffer->mutex);
  return is_broken;
}
