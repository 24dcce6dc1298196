/* Values and arrays in shared memory: locks and changes. */
#include "server/engine/cells.h"

#include "proto/base/clock.h"
#include "server/engine/command.h"
#include "server/engine/elements.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/rights.h"
#include "server/engine/wake.h"

#include <stdlib.h>

struct cells *core_cells(struct object *object) {
  return object->row->has_cells ? &object->cells : NULL;
}

bool core_is_lost_cell(const struct object *object) {
  return object->row->has_cells && object->cells.is_lost;
}

void core_drop_lost_elements(struct object *object) {
  if (core_is_lost_cell(object)) {
    free(object->cells.elements);
    object->cells.elements = NULL;
  }
}

/* Those in shared memory; else NULL. */
static struct cells *shared_cells(struct object *object) {
  struct cells *cells = object ? core_cells(object) : NULL;
  return cells && cells->share ? cells : NULL;
}

/* What the engine knows of a shared cell is not what it was: a read that finds that out has done more than
 * to read, see reads.h. */
static void touch(struct engine *engine) {
  engine->has_touched_cells = true;
}

/* ---- sharing */

bool core_may_share_cells(const struct engine *engine, const struct session *session,
                          const struct object *object) {
  bool has_lock = object->row->lock != NULL;
  bool is_near = session && session->process != PROCESS_ELSEWHERE;
  bool may_change = !core_is_logged(engine) || object->cells.is_volatile;
  return is_near && may_change && !object->cells.is_lost && (!has_lock || session->process >= 0) &&
         rights_allow(rights_of(session->user, session, object), ACCESS_READ | ACCESS_WRITE);
}

struct cell_share *core_new_share(struct engine *engine, const struct object *object) {
  size_t bytes = object->cells.count * cell_element_bytes(object->cells.typecode);
  if (core_check_memory(engine, bytes)) {
    return NULL;
  }
  return cell_share_new(engine->config.cell_host, &engine->memory, object->user, bytes, object->id);
}

void core_share_fresh_cells(struct engine *engine, struct object *object) {
  struct cell_share *share = core_new_share(engine, object);
  if (share) {
    free(core_install_share(engine, object, share));
  }
}

void *core_install_share(struct engine *engine, struct object *object, struct cell_share *share) {
  struct cells *cells = &object->cells;
  void *elements = cells->elements;
  cells->elements = NULL;
  cells->share = share;
  engine->shared_cells++;
  registry_account(&engine->registry, object);
  if (cells->lock.depth > 0) {
    cells->lock_state = CELL_SERVER;
    share->host->request_lock(share->host->ctx, &share->location);
  }
  return elements;
}

bool core_attach_cells(const struct engine *engine, struct session *session,
                       struct object *object) {
  struct cells *cells = shared_cells(object);
  if (!cells || !map64_get(&session->references, object->id)) {
    return false;
  }
  if (map64_get(&session->cells, object->id)) {
    return true;
  }
  if (core_check_entry(engine, &session->cells) ||
      !session_set(session, &session->cells, object->id, cells->share)) {
    return false;
  }
  cell_share_acquire(cells->share);
  return true;
}

void core_forget_cells(struct engine *engine, struct object *object) {
  struct cells *cells = shared_cells(object);
  if (!cells) {
    return;
  }
  if (cells->listed) {
    TAILQ_REMOVE(&engine->reviewed, object, cells.review_link);
  }
  engine->shared_cells--;
  timers_stop(&engine->timers, &cells->timer);
  core_wake(engine, &object->waits[WAIT_CHANGE]);
  cells->share->host->end(cells->share->host->ctx, &cells->share->location);
  cell_share_release(cells->share); /* here and not by the reclaimer: counts are the engine's */
  cells->share = NULL;
}

/* ---- the lock */

static bool is_owned_locally(const struct cells *cells) {
  const struct cell_share *share = cells->share;
  return share->host->is_locked(share->host->ctx, &share->location);
}

bool core_is_locked_locally(struct engine *engine, struct object *object) {
  struct cells *cells = shared_cells(object);
  bool is_locked = cells && cells->lock_state != CELL_SERVER && is_owned_locally(cells);
  if (is_locked && !cells->was_locked) {
    cells->was_locked = true;
    touch(engine);
  }
  return is_locked;
}

/* Re-arms the timer if the new deadline is earlier. */
static hf_reason retry_in(struct engine *engine, uint64_t now_ns, struct cells *cells,
                          uint64_t delay_ms) {
  uint64_t deadline_ns = clock_deadline_ns(now_ns, delay_ms);
  bool is_due = cells->timer.position > 0 && cells->timer.deadline_ns <= deadline_ns;
  return is_due || timers_restart(&engine->timers, &cells->timer, deadline_ns)
             ? HF_REASON_NONE
             : HF_REASON_NO_MEMORY;
}

static void request_lock(struct engine *engine, struct object *object) {
  struct cells *cells = &object->cells;
  const struct cell_share *share = cells->share;
  if (cells->lock_state == CELL_CLIENTS) {
    cells->lock_state = CELL_REQUESTED;
    cells->retry_ms = HF_CELL_RETRY_MS_MIN;
    share->host->request_lock(share->host->ctx, &share->location);
  }
  core_review_cells(engine, object);
}

void core_add_orphan(struct engine *engine, const struct session *session) {
  const struct cell_host *host = engine->config.cell_host;
  if (host && session->process >= 0 && session->process_id != 0 && session->cells.count > 0) {
    host->add_orphan(host->ctx, session->process_id);
  }
}

/* The processes of sessions that may have mapped the cell: first the one that had the lock when it was
 * validated last. */
struct owners_walk {
  struct cell_owners owners;
  const struct engine *engine;
  const struct object *object;
  bool has_begun;
  uint64_t serial; /* of the session that was answered last */
  uint64_t position;
};

static bool may_have_mapped(const struct session *session, const struct object *object) {
  return session && map64_get(&session->cells, object->id);
}

static bool next_owner(struct cell_owners *owners, uint64_t *process) {
  struct owners_walk *walk = (struct owners_walk *)owners;
  const struct session *session = NULL;
  void *next;
  if (!walk->has_begun) {
    walk->has_begun = true;
    walk->serial = walk->object->cells.owner_session;
    session = map64_get(&walk->engine->sessions, walk->serial);
  }
  while (!may_have_mapped(session, walk->object)) {
    if (!map64_next(&walk->engine->sessions, &walk->position, &walk->serial, &next)) {
      return false;
    }
    session = next;
  }
  *process = session->process_id;
  return true;
}

/* Raw kinds have no mutex, whatever their memory says. */
static void validate_owner(struct engine *engine, uint64_t now_ns, struct object *object) {
  struct cells *cells = &object->cells;
  const struct cell_share *share = cells->share;
  if (cells->lock_state == CELL_SERVER || now_ns < cells->validate_ns || !object_lock(object) ||
      !is_owned_locally(cells)) {
    return;
  }
  cells->validate_ns = clock_deadline_ns(now_ns, HF_CELL_RETRY_MS_MAX);
  touch(engine);
  struct owners_walk walk = {.owners = {next_owner}, .engine = engine, .object = object};
  if (!share->host->validate_owner(share->host->ctx, &share->location, &walk.owners)) {
    cells->owner_session = walk.serial;
  }
}

/* Wakes all waiters once the lock is the server's: the request that found the lock free may not be the
 * first in the queue, and the lock is not checked any more. */
static bool try_acquire(struct engine *engine, struct object *object) {
  struct cells *cells = &object->cells;
  const struct cell_share *share = cells->share;
  if (cells->lock_state == CELL_REQUESTED &&
      share->host->acquire_lock(share->host->ctx, &share->location)) {
    cells->lock_state = CELL_SERVER;
    core_wake(engine, &object->waits[WAIT_LOCK]);
  }
  return cells->lock_state == CELL_SERVER;
}

hf_reason core_acquire_cells(struct engine *engine, uint64_t now_ns, struct object *object) {
  struct cells *cells = shared_cells(object);
  if (!cells) {
    return HF_REASON_NONE;
  }
  bool is_requested = cells->lock_state == CELL_REQUESTED;
  request_lock(engine, object);
  validate_owner(engine, now_ns, object);
  if (try_acquire(engine, object)) {
    engine->has_touched_cells |= is_requested; /* else all is as before, once it is returned */
    return HF_REASON_NONE;
  }
  touch(engine);
  cells->was_locked = true;
  return retry_in(engine, now_ns, cells, cells->retry_ms) ? HF_REASON_NO_MEMORY
                                                          : HF_REASON_LOCK_HELD;
}

hf_reason core_take_cells_over(struct engine *engine, const struct session *session,
                               struct object *object) {
  struct cells *cells = shared_cells(object);
  if (!cells || cells->lock.depth > 0 || cells->lock_state == CELL_SERVER ||
      !may_have_mapped(session, object)) {
    return HF_REASON_NOT_OWNER;
  }
  const struct cell_share *share = cells->share;
  if (!share->host->is_locked_by(share->host->ctx, &share->location, session->process_id)) {
    return HF_REASON_NOT_OWNER;
  }
  request_lock(engine, object);
  cells->lock_state = CELL_SERVER; /* the owner unlocks the mutex when it has the grant */
  return HF_REASON_NONE;
}

bool core_take_cells_death(struct object *object) {
  const struct cells *cells = shared_cells(object);
  const struct cell_share *share = cells ? cells->share : NULL;
  return share && share->host->take_death(share->host->ctx, &share->location);
}

void core_review_cells(struct engine *engine, struct object *object) {
  struct cells *cells = shared_cells(object);
  if (cells && !cells->listed) {
    cells->listed = true;
    TAILQ_INSERT_TAIL(&engine->reviewed, object, cells.review_link);
  }
}

/* A grant of the server's may have died with its session: the next owner may be a local thread. */
static void return_lock(struct cells *cells) {
  const struct cell_share *share = cells->share;
  bool owner_died = cells->lock.owner_died;
  cells->lock.owner_died = false;
  cells->lock_state = CELL_CLIENTS;
  cells->retry_ms = 0;
  share->host->return_lock(share->host->ctx, &share->location, owner_died);
}

static void review(struct object *object) {
  struct cells *cells = &object->cells;
  const struct cell_share *share = cells->share;
  bool is_wanted = cells->lock.depth > 0 || object->waits[WAIT_LOCK].count > 0;
  if (cells->lock_state != CELL_CLIENTS && !is_wanted) {
    return_lock(cells);
  }
  if (object->waits[WAIT_CHANGE].count == 0) {
    share->host->unwatch(share->host->ctx, &share->location);
  }
}

void core_settle_cells(struct engine *engine) {
  struct object *object;
  while ((object = TAILQ_FIRST(&engine->reviewed))) {
    TAILQ_REMOVE(&engine->reviewed, object, cells.review_link);
    object->cells.listed = false;
    review(object);
  }
}

/* ---- changes
 *
 * Waiters know different values, as each has read the value at another time. `seen` is the value of the
 * last read; is_changed: that read found a change which the other waiters have not been woken for. They
 * are woken by the next check and not at once: a value may change all the time, and the server would do
 * nothing else. */

static uint64_t read_bits(const struct cells *cells) {
  return cells->count > 0 ? elements_bits(cells, 0) : 0;
}

struct value core_watch_value(struct engine *engine, struct object *object) {
  struct cells *cells = shared_cells(object);
  if (!cells) {
    return elements_value(&object->cells, 0);
  }
  cells->share->host->watch(cells->share->host->ctx, &cells->share->location);
  core_review_cells(engine, object);
  uint64_t bits = read_bits(cells);
  cells->is_changed |= bits != cells->seen && object->waits[WAIT_CHANGE].count > 0;
  cells->seen = bits;
  return cell_value(cell_type_of(cells->typecode), bits);
}

/* For all waiters. */
static bool has_changed(struct cells *cells) {
  uint64_t bits = read_bits(cells);
  bool is_unlocked = cells->was_locked && !is_owned_locally(cells);
  bool changed = cells->is_changed || bits != cells->seen || is_unlocked;
  cells->seen = bits;
  cells->is_changed = false;
  cells->was_locked &= !is_unlocked;
  return changed;
}

void core_cells_changed(struct engine *engine, struct object *object) {
  struct cells *cells = shared_cells(object);
  core_wake(engine, &object->waits[WAIT_CHANGE]);
  if (cells) {
    (void)has_changed(cells); /* all waiters are woken anyway */
    cells->share->host->changed(cells->share->host->ctx, &cells->share->location);
  }
}

hf_reason core_watch_cells(struct engine *engine, uint64_t now_ns, struct object *object) {
  struct cells *cells = shared_cells(object);
  return cells ? retry_in(engine, now_ns, cells, HF_CELL_POLL_MS) : HF_REASON_NONE;
}

void core_check_cells(struct engine *engine, uint64_t now_ns, struct object *object) {
  struct cells *cells = shared_cells(object);
  if (!cells) {
    return;
  }
  touch(engine);
  validate_owner(engine, now_ns, object);
  (void)try_acquire(engine, object);
  if (object->waits[WAIT_CHANGE].count > 0 && has_changed(cells)) {
    core_wake(engine, &object->waits[WAIT_CHANGE]);
  }
  core_review_cells(engine, object);
}

void core_check_cells_of(struct engine *engine, uint64_t now_ns, struct session *session) {
  uint64_t position = 0, id;
  void *share;
  while (map64_next(&session->cells, &position, &id, &share)) {
    struct object *object = registry_find(&engine->registry, id);
    if (object && (object->waits[WAIT_LOCK].count > 0 || object->waits[WAIT_CHANGE].count > 0)) {
      core_check_cells(engine, now_ns, object);
    }
  }
}

void core_cells_due(struct engine *engine, uint64_t now_ns, struct object *object) {
  struct cells *cells = &object->cells;
  core_check_cells(engine, now_ns, object);
  if (object->waits[WAIT_CHANGE].count > 0) { /* the timer just ended: there is room for it */
    (void)retry_in(engine, now_ns, cells, HF_CELL_POLL_MS);
  }
  if (cells->lock_state == CELL_REQUESTED && object->waits[WAIT_LOCK].count > 0) {
    uint64_t next_ms = 2 * cells->retry_ms;
    cells->retry_ms = next_ms < HF_CELL_RETRY_MS_MAX ? next_ms : HF_CELL_RETRY_MS_MAX;
    (void)retry_in(engine, now_ns, cells, cells->retry_ms);
  }
}
