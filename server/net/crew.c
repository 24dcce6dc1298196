#include "server/net/crew.h"

#include "proto/base/clock.h"
#include "server/net/connection_parts.h"

#include <sched.h>
#include <unistd.h>

/* nng has two task threads a processor and 16 at most; the rest of them must stay free for hellos,
 * drained sends and what is slow. */
#define MEMBERS_MAX 4
#define SEATS 64
/* Served within this: hot. 50 clients of one slow loop come every half millisecond. */
#define HOT_NS (5 * CLOCK_NS_PER_MS)
/* Requests that took this long are served beside the crew the next time: others wait behind them.
 */
#define SLOW_NS CLOCK_NS_PER_MS
#define QUIET_NS (50 * CLOCK_NS_PER_MS / 1000)
#define REST_MAX_NS (20 * CLOCK_NS_PER_MS)
/* Looks at seats between two offers of the processor to whoever else wants it. */
#define LOOKS 4

struct seat {
  struct connection *connection;
  bool listens; /* a receive without callback is under way */
};

/* A thread at work; on its stack. */
struct member {
  struct crew *crew;
  uint64_t now_ns; /* a moment ago */
  size_t seat_count;
  struct seat seats[SEATS];
};

void crew_init(struct crew *crew) {
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned members_max = processors > 1 ? (unsigned)processors / 2 : 0;
  *crew = (struct crew){.members_max = members_max < MEMBERS_MAX ? members_max : MEMBERS_MAX};
  pthread_mutex_init(&crew->lock, NULL);
}

void crew_deinit(struct crew *crew) {
  pthread_mutex_destroy(&crew->lock);
}

/* --------------------------------------------------------------------------------- the line */

static void join_line(struct crew *crew, struct connection *connection) {
  if (crew->first == NULL) {
    crew->first = connection;
  } else {
    crew->last->next_in_line = connection;
  }
  crew->last = connection;
  atomic_store_explicit(&crew->somebody_waits, true, memory_order_relaxed);
}

/* All of it. */
static struct connection *take_line(struct crew *crew) {
  struct connection *first = crew->first;
  crew->first = NULL;
  atomic_store_explicit(&crew->somebody_waits, false, memory_order_relaxed);
  return first;
}

static bool somebody_waits(struct crew *crew) {
  return atomic_load_explicit(&crew->somebody_waits, memory_order_relaxed);
}

/* ------------------------------------------------------------------------------------- rest */

static bool rests(struct crew *crew, uint64_t now_ns) {
  return now_ns < atomic_load_explicit(&crew->rest_until_ns, memory_order_relaxed);
}

/* Spinning was in vain: twice as long as the last time. */
static void rest(struct crew *crew, uint64_t now_ns) {
  uint64_t rest_ns = 2 * atomic_load_explicit(&crew->rest_ns, memory_order_relaxed) + QUIET_NS;
  rest_ns = rest_ns < REST_MAX_NS ? rest_ns : REST_MAX_NS;
  atomic_store_explicit(&crew->rest_ns, rest_ns, memory_order_relaxed);
  atomic_store_explicit(&crew->rest_until_ns, now_ns + rest_ns, memory_order_relaxed);
}

/* ------------------------------------------------------------------------------------ seats */

static void note_served(struct connection *connection, uint64_t began_ns, uint64_t ended_ns) {
  connection->served_ns = ended_ns;
  connection->is_slow = ended_ns - began_ns > SLOW_NS;
}

static bool is_hot(const struct member *member, const struct connection *connection) {
  return member->now_ns - connection->served_ns < HOT_NS;
}

static bool may_sit(const struct member *member, struct connection *connection) {
  if (connection->is_slow || member->seat_count == SEATS || rests(member->crew, member->now_ns)) {
    return false;
  }
  return connection->listen != NULL || nng_aio_alloc(&connection->listen, NULL, NULL) == 0;
}

static void serve_from_line(struct member *member, struct connection *connection) {
  bool was_hot = is_hot(member, connection);
  uint64_t began_ns = member->now_ns;
  bool goes_on = connection_serve(connection);
  member->now_ns = clock_now_ns();
  if (!goes_on) {
    return;
  }
  note_served(connection, began_ns, member->now_ns);
  if (was_hot && may_sit(member, connection)) {
    member->seats[member->seat_count++] = (struct seat){.connection = connection};
  } else {
    connection_receive(connection);
  }
}

/* The last seat takes its place. */
static void remove_seat(struct member *member, struct seat *seat) {
  *seat = member->seats[--member->seat_count];
}

static void give_up_seat(struct member *member, struct seat *seat) {
  struct connection *connection = seat->connection;
  bool goes_on = true;
  if (seat->listens) {
    goes_on = connection_take_news(connection, false); /* it may have come just now */
  }
  if (goes_on) {
    connection_receive(connection);
  }
  remove_seat(member, seat);
}

static void serve_seat(struct member *member, struct seat *seat) {
  struct connection *connection = seat->connection;
  uint64_t began_ns = member->now_ns;
  bool goes_on = connection_take_news(connection, true);
  member->now_ns = clock_now_ns();
  if (!goes_on) {
    remove_seat(member, seat);
    return;
  }
  seat->listens = false;
  note_served(connection, began_ns, member->now_ns);
  if (connection->is_slow) {
    give_up_seat(member, seat);
  }
}

/* true: there was something to do. */
static bool look_at_seat(struct member *member, struct seat *seat) {
  if (!seat->listens && !connection_listen(seat->connection)) {
    remove_seat(member, seat);
    return true;
  }
  seat->listens = true;
  if (connection_has_news(seat->connection)) {
    serve_seat(member, seat);
    return true;
  }
  if (!is_hot(member, seat->connection)) {
    give_up_seat(member, seat);
  }
  return false;
}

/* A connection is asked for its next request one round after the last: by then it is often here,
 * and neither epoll nor the poll thread has to do anything about it. */
static bool go_round(struct member *member) {
  bool was_busy = false;
  for (size_t i = member->seat_count; i-- > 0;) {
    was_busy |= look_at_seat(member, &member->seats[i]);
  }
  return was_busy;
}

/* ------------------------------------------------------------------------------------- work */

/* Goes round until there was something to do, or is in line. false: it has been quiet too long. */
static bool look_around(struct member *member) {
  struct crew *crew = member->crew;
  uint64_t deadline_ns = member->now_ns + QUIET_NS;
  size_t looks = 0;
  bool has_spun = false;
  while (!go_round(member)) {
    if (member->seat_count == 0 || somebody_waits(crew)) {
      return true;
    }
    looks += member->seat_count;
    if (looks < LOOKS) {
      continue;
    }
    if (clock_now_ns() > deadline_ns) {
      return false;
    }
    sched_yield();
    member->now_ns = clock_now_ns();
    looks = 0;
    has_spun = true;
  }
  if (has_spun) {
    atomic_store_explicit(&crew->rest_ns, 0, memory_order_relaxed);
  }
  return true;
}

static void serve_seats(struct member *member) {
  while (member->seat_count > 0 && !somebody_waits(member->crew)) {
    if (look_around(member)) {
      continue;
    }
    rest(member->crew, clock_now_ns());
    while (member->seat_count > 0) {
      give_up_seat(member, &member->seats[member->seat_count - 1]);
    }
  }
}

/* Whether the member goes on; if not it has left the crew.
 * out  line  to be served next; NULL: nobody */
static bool goes_on(struct member *member, struct connection **line) {
  struct crew *crew = member->crew;
  pthread_mutex_lock(&crew->lock);
  *line = take_line(crew);
  bool goes_on = *line != NULL || member->seat_count > 0;
  if (!goes_on) {
    crew->member_count--;
  }
  pthread_mutex_unlock(&crew->lock);
  return goes_on;
}

static void work(struct crew *crew, struct connection *line) {
  struct member member = {.crew = crew, .now_ns = clock_now_ns()};
  do {
    while (line != NULL) {
      struct connection *connection = line;
      line = connection->next_in_line;
      serve_from_line(&member, connection);
    }
    serve_seats(&member);
  } while (goes_on(&member, &line));
}

static void serve_alone(struct connection *connection) {
  uint64_t began_ns = clock_now_ns();
  if (connection_serve(connection)) {
    note_served(connection, began_ns, clock_now_ns());
    connection_receive(connection);
  }
}

void crew_serve(struct crew *crew, struct connection *connection) {
  if (crew->members_max == 0 || connection->is_slow) {
    serve_alone(connection);
    return;
  }
  connection->next_in_line = NULL;
  pthread_mutex_lock(&crew->lock);
  bool joins = crew->member_count < crew->members_max;
  if (joins) {
    crew->member_count++;
  } else {
    join_line(crew, connection);
  }
  pthread_mutex_unlock(&crew->lock);
  if (joins) {
    work(crew, connection);
  }
}
