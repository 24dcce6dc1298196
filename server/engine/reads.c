#include "server/engine/reads.h"

#include "server/engine/sessions.h"
#include "server/engine/settle.h"

/* Of the connection, if the request names no other. */
static bool is_of_connection(const struct peer *peer, const Holdfast__Request *message) {
  struct bytes id = bytes_of(message->session.data, message->session.len);
  const struct session *session = peer->session;
  return id.len == 0 || (session && bytes_equal(id, bytes_of(session->id, HF_SESSION_BYTES)));
}

/* A number makes it possible to see whether something was kept for it. */
static bool is_numbered(const struct peer *peer, const Holdfast__Request *message) {
  return !peer->session || message->sequence != 0;
}

static bool is_plain_peer(const struct peer *peer) {
  bool is_counted = peer && peer->user && peer->user->settings.limits.requests_per_s != 0;
  return peer && !peer->one_way && !peer->fenced && !peer->exceeds && !peer->session_ended &&
         !is_counted;
}

bool core_may_only_read(const struct engine *engine, uint64_t now_ns,
                        const struct engine_request *request) {
  const struct operation *operation = request->operation;
  const Holdfast__Request *message = request->message;
  const struct peer *peer = core_peer(engine, request->connection);
  if (!message || !operation || !is_plain_peer(peer) || engine->draining) {
    return false;
  }
  bool is_read = operation->effect == EFFECT_NONE && operation->repeat == REPEAT_AGAIN;
  return is_read && message->n_acked_also == 0 && is_of_connection(peer, message) &&
         is_numbered(peer, message) && !core_has_work(engine) &&
         timers_next_deadline_ns(&engine->timers) > now_ns;
}

void core_record_heard(struct engine *engine, struct session *session) {
  struct heard *heard = session ? &session->heard : &engine->heard;
  if (session && heard->requests == 0) {
    TAILQ_INSERT_TAIL(&engine->heard_sessions, session, heard_link);
  }
  heard->requests++;
  heard->session = session ? session->serial : 0;
  heard->acked = session ? session->acked : 0;
  heard->highest = session ? session->highest : 0;
  heard->heard_ns = engine->now_ns;
}

bool core_record_read(struct engine *engine, const struct engine_request *request,
                      uint64_t waiting) {
  const struct peer *peer = core_peer(engine, request->connection);
  struct session *session = peer->session;
  bool is_kept = session && session_find_reply(session, request->message->sequence);
  if (engine->waiting != waiting || is_kept || core_has_work(engine) || engine->has_touched_cells) {
    return false;
  }
  core_record_heard(engine, session);
  return true;
}

bool engine_next_heard(struct engine *engine, struct heard *heard) {
  struct session *session = TAILQ_FIRST(&engine->heard_sessions);
  struct heard *next = session ? &session->heard : &engine->heard;
  *heard = *next;
  if (session) {
    core_forget_reads(engine, session);
  }
  next->requests = 0;
  return heard->requests > 0;
}

void core_hear(struct engine *engine, const struct heard *heard) {
  struct session *session = heard->session ? map64_get(&engine->sessions, heard->session) : NULL;
  engine->requests += heard->requests;
  if (session) {
    (void)session_record_sequence(session,
                                  heard->highest); /* first: nothing above it is acknowledged */
    session_acknowledge(session, heard->acked, NULL, 0);
    session->heard_ns = heard->heard_ns;
  }
}

bool engine_has_only_read(const struct engine *engine) {
  return engine->has_only_read;
}

uint64_t engine_read_index(const struct engine *engine) {
  return engine->read_index;
}
