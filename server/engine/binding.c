#include "server/engine/binding.h"

#include "server/engine/cells.h"
#include "server/engine/quota.h"
#include "server/engine/run.h"
#include "server/engine/session_end.h"
#include "server/engine/sessions.h"
#include "server/engine/wake.h"

hf_reason core_count_peer(struct engine *engine, struct peer *peer) {
  hf_reason reason = quota_check_connections(engine, peer->user);
  peer->exceeds = reason != HF_REASON_NONE;
  if (peer->user && !peer->exceeds) {
    peer->user->connections++;
  }
  return reason;
}

void core_uncount_peer(struct peer *peer) {
  if (peer->user && !peer->exceeds) {
    peer->user->connections--;
    peer->exceeds = true;
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
      waiter_set_suspended(waiter, true);
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

void core_lose_session(struct engine *engine, uint64_t now_ns, struct session *session) {
  unbind(engine, session);
  core_check_cells_of(engine, now_ns, session);
  if (!core_begin_grace(engine, now_ns, session)) {
    core_end_session(engine, now_ns, session, false);
  }
}

static void resume_waiters(struct engine *engine, uint64_t now_ns, struct session *session) {
  struct waiter *next, *waiter = TAILQ_FIRST(&session->waiters);
  for (; waiter; waiter = next) {
    next = TAILQ_NEXT(waiter, owner_link);
    if (!waiter->suspended) {
      continue;
    }
    waiter_set_suspended(waiter, false);
    if (waiter->overdue) {
      waiter->overdue = false;
      core_time_out(engine, now_ns, waiter);
    } else {
      core_wake_waiter(engine, waiter);
    }
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
    core_uncount_peer(former);
    engine->sink.close(engine->sink.ctx, former->id);
  }
  if (peer->exceeds) {
    (void)core_count_peer(engine, peer); /* it may take the place of the former */
  }
  core_forget_lost(engine, session);
  core_adopt_forked(session);
  session->connection = peer->id;
  peer->session = session;
  peer->session_ended = false;
  join_peer(engine, now_ns, session, peer);
  resume_waiters(engine, now_ns, session);
}
