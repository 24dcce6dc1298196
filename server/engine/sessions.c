/* What connections, processes and other sessions know of a session. */
#include "server/engine/sessions.h"

#include "proto/base/clock.h"
#include "proto/limits.h"

#include <string.h>

struct session *core_find_session(const struct engine *engine, struct bytes id) {
  uint64_t serial;
  memcpy(&serial, id.data, sizeof serial);
  struct session *session = serial ? map64_get(&engine->sessions, serial) : NULL;
  return session && memcmp(session->id, id.data, HF_SESSION_BYTES) == 0 ? session : NULL;
}

/* An odd number, which spreads ids over all positions. */
#define SWEEP_MULTIPLIER UINT64_C(0x9e3779b97f4a7c15)

void core_sweep(struct engine *engine, struct session *session, struct map64 *table,
                const struct object *added) {
  uint64_t position = added->id * SWEEP_MULTIPLIER, id;
  void *item;
  for (unsigned i = 0; i < 2; i++) {
    if (!map64_next(table, &position, &id, &item)) {
      position = 0;
    } else if (!registry_find(&engine->registry, id)) {
      session_remove(session, table, id);
    }
  }
}

hf_reason core_check_object_entry(struct engine *engine, struct session *session,
                                  struct map64 *table, const struct object *object) {
  if (map64_get(table, object->id)) {
    return HF_REASON_NONE;
  }
  core_sweep(engine, session, table, object);
  return core_check_entry(engine, table);
}

void core_forget_lost(struct engine *engine, struct session *session) {
  if (session->is_lost) {
    session->is_lost = false;
    TAILQ_REMOVE(&engine->lost, session, lost_link);
    TAILQ_REMOVE(&session->address->lost, session, address_lost_link);
    timers_stop(&engine->timers, &session->timer);
  }
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

/* How long peers have stood in line, all in all. */
static uint64_t crowded_ns(const struct engine *engine, uint64_t now_ns) {
  const struct crowding *crowding = &engine->crowding;
  bool is_crowded = crowding->since_ns != 0 && crowding->since_ns < now_ns;
  return crowding->total_ns + (is_crowded ? now_ns - crowding->since_ns : 0);
}

void core_set_crowded(struct engine *engine, uint64_t now_ns, bool is_crowded) {
  engine->crowding.total_ns = crowded_ns(engine, now_ns);
  engine->crowding.since_ns = is_crowded ? now_ns : 0;
}

bool core_extend_grace(struct engine *engine, uint64_t now_ns, struct session *session) {
  const uint64_t extended_ns_max = HF_GRACE_HELD_MS_MAX * CLOCK_NS_PER_MS;
  uint64_t crowded = crowded_ns(engine, now_ns);
  uint64_t more_ns = crowded > session->crowded_ns ? crowded - session->crowded_ns : 0;
  uint64_t left_ns =
      extended_ns_max > session->extended_ns ? extended_ns_max - session->extended_ns : 0;
  more_ns = more_ns < left_ns ? more_ns : left_ns;
  if (more_ns == 0 || !timers_start(&engine->timers, &session->timer, now_ns + more_ns)) {
    return false;
  }
  session->extended_ns += more_ns;
  session->crowded_ns = crowded;
  return true;
}

bool core_begin_grace(struct engine *engine, uint64_t now_ns, struct session *session) {
  uint64_t deadline_ns = clock_deadline_ns(now_ns, session->grace_ms);
  session->is_lost = true;
  session->extended_ns = 0;
  session->crowded_ns = crowded_ns(engine, now_ns);
  TAILQ_INSERT_TAIL(&engine->lost, session, lost_link);
  TAILQ_INSERT_TAIL(&session->address->lost, session, address_lost_link);
  if (!timers_start(&engine->timers, &session->timer, deadline_ns)) {
    return false;
  }
  if (session->process >= 0) {
    engine->sink.watch_process(engine->sink.ctx, session->process, session->serial);
  }
  return true;
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

void core_leave_parent(struct session *forked) {
  if (forked->parent) {
    TAILQ_REMOVE(&forked->parent->forked, forked, sibling_link);
    forked->parent->forked_count--;
    forked->parent = NULL;
  }
}

void core_adopt_forked(struct session *session) {
  session->is_unadopted = false;
  core_leave_parent(session);
}

void core_forget_reads(struct engine *engine, struct session *session) {
  if (session->heard.requests > 0) {
    TAILQ_REMOVE(&engine->heard_sessions, session, heard_link);
    session->heard.requests = 0;
  }
}
