#include "server/net/lingering.h"

#include "proto/base/clock.h"

#include <sched.h>
#include <unistd.h>

#define LINGER_NS (50 * CLOCK_NS_PER_MS / 1000)
#define ROW_MIN 8
#define PENALTY_MAX 4095
/* Looks between two offers of the processor to whoever else wants it. */
#define LOOKS 16

void lingering_init_turns(struct lingering_turns *turns) {
  atomic_init(&turns->count, 0);
  turns->forbidden = sysconf(_SC_NPROCESSORS_ONLN) < 2;
}

void lingering_deinit(struct lingering *lingering) {
  if (lingering->receive != NULL) {
    nng_aio_reap(lingering->receive);
  }
}

void lingering_note_turn(struct lingering *lingering, struct lingering_turns *turns) {
  uint64_t turn = atomic_fetch_add_explicit(&turns->count, 1, memory_order_relaxed) + 1;
  lingering->row = turn == lingering->last_turn + 1 ? lingering->row + 1 : 0;
  lingering->last_turn = turn;
}

static bool is_alone(const struct lingering *lingering, const struct lingering_turns *turns) {
  return atomic_load_explicit(&turns->count, memory_order_relaxed) == lingering->last_turn;
}

bool lingering_is_due(struct lingering *lingering, const struct lingering_turns *turns) {
  if (turns->forbidden || lingering->row < ROW_MIN || !is_alone(lingering, turns)) {
    return false;
  }
  if (lingering->skip > 0) {
    lingering->skip--;
    return false;
  }
  return lingering->receive != NULL || nng_aio_alloc(&lingering->receive, NULL, NULL) == 0;
}

/* Only a hint: nng_aio_wait makes it certain. */
static bool seems_done(const struct lingering *lingering) {
  return nng_aio_count(lingering->receive) != 0 || nng_aio_result(lingering->receive) != 0;
}

int lingering_wait(struct lingering *lingering, const struct lingering_turns *turns,
                   size_t *count) {
  uint64_t deadline_ns = clock_now_ns() + LINGER_NS;
  bool done = seems_done(lingering);
  while (!done && is_alone(lingering, turns) && clock_now_ns() < deadline_ns) {
    for (int look = 0; look < LOOKS && !done; look++) {
      done = seems_done(lingering);
    }
    if (!done) {
      sched_yield();
    }
  }
  if (!done) {
    nng_aio_cancel(lingering->receive);
  }
  nng_aio_wait(lingering->receive);
  int rv = nng_aio_result(lingering->receive);
  *count = rv == 0 ? nng_aio_count(lingering->receive) : 0;
  if (rv == 0) {
    lingering->penalty = 0;
  } else {
    lingering->penalty =
        lingering->penalty < PENALTY_MAX / 2 ? 2 * lingering->penalty + 1 : PENALTY_MAX;
  }
  lingering->skip = lingering->penalty;
  return rv;
}
