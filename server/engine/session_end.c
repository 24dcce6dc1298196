/* The end of a session: its locks, references and the rest are released, in slices where they are many.
 *
 *   core_end_session    removes the session, answers its waiters, then runs the phases, as far as the
 *                       steps reach
 *   core_go_on_ending   runs the phases that are left
 */
#include "server/engine/session_end.h"

#include "server/engine/cells.h"
#include "server/engine/kinds/barrier.h"
#include "server/engine/kinds/pipe.h"
#include "server/engine/parking.h"
#include "server/engine/references.h"
#include "server/engine/revoke.h"
#include "server/engine/sessions.h"
#include "server/engine/steps.h"
#include "server/engine/tasks.h"
#include "server/engine/wake.h"

/* In this order; all of them also when its goodbye was clean, but its semaphores keep their permits then, and most
 * locks stay owned. */
enum end_phase {
  END_UNACKNOWLEDGED,
  END_LOCKS,
  END_PIPES,
  END_BARRIERS,
  END_RESERVATIONS,
  END_SEMAPHORES,
  END_REFERENCES,
  END_REPLIES,
  END_CELLS,
  END_PHASES,
};

/* ---- one thing of a session's */

static void leave_lock(struct engine *engine, struct session *session, uint64_t id, void *unused) {
  struct object *object = registry_find(&engine->registry, id);
  struct lock *lock = object ? object_lock(object) : NULL;
  (void)unused;
  if (!lock || lock->depth == 0 || lock->owner.session != session->serial) {
    return;
  }
  if (session->ends_clean && !lock->robust && lock->lease_ms == 0) {
    lock->owner = (struct lock_owner){0}; /* stays locked, as in Python */
  } else {
    lock_abandon(lock, !session->ends_clean);
    timers_stop(&engine->timers, &object->lease);
    core_wake_lock(engine, object);
    core_review_cells(engine, object);
  }
}

static void leave_pipe(struct engine *engine, struct session *session, uint64_t id, void *bits) {
  struct object *object = registry_find(&engine->registry, id);
  (void)session;
  for (unsigned end = 0; object && end < 2; end++) {
    if ((uintptr_t)bits & (1u << end)) {
      core_detach_pipe(engine, object, end);
    }
  }
}

static void leave_barrier(struct engine *engine, struct session *session, uint64_t id,
                          void *unused) {
  struct object *object = registry_find(&engine->registry, id);
  (void)unused;
  if (object && object->barrier.actor_serial == session->serial) {
    object->barrier.actor_serial = 0; /* it is out of the map already */
    core_end_round(engine, object, STEP_BROKEN);
  }
}

/* What a killed one had acquired comes back. */
static void leave_semaphore(struct engine *engine, struct session *session, uint64_t id,
                            void *count) {
  struct object *object = registry_find(&engine->registry, id);
  if (object && !session->ends_clean) {
    uint64_t acquired = object->semaphore.acquired, back = (uintptr_t)count;
    if (!semaphore_release(&object->semaphore, back < acquired ? back : acquired)) {
      core_wake(engine, &object->waits[WAIT_SEMAPHORE]);
    }
  }
}

static void drop_references(struct engine *engine, struct session *session, uint64_t id,
                            void *entry) {
  (void)session;
  core_drop_references(engine, id, reference_count(entry));
}

static void release_reply(struct engine *engine, struct session *session, uint64_t sequence,
                          void *reply) {
  (void)session;
  (void)sequence;
  core_spend(engine, reply_memory_bytes(reply) / STEPS_BODY_BYTES);
  reply_release(reply);
}

static void release_share(struct engine *engine, struct session *session, uint64_t id,
                          void *share) {
  (void)engine;
  (void)session;
  (void)id;
  cell_share_release(share);
}

/* ---- phases */

/* Takes each out of the map, in the map's order, which depends on nothing but what is in it. true: that
 * is all of them. */
static bool each(struct engine *engine, struct session *session, struct map64 *map,
                 void (*act)(struct engine *engine, struct session *session, uint64_t id,
                             void *item)) {
  uint64_t id;
  void *item;
  while (core_has_steps(engine)) {
    if (!map64_next(map, &session->end_position, &id, &item)) {
      return true;
    }
    core_spend(engine, STEPS_OF_REFERENCE);
    session_remove(session, map, id);
    act(engine, session, id, item);
  }
  return false;
}

static bool run_phase(struct engine *engine, struct session *session) {
  switch ((enum end_phase)session->end_phase) {
    case END_UNACKNOWLEDGED:
      return core_revoke_unacknowledged(engine, session);
    case END_LOCKS:
      return each(engine, session, &session->locks, leave_lock);
    case END_PIPES:
      return each(engine, session, &session->ends, leave_pipe);
    case END_BARRIERS:
      return each(engine, session, &session->acting, leave_barrier);
    case END_RESERVATIONS:
      core_leave_reservations(engine, session, session->ends_clean);
      return true;
    case END_SEMAPHORES:
      return each(engine, session, &session->permits, leave_semaphore);
    case END_REFERENCES:
      return each(engine, session, &session->references, drop_references);
    case END_REPLIES:
      return each(engine, session, &session->window, release_reply);
    case END_CELLS:
      return each(engine, session, &session->cells, release_share);
    case END_PHASES:
      break;
  }
  return true;
}

/* true: all phases are over. */
static bool run_phases(struct engine *engine, struct session *session) {
  while (session->end_phase < END_PHASES) {
    if (!run_phase(engine, session)) {
      return false;
    }
    session->end_phase++;
    session->end_position = 0;
  }
  return true;
}

/* A reserved item finds its session by number, while that has one: none may be left when the session
 * is no longer there to be found. There are HF_RESERVATIONS_MAX at most. */
static void leave_reservations(struct engine *engine, struct session *session) {
  if (session->end_phase <= END_RESERVATIONS) {
    core_leave_reservations(engine, session, session->ends_clean);
  }
}

/* There is one for each request that may wait: no more than limits.h allows. */
static void end_waits(struct engine *engine, uint64_t now_ns, struct session *session) {
  struct waiter *waiter;
  while ((waiter = TAILQ_FIRST(&session->waiters))) {
    core_spend(engine, STEPS_OF_RUN);
    core_end_wait(engine, now_ns, waiter, HF_REASON_SESSION_ENDED);
  }
}

/* As an unadopted session, and as the parent of some. */
static void leave_forked(struct engine *engine, uint64_t now_ns, struct session *session) {
  struct session *forked;
  core_leave_parent(session);
  while ((forked = TAILQ_FIRST(&session->forked))) {
    core_leave_parent(forked);
    if (forked->process < 0 && !core_begin_grace(engine, now_ns, forked)) {
      core_end_session(engine, now_ns, forked, false);
    }
  }
}

void core_end_session(struct engine *engine, uint64_t now_ns, struct session *session, bool clean) {
  struct peer *peer = core_peer(engine, session->connection);
  if (peer) {
    peer->session = NULL;
    peer->session_ended = true;
  }
  session->ends_clean = clean;
  if (!clean) { /* first: later phases drop references and release cells */
    core_add_orphan(engine, session);
    session_retire_cells(session);
  }
  end_waits(engine, now_ns, session);
  leave_forked(engine, now_ns, session);
  bool is_over = run_phases(engine, session);
  leave_reservations(engine, session);
  core_forget_lost(engine, session);
  core_leave_peer_of(session);
  session->address->sessions--;
  address_release(&engine->addresses, session->address);
  user_leave_session(session->user);
  session->user = NULL;
  map64_remove(&engine->sessions, session->serial);
  core_forget_queue(engine, &session->flushers);
  core_forget_reads(engine, session);
  core_forget_process(engine, session);
  if (is_over) {
    session_free(session);
  } else {
    TAILQ_INSERT_TAIL(&engine->ending, session, lost_link);
  }
}

void core_go_on_ending(struct engine *engine) {
  struct session *session = TAILQ_FIRST(&engine->ending);
  TAILQ_REMOVE(&engine->ending, session, lost_link);
  if (run_phases(engine, session)) {
    session_free(session);
  } else {
    TAILQ_INSERT_TAIL(&engine->ending, session, lost_link);
  }
}
