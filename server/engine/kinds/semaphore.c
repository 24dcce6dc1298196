#include "server/engine/call.h"
#include "server/engine/handlers.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/sessions.h"
#include "server/engine/snapshot_parts.h"
#include "server/engine/undo.h"
#include "server/engine/wake.h"

hf_reason handle_semaphore_acquire(struct call *call) {
  struct object *object = call->object;
  struct semaphore *semaphore = &object->semaphore;
  struct wait_queue *queue = &object->waits[WAIT_SEMAPHORE];
  if (semaphore->value == 0 || call_must_line_up(call, queue)) {
    return call_park(call, queue, HF_REASON_NO_PERMIT);
  }
  struct map64 *permits = &call->session->permits;
  uintptr_t acquired = (uintptr_t)map64_get(permits, object->id);
  hf_reason reason = core_check_object_entry(call->engine, call->session, permits, object);
  if (reason) {
    return reason;
  }
  if (!session_set(call->session, permits, object->id, (void *)(acquired + 1))) {
    return HF_REASON_NO_MEMORY;
  }
  semaphore->value--;
  semaphore->acquired++;
  call_set_source(call, 0);
  return HF_REASON_NONE;
}

/* Gives permits back, first of those the session (or NULL) has. HF_REASON_NONE | RELEASED_TOO_OFTEN
 * OVERFLOW, unchanged */
static hf_reason release_permits(struct engine *engine, struct session *session,
                                 struct object *object, uint64_t count) {
  hf_reason reason = semaphore_release(&object->semaphore, count);
  uintptr_t acquired = session ? (uintptr_t)map64_get(&session->permits, object->id) : 0;
  if (reason) {
    return reason;
  }
  if (acquired > count) {
    session_set(session, &session->permits, object->id,
                (void *)(acquired - count)); /* needs no memory: it is there */
  } else if (acquired) {
    session_remove(session, &session->permits, object->id);
  }
  core_wake(engine, &object->waits[WAIT_SEMAPHORE]);
  core_wake(engine, &object->waits[WAIT_CHANGE]);
  return HF_REASON_NONE;
}

hf_reason handle_semaphore_release(struct call *call) {
  uint64_t count = call->message->semaphore_release->count;
  return release_permits(call->engine, call->session, call->object, count ? count : 1);
}

/* ---- transactions */

static void undo_change_of_semaphore(const struct undo *undo, struct undo_entry *entry) {
  struct session *session = undo->call->session;
  struct object *object = entry->object;
  object->semaphore = entry->semaphore;
  if (session && entry->permits) {
    session_set(session, &session->permits, object->id, (void *)(uintptr_t)entry->permits);
  } else if (session) {
    session_remove(session, &session->permits, object->id);
  }
}

static const struct undo_way way_of_semaphore = {undo_change_of_semaphore, NULL, NULL};

static hf_reason capture_semaphore(struct undo_entry *entry, struct call *call) {
  entry->way = &way_of_semaphore;
  entry->semaphore = call->object->semaphore;
  entry->permits =
      call->session ? (uintptr_t)map64_get(&call->session->permits, call->object->id) : 0;
  return HF_REASON_NONE;
}

/* ---- the kinds */

static hf_reason read_shape(const Holdfast__ObjectOpen *message, struct object_shape *shape) {
  shape->start = message->start;
  return HF_REASON_NONE;
}

static bool has_shape(const struct object *object, const struct object_shape *shape) {
  return object->semaphore.start == shape->start;
}

static bool init_semaphore(struct object *object, const struct object_shape *shape,
                           const struct value_hash_key *hash_key) {
  (void)hash_key;
  object->semaphore = (struct semaphore){.value = shape->start, .start = shape->start};
  return true;
}

static bool init_bounded(struct object *object, const struct object_shape *shape,
                         const struct value_hash_key *hash_key) {
  init_semaphore(object, shape, hash_key);
  object->semaphore.bounded = true;
  return true;
}

static void report_semaphore(const struct object *object, struct reply_object *reported) {
  reported->value = object->semaphore.value;
}

static void revoke(struct engine *engine, struct session *session, struct object *object,
                   const struct reply *reply) {
  (void)reply;
  if (map64_get(&session->permits, object->id)) {
    (void)release_permits(engine, session, object, 1);
  }
}

static const struct snapshot_field semaphore_rows[] = {
    SNAPSHOT_FIELD(1, struct object, semaphore.value),
    SNAPSHOT_FIELD(2, struct object, semaphore.start),
    SNAPSHOT_FIELD(3, struct object, semaphore.acquired),
};
static const struct snapshot_fields semaphore_fields = SNAPSHOT_FIELDS(semaphore_rows);

static void snapshot_semaphore(const struct object *object, struct snapshot_out *out) {
  snapshot_put_fields(out, &semaphore_fields, object);
  snapshot_end_record(out, RECORD_CONTENT);
}

static bool restore_semaphore(struct restoring *restoring, struct object *object,
                              const struct snapshot_record *record) {
  return snapshot_read(&restoring->in, record->body, &semaphore_fields, object, NULL, NULL);
}

const struct kind kind_semaphore = {
    .read_shape = read_shape,
    .has_shape = has_shape,
    .init = init_semaphore,
    .report = report_semaphore,
    .capture = capture_semaphore,
    .revoke = revoke,
    .snapshot = snapshot_semaphore,
    .restore = restore_semaphore,
};

const struct kind kind_bounded_semaphore = {
    .read_shape = read_shape,
    .has_shape = has_shape,
    .init = init_bounded,
    .report = report_semaphore,
    .capture = capture_semaphore,
    .revoke = revoke,
    .snapshot = snapshot_semaphore,
    .restore = restore_semaphore,
};
