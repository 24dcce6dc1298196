/* Sessions of forked children: a child inherits its parent's references, mapped cells and ends of pipes, whatever
 * the parent does after the fork.
 *
 *   parent          ForkSession                 fork         ForkSession with the process
 *   child's session  unadopted, a copy of the    |             unadopted, its process watched
 *                    parent's references         v
 *   child                                       ...           ResumeSession: a session like others
 *
 * An unadopted session ends with its process if the server can watch that. Otherwise it lives as long as
 * its parent's session, and then for its grace time. It has references, mapped cells and ends of pipes only: locks
 * and reservations stay the parent's.
 *
 * layer engine
 */
#include "server/engine/forks.h"

#include "server/engine/quota.h"
#include "server/engine/session_end.h"
#include "server/engine/sessions.h"
#include "server/engine/steps.h"

#include <string.h>

static hf_reason check_room(struct engine *engine, const struct session *parent) {
  size_t count = parent->references.count + parent->ends.count;
  if (engine->sessions.count >= HF_SESSIONS_MAX || parent->forked_count >= HF_FORKED_SESSIONS_MAX) {
    return HF_REASON_SESSIONS_FULL;
  }
  if (parent->address->sessions >= HF_SESSIONS_OF_ADDRESS_MAX) {
    return HF_REASON_SESSIONS_FULL;
  }
  hf_reason reason = quota_check_sessions(engine, parent->user);
  if (reason) {
    return reason;
  }
  if (count > HF_INHERITED_MAX) {
    return HF_REASON_MEMORY_FULL;
  }
  return core_check_memory(engine,
                           sizeof *parent + (count + parent->cells.count) * MAP64_ENTRY_BYTES);
}

static bool inherit_references(struct engine *engine, const struct session *parent,
                               struct session *child) {
  uint64_t position = 0, id;
  void *entry;
  while (map64_next(&parent->references, &position, &id, &entry)) {
    struct object *object = registry_find(&engine->registry, id);
    if (object && !session_set(child, &child->references, id, entry)) {
      return false;
    }
    if (object) {
      object->references += reference_count(entry);
    }
  }
  return true;
}

/* The child has them mapped, those of deleted objects too: it may store there until it knows. */
static bool inherit_cells(const struct session *parent, struct session *child) {
  uint64_t position = 0, id;
  void *share;
  while (map64_next(&parent->cells, &position, &id, &share)) {
    if (!session_set(child, &child->cells, id, share)) {
      return false;
    }
    cell_share_acquire(share);
  }
  return true;
}

static bool inherit_pipes(struct engine *engine, const struct session *parent,
                          struct session *child) {
  uint64_t position = 0, id;
  void *bits;
  while (map64_next(&parent->ends, &position, &id, &bits)) {
    struct object *object = registry_find(&engine->registry, id);
    if (object && !session_set(child, &child->ends, id, bits)) {
      return false;
    }
    for (unsigned end = 0; object && end < 2; end++) {
      object->pipe.attached[end] += ((uintptr_t)bits >> end) & 1;
    }
  }
  return true;
}

hf_reason core_fork_session(struct engine *engine, struct session *parent, struct bytes id) {
  uint64_t serial;
  hf_reason reason = check_room(engine, parent);
  memcpy(&serial, id.data, sizeof serial);
  if (reason) {
    return reason;
  }
  if (serial == 0 || map64_get(&engine->sessions, serial)) {
    return HF_REASON_BAD_SESSION;
  }
  struct session *child = session_new(id.data, parent->grace_ms, parent->client,
                                      &engine->config.hash_key, &engine->memory);
  if (!child) {
    return HF_REASON_NO_MEMORY;
  }
  value_retain(child->client);
  if (!map64_set(&engine->sessions, serial, child)) {
    session_free(child);
    return HF_REASON_NO_MEMORY;
  }
  child->number = ++engine->next_session_number;
  child->address = address_share(parent->address);
  child->address->sessions++;
  child->user = user_enter_session(parent->user);
  child->is_unadopted = true;
  child->parent = parent;
  TAILQ_INSERT_TAIL(&parent->forked, child, sibling_link);
  parent->forked_count++;
  core_spend(engine, parent->references.count + parent->cells.count + parent->ends.count);
  if (!inherit_references(engine, parent, child) || !inherit_cells(parent, child) ||
      !inherit_pipes(engine, parent, child)) {
    core_end_session(engine, engine->now_ns, child, true);
    return HF_REASON_NO_MEMORY;
  }
  return HF_REASON_NONE;
}

void core_end_unadopted(struct engine *engine, struct session *parent, uint64_t serial) {
  struct session *forked = serial ? map64_get(&engine->sessions, serial) : NULL;
  if (forked && forked->is_unadopted && forked->parent == parent) {
    core_end_session(engine, engine->now_ns, forked, true);
  }
}

void core_locate_forked(const struct call *call, struct session *forked, uint64_t process) {
  const struct engine *engine = call->engine;
  core_locate_session(call, forked, process);
  if (forked->process >= 0) {
    engine->sink.watch_process(engine->sink.ctx, forked->process, forked->serial);
  }
}
