#include "server/engine/restart.h"

#include "server/engine/lost_cells.h"
#include "server/engine/peers.h"
#include "server/engine/session_end.h"
#include "server/engine/sessions.h"
#include "server/engine/settle.h"
#include "server/engine/steps.h"

#include <stdlib.h>

static int compare(const void *one, const void *other) {
  uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
  return a < b ? -1 : a > b;
}

/* In order: a table has them in an order of its history. malloc; NULL: out of memory. */
static uint64_t *sort_keys(const struct map64 *map, size_t *count) {
  uint64_t position = 0, key;
  uint64_t *keys = malloc((map->count + 1) * sizeof *keys);
  void *value;
  *count = 0;
  while (keys && map64_next(map, &position, &key, &value)) {
    keys[(*count)++] = key;
  }
  if (keys) {
    qsort(keys, *count, sizeof *keys, compare);
  }
  return keys;
}

/* Nobody watches its process any more. One that was lost has its whole grace time again, from now on. */
static void restart_session(struct engine *engine, uint64_t now_ns, uint64_t serial) {
  struct session *session = map64_get(&engine->sessions, serial);
  if (!session) {
    return; /* another one's end was its end */
  }
  bool was_watched = session->process >= 0;
  bool is_orphan = session->is_unadopted && !session->parent && was_watched;
  session->process = was_watched ? PROCESS_HIDDEN : session->process;
  session->heard_ns = now_ns;
  if (session->is_lost) {
    core_forget_lost(engine, session);
  } else if (!is_orphan) {
    return;
  }
  if (!core_begin_grace(engine, now_ns, session)) {
    core_end_session(engine, now_ns, session, false);
  }
}

bool core_restart(struct engine *engine, uint64_t now_ns, const struct command *command) {
  size_t peers_count, sessions_count;
  uint64_t *peers = sort_keys(&engine->peers, &peers_count);
  uint64_t *sessions = sort_keys(&engine->sessions, &sessions_count);
  if (!peers || !sessions) {
    free(peers);
    free(sessions);
    return false;
  }
  core_begin_steps(engine);
  memory_refund(&engine->memory, MEMORY_RECLAIMED,
                engine->freeing_bytes); /* by the process's end */
  engine->freeing_bytes = 0;
  engine->config.start_ns = now_ns;
  engine->memory.max = command->memory_bytes_max;
  engine->crowding = (struct crowding){0};
  engine->draining = false;
  core_lose_cells(engine); /* before sessions end: none of them has mapped anything any more */
  for (size_t i = 0; i < sessions_count; i++) {
    restart_session(engine, now_ns, sessions[i]);
  }
  for (size_t i = 0; i < peers_count; i++) {
    core_remove_peer(engine, now_ns, peers[i]);
  }
  core_settle(engine, now_ns);
  free(peers);
  free(sessions);
  return true;
}
