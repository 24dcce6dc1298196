#include "server/connection/pollers.h"

#include "proto/base/clock.h"
#include "server/connection/reading.h"

#include <sched.h>
#include <unistd.h>

/* nng has two task threads a processor and 16 at most; the rest of them must stay free for hellos,
 * drained sends and what is slow. */
#define POLLERS_MAX 4
#define POLLED_MAX 64
/* Served within this: hot. 50 clients of one slow loop come every half millisecond. */
#define HOT_NS (5 * CLOCK_NS_PER_MS)
/* Requests that took this long are served beside the pollers the next time: others wait behind them.
 */
#define SLOW_NS CLOCK_NS_PER_MS
#define QUIET_NS (50 * CLOCK_NS_PER_MS / 1000)
#define IDLE_MAX_NS (20 * CLOCK_NS_PER_MS)
/* Looks at connections between two offers of the processor to whoever else wants it. */
#define LOOKS 4

/* A thread at work; on its stack. */
struct poller {
  struct pollers *pollers;
  uint64_t now_ns; /* a moment ago */
  size_t polled_count;
  struct connection *polled[POLLED_MAX];
};

void pollers_init(struct pollers *pollers) {
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned count_max = processors > 1 ? (unsigned)processors / 2 : 0;
  *pollers = (struct pollers){.count_max = count_max < POLLERS_MAX ? count_max : POLLERS_MAX};
  pthread_mutex_init(&pollers->lock, NULL);
}

void pollers_deinit(struct pollers *pollers) {
  pthread_mutex_destroy(&pollers->lock);
}

/* ---------------------------------------------------------------------------- the run queue */

static void join_queue(struct pollers *pollers, struct connection *connection) {
  if (pollers->first == NULL) {
    pollers->first = connection;
  } else {
    pollers->last->next_in_queue = connection;
  }
  pollers->last = connection;
  atomic_store_explicit(&pollers->some_are_queued, true, memory_order_relaxed);
}

/* All of it. */
static struct connection *take_queue(struct pollers *pollers) {
  struct connection *first = pollers->first;
  pollers->first = NULL;
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

/* Spinning was in vain: twice as long as the last time. */
static void become_idle(struct pollers *pollers, uint64_t now_ns) {
  uint64_t idle_ns = 2 * atomic_load_explicit(&pollers->idle_ns, memory_order_relaxed) + QUIET_NS;
  idle_ns = idle_ns < IDLE_MAX_NS ? idle_ns : IDLE_MAX_NS;
  atomic_store_explicit(&pollers->idle_ns, idle_ns, memory_order_relaxed);
  atomic_store_explicit(&pollers->idle_until_ns, now_ns + idle_ns, memory_order_relaxed);
}

/* ----------------------------------------------------------------------------------- polling */

static void note_served(struct connection *connection, uint64_t began_ns, uint64_t ended_ns) {
  connection->served_ns = ended_ns;
  connection->is_slow = ended_ns - began_ns > SLOW_NS;
}

static bool is_hot(const struct poller *poller, const struct connection *connection) {
  return poller->now_ns - connection->served_ns < HOT_NS;
}

static bool may_poll(const struct poller *poller, const struct connection *connection) {
  return !connection->is_slow && poller->polled_count < POLLED_MAX &&
         !is_idle(poller->pollers, poller->now_ns);
}

/* As connection_poll, and notes how long it took. */
static enum transport_poll poll_timed(struct poller *poller, struct connection *connection) {
  uint64_t began_ns = poller->now_ns;
  enum transport_poll outcome = connection_poll(connection);
  if (outcome != TRANSPORT_POLL_QUIET) {
    poller->now_ns = clock_now_ns();
  }
  if (outcome == TRANSPORT_POLL_SERVED) {
    note_served(connection, began_ns, poller->now_ns);
  }
  return outcome;
}

static void serve_from_queue(struct poller *poller, struct connection *connection) {
  bool was_hot = is_hot(poller, connection);
  enum transport_poll outcome = poll_timed(poller, connection);
  if (outcome == TRANSPORT_POLL_SERVED && was_hot && may_poll(poller, connection)) {
    poller->polled[poller->polled_count++] = connection;
  } else if (outcome != TRANSPORT_POLL_GONE) {
    connection_wait(connection);
  }
}

/* The last one takes its place. */
static void remove_polled(struct poller *poller, size_t idx) {
  poller->polled[idx] = poller->polled[--poller->polled_count];
}

static void give_up(struct poller *poller, size_t idx) {
  struct connection *connection = poller->polled[idx];
  remove_polled(poller, idx);
  connection_wait(connection);
}

/* true: there was something to do. */
static bool look_at(struct poller *poller, size_t idx) {
  struct connection *connection = poller->polled[idx];
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
  if (!is_hot(poller, connection)) {
    give_up(poller, idx);
  }
  return false;
}

/* A connection is asked for its next request one round after the last: by then it is often here,
 * and neither epoll nor the poll thread has to do anything about it. */
static bool go_round(struct poller *poller) {
  bool was_busy = false;
  for (size_t i = poller->polled_count; i-- > 0;) {
    was_busy |= look_at(poller, i);
  }
  return was_busy;
}

/* ------------------------------------------------------------------------------------- work */

/* Goes round until there was something to do, or is queued. false: it has been quiet too long. */
static bool look_around(struct poller *poller) {
  struct pollers *pollers = poller->pollers;
  uint64_t deadline_ns = poller->now_ns + QUIET_NS;
  size_t looks = 0;
  bool has_spun = false;
  while (!go_round(poller)) {
    if (poller->polled_count == 0 || some_are_queued(pollers)) {
      return true;
    }
    looks += poller->polled_count;
    if (looks < LOOKS) {
      continue;
    }
    if (clock_now_ns() > deadline_ns) {
      return false;
    }
    sched_yield();
    poller->now_ns = clock_now_ns();
    looks = 0;
    has_spun = true;
  }
  if (has_spun) {
    atomic_store_explicit(&pollers->idle_ns, 0, memory_order_relaxed);
  }
  return true;
}

static void serve_polled(struct poller *poller) {
  while (poller->polled_count > 0 && !some_are_queued(poller->pollers)) {
    if (look_around(poller)) {
      continue;
    }
    become_idle(poller->pollers, clock_now_ns());
    while (poller->polled_count > 0) {
      give_up(poller, poller->polled_count - 1);
    }
  }
}

/* Whether the poller goes on; if not it is counted no more.
 * out  queue  to be served next; NULL: none */
static bool goes_on(struct poller *poller, struct connection **queue) {
  struct pollers *pollers = poller->pollers;
  pthread_mutex_lock(&pollers->lock);
  *queue = take_queue(pollers);
  bool goes_on = *queue != NULL || poller->polled_count > 0;
  if (!goes_on) {
    pollers->count--;
  }
  pthread_mutex_unlock(&pollers->lock);
  return goes_on;
}

static void work(struct pollers *pollers, struct connection *queue) {
  struct poller poller = {.pollers = pollers, .now_ns = clock_now_ns()};
  do {
    while (queue != NULL) {
      struct connection *connection = queue;
      queue = connection->next_in_queue;
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
  connection->next_in_queue = NULL;
  pthread_mutex_lock(&pollers->lock);
  bool joins = pollers->count < pollers->count_max;
  if (joins) {
    pollers->count++;
  } else {
    join_queue(pollers, connection);
  }
  pthread_mutex_unlock(&pollers->lock);
  if (joins) {
    work(pollers, connection);
  }
}
