/* Values and arrays in shared memory: whose lock it is, who waits, who may look. */
#include "server/engine/cells.h"

#include "proto/base/clock.h"
#include "proto/cell.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/settle.h"

#include <stdlib.h>
#include <string.h>

struct cells *core_cells(struct object *object) {
  return kind_of(object)->has_cells ? &object->cells : NULL;
}

/* Those in shared memory; else NULL. */
static struct cells *shared_cells(struct object *object) {
  struct cells *cells = object ? core_cells(object) : NULL;
  return cells && cells->share ? cells : NULL;
}

static struct cell_header *header_of(const struct cells *cells) {
  return cell_share_header(cells->share);
}

/* ---- sharing */

bool core_may_share_cells(const struct session *session, Holdfast__Kind kind) {
  bool has_lock = kinds[kind]->lock != NULL;
  return session && session->process != PROCESS_ELSEWHERE && (!has_lock || session->process >= 0);
}

struct cell_share *core_new_share(struct engine *engine, const struct object *object) {
  size_t bytes = object->cells.count * cell_element_bytes(object->cells.typecode);
  if (!core_has_room(engine, bytes)) {
    return NULL;
  }
  return cell_share_new(&engine->config.segments, &engine->memory, bytes, object->id);
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
  cells->elements = cell_share_elements(share);
  cells->share = share;
  engine->shared_cells++;
  registry_account(&engine->registry, object);
  if (cells->lock.depth > 0) {
    cells->claim = CELL_SERVER;
    atomic_store(&header_of(cells)->remote, 1);
  }
  return elements;
}

bool core_attach_cells(const struct engine *engine, struct session *session,
                       struct object *object) {
  struct cells *cells = shared_cells(object);
  if (!cells || !map64_get(&session->holds, object->id)) {
    return false;
  }
  if (map64_get(&session->cells, object->id)) {
    return true;
  }
  if (!core_may_note(engine, &session->cells) ||
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
  atomic_store(&header_of(cells)->owner, 0);
  core_cells_changed(engine, object);
  cell_share_release(cells->share); /* here and not by the reclaimer: counts are the engine's */
  cells->share = NULL;
  cells->elements = NULL;
}

/* ---- the lock */

static bool is_held_locally(const struct cells *cells) {
  return atomic_load(&header_of(cells)->word) & CELL_WORD_THREAD;
}

bool core_is_locked_locally(struct object *object) {
  struct cells *cells = shared_cells(object);
  bool is_locked = cells && cells->claim != CELL_SERVER && is_held_locally(cells);
  if (is_locked) {
    cells->was_locked = true;
  }
  return is_locked;
}

/* It may be woken earlier than by what it runs for already. */
static hf_reason look_in(struct engine *engine, uint64_t now_ns, struct cells *cells,
                         uint64_t delay_ms) {
  uint64_t deadline_ns = clock_deadline_ns(now_ns, delay_ms);
  bool is_due = cells->timer.position > 0 && cells->timer.deadline_ns <= deadline_ns;
  return is_due || timers_restart(&engine->timers, &cells->timer, deadline_ns)
             ? HF_REASON_NONE
             : HF_REASON_NO_MEMORY;
}

/* Whoever locks the mutex from now on sees it, and comes here. */
static void want(struct engine *engine, struct object *object) {
  struct cells *cells = &object->cells;
  if (cells->claim == CELL_CLIENTS) {
    cells->claim = CELL_WANTED;
    cells->retry_ms = HF_CELL_RETRY_MS_MIN;
    atomic_store(&header_of(cells)->remote, 1);
  }
  core_review_cells(engine, object);
}

/* Makes CELL_DIED of what the word says of a death. Whether no thread has the mutex.
 *
 * The word and the flags can't be read at once, and a local thread may be taking the mutex over
 * from the dead one. So CELL_TOLD comes first: from then on that thread leaves the flag alone, and
 * whoever takes CELL_TOLD away has seen a death that is now ours to tell. */
static bool note_death(struct cell_header *header) {
  bool is_known = atomic_fetch_or(&header->flags, CELL_TOLD) & CELL_TOLD;
  uint32_t word = atomic_load(&header->word);
  bool is_free = !(word & CELL_WORD_THREAD);
  bool says_so = is_free && (word & CELL_WORD_DIED);
  if (!is_known &&
      (says_so || !(atomic_fetch_and(&header->flags, ~(uint32_t)CELL_TOLD) & CELL_TOLD))) {
    atomic_fetch_or(&header->flags, CELL_DIED);
  }
  return is_free;
}

static bool process_has(const struct engine *engine, uint64_t process, uint64_t thread) {
  return engine->sink.has_thread(engine->sink.ctx, process, (uint32_t)thread);
}

/* A process that still lives, whose session was lost or had to make room, may not know: its threads
 * lock and unlock as before. */
static void forget_gone_strays(struct engine *engine) {
  uint64_t position = 0, process;
  void *unused;
  while (map64_next(&engine->strays, &position, &process, &unused)) {
    if (!process_has(engine, process, process)) {
      map64_remove(&engine->strays, process);
      position = 0; /* the table has changed */
    }
  }
}

void core_note_stray(struct engine *engine, const struct session *session) {
  bool may_live = session->process >= 0 && session->process_id != 0 && session->cells.count > 0;
  if (!may_live || !engine->sink.has_thread) {
    return;
  }
  forget_gone_strays(engine);
  if (process_has(engine, session->process_id, session->process_id) &&
      !map64_set(&engine->strays, session->process_id, engine)) {
    engine->has_lost_strays = true;
  }
}

static bool is_strays(const struct engine *engine, uint32_t thread) {
  uint64_t position = 0, process;
  void *unused;
  while (map64_next(&engine->strays, &position, &process, &unused)) {
    if (process_has(engine, process, thread)) {
      return true;
    }
  }
  return engine->has_lost_strays;
}

/* Of the same process are all threads that may have the mutex by way of a session. */
static bool has_thread(const struct engine *engine, const struct session *session,
                       const struct object *object, uint32_t thread) {
  return session && map64_get(&session->cells, object->id) &&
         process_has(engine, session->process_id, thread);
}

static bool is_held_by_any(const struct engine *engine, struct object *object, uint32_t thread) {
  struct cells *cells = &object->cells;
  uint64_t position = 0, serial;
  void *session;
  if (has_thread(engine, map64_get(&engine->sessions, cells->holder), object, thread)) {
    return true;
  }
  while (map64_next(&engine->sessions, &position, &serial, &session)) {
    if (has_thread(engine, session, object, thread)) {
      cells->holder = serial;
      return true;
    }
  }
  return is_strays(engine, thread);
}

/* A thread that no client's process has can't let go of the mutex: somebody scribbled. So it counts
 * as dead, and the word says so as if the kernel had found it. A living one is never doubted, also
 * when its session is over: the mutex is in its list, and whoever took it would get the pointers of
 * another process there. Raw kinds have no mutex, whatever stands there, and sessions whose processes
 * are not known. */
static void doubt(struct engine *engine, uint64_t now_ns, struct object *object) {
  struct cells *cells = &object->cells;
  struct cell_header *header = header_of(cells);
  _Atomic uint32_t *word = &header->word;
  uint32_t seen = atomic_load(word), thread = seen & CELL_WORD_THREAD;
  if (thread == 0 || cells->claim == CELL_SERVER || now_ns < cells->doubt_ns ||
      !object_lock(object) || !engine->sink.has_thread) {
    return;
  }
  cells->doubt_ns = clock_deadline_ns(now_ns, HF_CELL_RETRY_MS_MAX);
  if (!is_held_by_any(engine, object, thread) &&
      atomic_compare_exchange_strong(word, &seen, (seen & ~CELL_WORD_THREAD) | CELL_WORD_DIED)) {
    atomic_fetch_and(&header->flags, ~(uint32_t)CELL_TOLD); /* of another death, if any */
    cells->share->source.wake(cells->share->source.ctx, word);
  }
}

/* `remote` is 1: who takes the mutex from now on goes away again. Whoever finds it free may not be
 * the one who has waited longest, nor take it for long: all in line are told, because nobody looks
 * any more once it is the server's. */
static bool try_to_get(struct engine *engine, struct object *object) {
  struct cells *cells = &object->cells;
  if (cells->claim == CELL_WANTED && !is_held_locally(cells) && note_death(header_of(cells))) {
    cells->claim = CELL_SERVER;
    core_wake(engine, &object->waits[WAIT_LOCK]);
  }
  return cells->claim == CELL_SERVER;
}

hf_reason core_claim_cells(struct engine *engine, uint64_t now_ns, struct object *object) {
  struct cells *cells = shared_cells(object);
  if (!cells) {
    return HF_REASON_NONE;
  }
  want(engine, object);
  doubt(engine, now_ns, object);
  if (try_to_get(engine, object)) {
    return HF_REASON_NONE;
  }
  cells->was_locked = true;
  return look_in(engine, now_ns, cells, cells->retry_ms) ? HF_REASON_NO_MEMORY
                                                         : HF_REASON_LOCK_HELD;
}

hf_reason core_take_cells_over(struct engine *engine, const struct session *session,
                               struct object *object) {
  struct cells *cells = shared_cells(object);
  if (!cells || cells->lock.depth > 0 || cells->claim == CELL_SERVER) {
    return HF_REASON_NOT_OWNER;
  }
  uint32_t thread = atomic_load(&header_of(cells)->word) & CELL_WORD_THREAD;
  if (thread == 0 || !has_thread(engine, session, object, thread)) {
    return HF_REASON_NOT_OWNER;
  }
  want(engine, object);
  cells->claim = CELL_SERVER; /* the holder lets go of the mutex when it has the grant */
  return HF_REASON_NONE;
}

bool core_tell_cells_death(struct object *object) {
  struct cells *cells = shared_cells(object);
  if (!cells) {
    return false;
  }
  struct cell_header *header = header_of(cells);
  (void)note_death(header);
  return atomic_fetch_and(&header->flags, ~(uint32_t)CELL_DIED) & CELL_DIED;
}

/* A grant of the server's died with its session: the next may be a local thread. */
static void pass_death_on(struct cells *cells) {
  if (cells->lock.owner_died) {
    cells->lock.owner_died = false;
    atomic_fetch_or(&header_of(cells)->flags, CELL_DIED);
  }
}

void core_review_cells(struct engine *engine, struct object *object) {
  struct cells *cells = shared_cells(object);
  if (cells && !cells->listed) {
    cells->listed = true;
    TAILQ_INSERT_TAIL(&engine->reviewed, object, cells.review_link);
  }
}

static void review(struct object *object) {
  struct cells *cells = &object->cells;
  struct cell_header *header = header_of(cells);
  bool is_wanted = cells->lock.depth > 0 || object->waits[WAIT_LOCK].count > 0;
  if (cells->claim != CELL_CLIENTS && !is_wanted) {
    pass_death_on(cells);
    cells->claim = CELL_CLIENTS;
    atomic_store(&header->remote, 0);
  }
  if (object->waits[WAIT_CHANGE].count == 0) {
    atomic_fetch_and(&header->flags, ~(uint32_t)CELL_SERVER_WAITS);
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
 * Several may wait who know different values, and each of them looked at another time. `seen` is
 * what was found by the last who looked; when that was news, is_unseen says that others don't know
 * it yet. They are not woken for that at once: the value may change all the time, and the server
 * would do nothing else. */

static uint64_t read_bits(const struct cells *cells) {
  return cells->count > 0 ? cell_read(cell_type_of(cells->typecode), cells->elements, 0) : 0;
}

struct value core_look_at_value(struct engine *engine, struct object *object) {
  struct cells *cells = shared_cells(object);
  if (!cells) {
    return cell_load(object->cells.typecode, object->cells.elements, 0);
  }
  atomic_fetch_or(&header_of(cells)->flags, CELL_SERVER_WAITS);
  core_review_cells(engine, object);
  uint64_t bits = read_bits(cells);
  cells->is_unseen |= bits != cells->seen && object->waits[WAIT_CHANGE].count > 0;
  cells->seen = bits;
  return cell_value(cell_type_of(cells->typecode), bits);
}

/* For all who wait. */
static bool has_changed(struct cells *cells) {
  uint64_t bits = read_bits(cells);
  bool is_unlocked = cells->was_locked && !is_held_locally(cells);
  bool changed = cells->is_unseen || bits != cells->seen || is_unlocked;
  cells->seen = bits;
  cells->is_unseen = false;
  cells->was_locked &= !is_unlocked;
  return changed;
}

void core_cells_changed(struct engine *engine, struct object *object) {
  struct cells *cells = shared_cells(object);
  core_wake(engine, &object->waits[WAIT_CHANGE]);
  if (!cells) {
    return;
  }
  (void)has_changed(cells); /* all who wait look again anyhow */
  struct cell_header *header = header_of(cells);
  atomic_thread_fence(memory_order_seq_cst);
  if (atomic_load(&header->flags) & CELL_LOCAL_WAITS || atomic_load(&header->owner) == 0) {
    atomic_fetch_and(&header->flags, ~(uint32_t)CELL_LOCAL_WAITS);
    atomic_fetch_add(&header->changes, 1);
    cells->share->source.wake(cells->share->source.ctx, &header->changes);
  }
}

hf_reason core_watch_cells(struct engine *engine, uint64_t now_ns, struct object *object) {
  struct cells *cells = shared_cells(object);
  return cells ? look_in(engine, now_ns, cells, HF_CELL_LOOK_MS) : HF_REASON_NONE;
}

void core_nudge_cells(struct engine *engine, uint64_t now_ns, struct object *object) {
  struct cells *cells = shared_cells(object);
  if (!cells) {
    return;
  }
  doubt(engine, now_ns, object);
  (void)try_to_get(engine, object);
  if (object->waits[WAIT_CHANGE].count > 0 && has_changed(cells)) {
    core_wake(engine, &object->waits[WAIT_CHANGE]);
  }
  core_review_cells(engine, object);
}

void core_nudge_cells_of(struct engine *engine, uint64_t now_ns, struct session *session) {
  uint64_t position = 0, id;
  void *share;
  while (map64_next(&session->cells, &position, &id, &share)) {
    struct object *object = registry_find(&engine->registry, id);
    if (object && (object->waits[WAIT_LOCK].count > 0 || object->waits[WAIT_CHANGE].count > 0)) {
      core_nudge_cells(engine, now_ns, object);
    }
  }
}

void core_cells_due(struct engine *engine, uint64_t now_ns, struct object *object) {
  struct cells *cells = &object->cells;
  core_nudge_cells(engine, now_ns, object);
  if (object->waits[WAIT_CHANGE].count > 0) { /* the timer just ended: there is room for it */
    (void)look_in(engine, now_ns, cells, HF_CELL_LOOK_MS);
  }
  if (cells->claim == CELL_WANTED && object->waits[WAIT_LOCK].count > 0) {
    uint64_t next_ms = 2 * cells->retry_ms;
    cells->retry_ms = next_ms < HF_CELL_RETRY_MS_MAX ? next_ms : HF_CELL_RETRY_MS_MAX;
    (void)look_in(engine, now_ns, cells, cells->retry_ms);
  }
}
