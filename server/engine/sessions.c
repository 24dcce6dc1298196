/* Sessions lose their connection and come back. */
#include "server/engine/sessions.h"

#include "proto/base/clock.h"
#include "server/engine/cells.h"
#include "server/engine/ending.h"
#include "server/engine/forks.h"
#include "server/engine/run.h"
#include "server/engine/settle.h"

#include <string.h>

struct session *core_find_session(const struct engine *engine, struct bytes id) {
  uint64_t serial;
  memcpy(&serial, id.data, sizeof serial);
  struct session *session = serial ? map64_get(&engine->sessions, serial) : NULL;
  return session && memcmp(session->id, id.data, HF_SESSION_BYTES) == 0 ? session : NULL;
}

static void resume_waiters(struct engine *engine, uint64_t now_ns, struct session *session) {
  struct waiter *next, *waiter = TAILQ_FIRST(&session->waiters);
  for (; waiter; waiter = next) {
    next = TAILQ_NEXT(waiter, owner_link);
    if (!waiter->suspended) {
      continue;
    }
    waiter_resume(waiter);
    if (waiter->overdue) {
      waiter->overdue = false;
      core_time_out(engine, now_ns, waiter);
    } else {
      core_wake_waiter(engine, waiter);
    }
  }
}

void core_forget_lost(struct engine *engine, struct session *session) {
  if (session->is_lost) {
    session->is_lost = false;
    TAILQ_REMOVE(&engine->lost, session, lost_link);
    TAILQ_REMOVE(&session->address->lost, session, address_lost_link);
    timers_stop(&engine->timers, &session->timer);
  }
}

/* The waiters of a session answer nowhere until their requests are repeated. */
static void suspend_waiters(struct engine *engine, struct session *session) {
  struct waiter *waiter;
  TAILQ_FOREACH(waiter, &session->waiters, owner_link) {
    if (!waiter->suspended && !waiter->one_way) {
      struct peer *peer = core_peer(engine, waiter->connection);
      if (peer) {
        peer->parked--;
      }
      waiter->connection = 0;
      waiter_suspend(waiter);
      core_review_cells(engine, waiter->object);
    }
  }
}

static void unbind(struct engine *engine, struct session *session) {
  struct peer *peer = core_peer(engine, session->connection);
  if (peer) {
    peer->session = NULL;
  }
  session->connection = 0;
  suspend_waiters(engine, session);
}

void core_leave_peer_of(struct session *session) {
  if (session->peer) {
    TAILQ_REMOVE(&session->peer->sessions, session, peer_link);
    session->peer->sessions_count--;
    session->peer = NULL;
  }
}

void core_leave_peer(struct peer *peer) {
  struct session *session;
  while ((session = TAILQ_FIRST(&peer->sessions))) {
    core_leave_peer_of(session);
  }
}

/* The connection's last; its former ones that are too many end, the first first. */
static void join_peer(struct engine *engine, uint64_t now_ns, struct session *session,
                      struct peer *peer) {
  core_leave_peer_of(session);
  TAILQ_INSERT_TAIL(&peer->sessions, session, peer_link);
  session->peer = peer;
  if (++peer->sessions_count > HF_SESSIONS_OF_CONNECTION_MAX) {
    core_end_session(engine, now_ns, TAILQ_FIRST(&peer->sessions), false);
  }
}

void core_bind_session(struct engine *engine, uint64_t now_ns, struct session *session,
                       struct peer *peer) {
  if (peer->session && peer->session != session) {
    core_lose_session(engine, now_ns, peer->session);
  }
  struct peer *former = core_peer(engine, session->connection);
  if (former && former != peer) {
    unbind(engine, session); /* without a grace time, which might find no memory for its timer */
    former->fenced = true;
    engine->sink.close(engine->sink.ctx, former->id);
  }
  core_forget_lost(engine, session);
  core_claim_forked(session);
  session->connection = peer->id;
  peer->session = session;
  peer->session_ended = false;
  join_peer(engine, now_ns, session, peer);
  resume_waiters(engine, now_ns, session);
}

void core_begin_grace(struct engine *engine, uint64_t now_ns, struct session *session) {
  uint64_t deadline_ns = clock_deadline_ns(now_ns, session->grace_ms);
  session->is_lost = true;
  TAILQ_INSERT_TAIL(&engine->lost, session, lost_link);
  TAILQ_INSERT_TAIL(&session->address->lost, session, address_lost_link);
  if (!timers_start(&engine->timers, &session->timer, deadline_ns)) {
    core_end_session(engine, now_ns, session, false);
  } else if (session->process >= 0) {
    engine->sink.watch_process(engine->sink.ctx, session->process, session->serial);
  }
}

void core_lose_session(struct engine *engine, uint64_t now_ns, struct session *session) {
  unbind(engine, session);
  core_nudge_cells_of(engine, now_ns, session);
  core_begin_grace(engine, now_ns, session);
}

void core_forget_process(struct engine *engine, struct session *session) {
  if (session->process >= 0) {
    engine->sink.forget_process(engine->sink.ctx, session->process, session->serial);
  }
}

void core_locate_session(const struct call *call, struct session *session, uint64_t id) {
  bool is_known = session->process >= 0 && session->process_id == id;
  if (*call->process == 0 || is_known) {
    return;
  }
  core_forget_process(call->engine, session);
  session->process = *call->process;
  session->process_id = id;
  *call->process = 0;
}
