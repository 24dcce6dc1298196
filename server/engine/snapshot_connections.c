/* Connections in a snapshot. */
#include "server/engine/snapshot_parts.h"

#include <stdlib.h>

static const struct snapshot_field peer_rows[] = {
    SNAPSHOT_FIELD(1, struct peer, id),
    SNAPSHOT_FIELD(2, struct peer, one_way),
    SNAPSHOT_FIELD(3, struct peer, session_ended),
    SNAPSHOT_FIELD(4, struct peer, fenced),
    SNAPSHOT_FIELD(7, struct peer, exceeds),
};
static const struct snapshot_fields peer_fields = SNAPSHOT_FIELDS(peer_rows);
enum { ADDRESS = 5, SESSIONS, USER = 8 };

void snapshot_connections(const struct engine *engine, struct snapshot_out *out) {
  size_t count;
  struct map64_slot *peers = snapshot_sorted(out, &engine->peers, &count);
  for (size_t i = 0; peers && i < count; i++) {
    const struct peer *peer = peers[i].value;
    const struct session *session;
    snapshot_put_fields(out, &peer_fields, peer);
    snapshot_put_number(out, ADDRESS, peer->address->number);
    snapshot_put_user(out, USER, peer->user);
    size_t opened = snapshot_open(out);
    TAILQ_FOREACH(session, &peer->sessions, peer_link) {
      snapshot_put_item(out, session->serial);
    }
    snapshot_close(out, SESSIONS, opened);
    snapshot_end_record(out, RECORD_CONNECTION);
  }
  free(peers);
}

struct reading_peer {
  struct restoring *restoring;
  struct peer *peer;
};

static bool read_peer_sessions(struct reading_peer *reading, const struct wire_field *field) {
  struct restoring *restoring = reading->restoring;
  struct peer *peer = reading->peer;
  struct wire_reader items = {0};
  uint64_t serial;
  while (snapshot_next_item(&restoring->in, field, &items, &serial)) {
    struct session *session = restore_find_session(restoring, serial);
    if (!session || session->peer) {
      return snapshot_fail(&restoring->in, "a session was bound to two connections last");
    }
    session->peer = peer;
    TAILQ_INSERT_TAIL(&peer->sessions, session, peer_link);
    peer->sessions_count++;
  }
  return !restoring->in.why;
}

static bool visit_peer(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct reading_peer *reading = ctx;
  (void)in;
  switch (field->number) {
    case ADDRESS:
      return restore_address(reading->restoring, field, &reading->peer->address);
    case SESSIONS:
      return read_peer_sessions(reading, field);
    case USER:
      return restore_find_user(reading->restoring, field, &reading->peer->user);
    default:
      return true;
  }
}

static void free_peer(struct engine *engine, struct peer *peer) {
  struct session *session;
  while ((session = TAILQ_FIRST(&peer->sessions))) {
    TAILQ_REMOVE(&peer->sessions, session, peer_link);
    session->peer = NULL;
  }
  if (peer->address) {
    address_release(&engine->addresses, peer->address);
  }
  free(peer);
}

bool restore_connection(struct restoring *restoring, struct bytes body) {
  struct engine *engine = restoring->engine;
  struct peer *peer = calloc(1, sizeof *peer);
  struct reading_peer reading = {restoring, peer};
  if (!peer) {
    return snapshot_lacks_memory(restoring);
  }
  TAILQ_INIT(&peer->waiters);
  TAILQ_INIT(&peer->sessions);
  bool is_read = snapshot_read(&restoring->in, body, &peer_fields, peer, visit_peer, &reading);
  bool is_good = is_read && peer->id && peer->address && !core_peer(engine, peer->id);
  if (!is_good || !map64_set(&engine->peers, peer->id, peer)) {
    free_peer(engine, peer);
    return snapshot_fail(&restoring->in, "a connection is broken, or there twice");
  }
  user_share(peer->user);
  if (peer->user && !peer->exceeds) {
    peer->user->connections++;
  }
  return true;
}
