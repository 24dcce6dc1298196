#include "server/connection/pollers.h"

#include "proto/base/clock.h"
#include "server/connection/large.h"
#include "server/connection/reading.h"
#include "server/connection/set.h"

#include <sched.h>
#include <unistd.h>

/* nng has two task threads a processor and 16 at most; the rest of them must stay free for hellos,
 * drained sends and what is slow. */
#define POLLERS_MAX 4
#define POLLED_MAX 64
/* A connection served within this time is busy. 50 clients of one slow loop come every half
 * millisecond. */
#define BUSY_NS (5 * CLOCK_NS_PER_MS)
/* A connection whose requests took this long twice running is served beside the pollers the next time
 * (head-of-line blocking). Once may be the scheduler's doing. So is one that is sending a large request:
 * its buffer has to grow, and new memory takes long. */
#define SLOW_NS CLOCK_NS_PER_MS
#define QUIET_NS (50 * CLOCK_NS_PER_MS / 1000)
#define LOGGED_QUIET_NS (150 * CLOCK_NS_PER_MS / 1000)
#define IDLE_MAX_NS (20 * CLOCK_NS_PER_MS)
/* Polls of connections between two calls of sched_yield. */
#define POLLS_PER_YIELD 4
/* A peer that has sent so many requests in a row only when it had its replies is not polled while one waits for
 * the log; once in so many it is all the same, in case others use its connection too by now. */
#define ALTERNATIONS_LEAST 64
#define ALTERNATIONS_AGAIN 1024

/* A thread at work; on its stack. */
struct poller {
  struct pollers *pollers;
  uint64_t now_ns; /* the time of the last poll, or a moment before */
  size_t polled_count;
  size_t resting_count; /* of them, as the last round found them */
  uint64_t quiet_ns;    /* until it is idle */
  struct connection *polled[POLLED_MAX];
};

void pollers_init(struct pollers *pollers) {
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned count_max = processors > 1 ? (unsigned)processors / 2 : 0;
  *pollers = (struct pollers){.count_max = count_max < POLLERS_MAX ? count_max : POLLERS_MAX};
  STAILQ_INIT(&pollers->queue);
  pthread_mutex_init(&pollers->lock, NULL);
  pthread_cond_init(&pollers->none, NULL);
}

void pollers_await_none(struct pollers *pollers) {
  pthread_mutex_lock(&pollers->lock);
  while (pollers->count > 0) {
    pthread_cond_wait(&pollers->none, &pollers->lock);
  }
  pthread_mutex_unlock(&pollers->lock);
}

void pollers_deinit(struct pollers *pollers) {
  pthread_cond_destroy(&pollers->none);
  pthread_mutex_destroy(&pollers->lock);
}

/* ---------------------------------------------------------------------------- the run queue */

static void join_queue(struct pollers *pollers, struct connection *connection) {
  STAILQ_INSERT_TAIL(&pollers->queue, connection, next_in_queue);
  atomic_store_explicit(&pollers->some_are_queued, true, memory_order_relaxed);
}

/* Takes the whole queue. */
static struct connection *take_queue(struct pollers *pollers) {
  struct connection *first = STAILQ_FIRST(&pollers->queue);
  STAILQ_INIT(&pollers->queue);
  atomic_store_explicit(&pollers->some_are_queued, false, memory_order_relaxed);
  return first;
}

static bool some_are_queued(struct pollers *pollers) {
  return atomic_load_explicit(&pollers->some_are_queued, memory_order_relaxed);
}

/* ------------------------------------------------------------------------------------- idle */

static bool is_idle(struct pollers *pollers, uint64_t now_ns) {
  return now_ns < atomic_load_explicit(&pollers->idle_until_ns, memory_order_relaxed);
}

/* Exponential backoff: no polling for twice as long as the last time. */
static void become_idle(struct pollers *pollers, uint64_t now_ns) {
  uint64_t idle_ns = 2 * atomic_load_explicit(&pollers->idle_ns, memory_order_relaxed) + QUIET_NS;
  idle_ns = idle_ns < IDLE_MAX_NS ? idle_ns : IDLE_MAX_NS;
  atomic_store_explicit(&pollers->idle_ns, idle_ns, memory_order_relaxed);
  atomic_store_explicit(&pollers->idle_until_ns, now_ns + idle_ns, memory_order_relaxed);
}

/* ----------------------------------------------------------------------------------- polling */

static void record_served(struct connection *connection, uint64_t began_ns, uint64_t ended_ns) {
  connection->served_ns = ended_ns;
  bool was_long = ended_ns - began_ns > SLOW_NS;
  connection->is_slow =
      (was_long && connection->was_long) || connection->split.missing_bytes > LARGE_BODY_BYTES;
  connection->was_long = was_long;
}

static bool is_busy(const struct poller *poller, const struct connection *connection) {
  return poller->now_ns - connection->served_ns < BUSY_NS;
}

static struct dispatch *dispatch_of(const struct poller *poller) {
  return poller->polled[0]->set->dispatch;
}

static bool may_poll(const struct poller *poller, const struct connection *connection) {
  return !connection->is_slow && poller->polled_count < POLLED_MAX &&
         !is_idle(poller->pollers, poller->now_ns);
}

/* connection_poll, timed. */
static enum transport_poll poll_timed(struct poller *poller, struct connection *connection) {
  uint64_t began_ns = poller->now_ns;
  enum transport_poll outcome = connection_poll(connection);
  if (outcome != TRANSPORT_POLL_QUIET) {
    poller->now_ns = clock_now_ns();
  }
  if (outcome == TRANSPORT_POLL_SERVED) {
    record_served(connection, began_ns, poller->now_ns);
  }
  return outcome;
}

static void serve_from_queue(struct poller *poller, struct connection *connection) {
  bool was_busy = is_busy(poller, connection);
  enum transport_poll outcome = poll_timed(poller, connection);
  if (outcome == TRANSPORT_POLL_SERVED && was_busy && may_poll(poller, connection)) {
    poller->polled[poller->polled_count++] = connection;
  } else if (outcome != TRANSPORT_POLL_GONE) {
    connection_wait(connection);
  }
}

/* The last connection takes the position of the removed one. */
static void remove_polled(struct poller *poller, size_t idx) {
  poller->polled[idx] = poller->polled[--poller->polled_count];
}

static void give_up(struct poller *poller, size_t idx) {
  struct connection *connection = poller->polled[idx];
  remove_polled(poller, idx);
  connection_wait(connection);
}

/* Nothing will come from its peer until the log is further. A posted read would find nothing, and cost nng's poll
 * thread more than a read that finds a request. */
static bool is_resting(const struct poller *poller, const struct connection *connection) {
  return connection->alternations >= ALTERNATIONS_LEAST &&
         connection->alternations % ALTERNATIONS_AGAIN != 0 && is_busy(poller, connection) &&
         connection_awaits_log(connection);
}

/* true: there was something to do. */
static bool poll_one(struct poller *poller, size_t idx) {
  struct connection *connection = poller->polled[idx];
  if (is_resting(poller, connection)) {
    poller->resting_count++;
    return false;
  }
  switch (poll_timed(poller, connection)) {
    case TRANSPORT_POLL_GONE:
      remove_polled(poller, idx);
      return true;
    case TRANSPORT_POLL_SERVED:
      if (connection->is_slow) {
        give_up(poller, idx);
      }
      return true;
    case TRANSPORT_POLL_QUIET:
      break;
  }
  if (!is_busy(poller, connection)) {
    give_up(poller, idx);
  }
  return false;
}

static bool all_rest(const struct poller *poller) {
  size_t i = 0;
  while (i < poller->polled_count && is_resting(poller, poller->polled[i])) {
    i++;
  }
  return i > 0 && i == poller->polled_count;
}

/* Meanwhile it doesn't count: it may take as long as the disk does. */
static void lead(struct poller *poller) {
  struct pollers *pollers = poller->pollers;
  pthread_mutex_lock(&pollers->lock);
  pollers->leading++;
  pthread_mutex_unlock(&pollers->lock);
  dispatch_lead_log(dispatch_of(poller));
  pthread_mutex_lock(&pollers->lock);
  pollers->leading--;
  pthread_mutex_unlock(&pollers->lock);
  poller->now_ns = clock_now_ns();
  poller->quiet_ns = LOGGED_QUIET_NS;
}

/* Polls all connections once. The next request is often there one round after the last, and then
 * neither epoll nor nng's poll thread is needed. */
static bool poll_round(struct poller *poller) {
  struct dispatch *dispatch = dispatch_of(poller);
  bool is_batching = poller->polled_count > 0 && dispatch_begin_batching(dispatch);
  bool was_busy = false;
  poller->resting_count = 0;
  for (size_t i = poller->polled_count; i-- > 0;) {
    was_busy |= poll_one(poller, i);
  }
  if (is_batching && was_busy && all_rest(poller) && !some_are_queued(poller->pollers)) {
    lead(poller);
  }
  if (is_batching) {
    dispatch_end_batching(dispatch);
  }
  return was_busy;
}

/* All connections rest. */
static void await_log(struct poller *poller) {
  uint64_t awaited = UINT64_MAX;
  for (size_t i = 0; i < poller->polled_count; i++) {
    const struct connection *connection = poller->polled[i];
    awaited = connection->awaited < awaited ? connection->awaited : awaited;
  }
  dispatch_await_log(dispatch_of(poller), awaited, poller->now_ns + BUSY_NS,
                     &poller->pollers->some_are_queued);
  poller->now_ns = clock_now_ns();
  poller->quiet_ns = LOGGED_QUIET_NS;
}

/* false: none rests. */
static bool give_up_others(struct poller *poller) {
  for (size_t i = poller->polled_count; poller->resting_count > 0 && i-- > 0;) {
    if (!is_resting(poller, poller->polled[i])) {
      give_up(poller, i);
    }
  }
  return poller->resting_count > 0;
}

/* ------------------------------------------------------------------------------------- work */

/* Polls until there was something to do, the run queue has a connection, or the log is further. false: all
 * connections were idle for too long. */
static bool poll_until_served(struct poller *poller) {
  struct pollers *pollers = poller->pollers;
  uint64_t deadline_ns = poller->now_ns + poller->quiet_ns;
  poller->quiet_ns = QUIET_NS;
  size_t polls = 0;
  bool has_spun = false;
  while (!poll_round(poller)) {
    if (poller->polled_count == 0 || some_are_queued(pollers)) {
      return true;
    }
    if (poller->resting_count == poller->polled_count) {
      await_log(poller);
      return true;
    }
    polls += poller->polled_count;
    if (polls < POLLS_PER_YIELD) {
      continue;
    }
    if (clock_now_ns() > deadline_ns) {
      return give_up_others(poller);
    }
    sched_yield();
    poller->now_ns = clock_now_ns();
    polls = 0;
    has_spun = true;
  }
  if (has_spun) {
    atomic_store_explicit(&pollers->idle_ns, 0, memory_order_relaxed);
  }
  return true;
}

static void serve_polled(struct poller *poller) {
  while (poller->polled_count > 0 && !some_are_queued(poller->pollers)) {
    if (poll_until_served(poller)) {
      continue;
    }
    become_idle(poller->pollers, clock_now_ns());
    while (poller->polled_count > 0) {
      give_up(poller, poller->polled_count - 1);
    }
  }
}

/* Whether the poller goes on; if not, `count` is decremented.
 * out  queue  connections to be served next; NULL: none */
static bool goes_on(struct poller *poller, struct connection **queue) {
  struct pollers *pollers = poller->pollers;
  pthread_mutex_lock(&pollers->lock);
  *queue = take_queue(pollers);
  bool goes_on = *queue != NULL || poller->polled_count > 0;
  if (!goes_on && --pollers->count == 0) {
    pthread_cond_broadcast(&pollers->none);
  }
  pthread_mutex_unlock(&pollers->lock);
  return goes_on;
}

static void work(struct pollers *pollers, struct connection *queue) {
  struct poller poller = {.pollers = pollers, .now_ns = clock_now_ns(), .quiet_ns = QUIET_NS};
  do {
    while (queue != NULL) {
      struct connection *connection = queue;
      queue = STAILQ_NEXT(connection, next_in_queue);
      serve_from_queue(&poller, connection);
    }
    serve_polled(&poller);
  } while (goes_on(&poller, &queue));
}

static void serve_alone(struct connection *connection) {
  struct poller poller = {.now_ns = clock_now_ns()};
  if (poll_timed(&poller, connection) != TRANSPORT_POLL_GONE) {
    connection_wait(connection);
  }
}

void pollers_serve(struct pollers *pollers, struct connection *connection) {
  if (pollers->count_max == 0 || connection->is_slow || !connection->announced) {
    serve_alone(connection);
    return;
  }
  struct dispatch *dispatch = connection->set->dispatch;
  STAILQ_NEXT(connection, next_in_queue) = NULL;
  pthread_mutex_lock(&pollers->lock);
  bool joins = pollers->count - pollers->leading < pollers->count_max;
  if (joins) {
    pollers->count++;
  } else {
    join_queue(pollers, connection);
    dispatch_interrupt(dispatch); /* with the lock: then it may be gone with its last connection */
  }
  pthread_mutex_unlock(&pollers->lock);
  if (joins) {
    work(pollers, connection);
  }
}
