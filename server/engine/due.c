#include "server/engine/due.h"

#include "server/engine/cells.h"
#include "server/engine/locks.h"
#include "server/engine/run.h"
#include "server/engine/session_end.h"
#include "server/engine/sessions.h"
#include "server/engine/settle.h"
#include "server/engine/steps.h"
#include "server/engine/tasks.h"

#include <stddef.h>

bool core_is_due(const struct engine *engine, uint64_t now_ns) {
  return core_has_work(engine) || timers_next_deadline_ns(&engine->timers) <= now_ns;
}

/* The struct that `member` points into. */
#define OWNER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static void end_grace(struct engine *engine, uint64_t now_ns, struct session *session) {
  if (!core_extend_grace(engine, now_ns, session)) {
    core_end_session(engine, now_ns, session, false);
  }
}

static void expire(struct engine *engine, uint64_t now_ns, struct timer *timer) {
  switch (timer->kind) {
    case TIMER_WAITER:
      core_time_out(engine, now_ns, OWNER_OF(timer, struct waiter, timer));
      break;
    case TIMER_SESSION:
      end_grace(engine, now_ns, OWNER_OF(timer, struct session, timer));
      break;
    case TIMER_LEASE:
      core_end_lease(engine, now_ns, OWNER_OF(timer, struct object, lease));
      break;
    case TIMER_TASKS:
      core_tasks_due(engine, now_ns, timer);
      break;
    case TIMER_CELL:
      core_cells_due(engine, now_ns, OWNER_OF(timer, struct object, cells.timer));
      break;
  }
}

void core_advance(struct engine *engine, uint64_t now_ns) {
  struct timer *timer;
  core_settle(engine, now_ns);
  while (core_has_steps(engine) && (timer = timers_pop(&engine->timers, now_ns))) {
    core_spend(engine, STEPS_OF_TIMER);
    expire(engine, now_ns, timer);
    core_settle(engine, now_ns);
  }
}
