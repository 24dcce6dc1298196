#include "server/engine/call.h"
#include "server/engine/handlers.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/snapshot_parts.h"
#include "server/engine/undo.h"
#include "server/engine/wake.h"

hf_reason handle_event_set(struct call *call) {
  call->object->event_is_set = true;
  core_release(call->engine, &call->object->waits[WAIT_EVENT]);
  return HF_REASON_NONE;
}

hf_reason handle_event_clear(struct call *call) {
  call->object->event_is_set = false;
  return HF_REASON_NONE;
}

hf_reason handle_event_is_set(struct call *call) {
  call_answer_flag(call, call->object->event_is_set);
  return HF_REASON_NONE;
}

/* A timeout is an answer here, not an error. A set releases all present waiters, even if the event is
 * cleared before all of them have run. */
hf_reason handle_event_wait(struct call *call) {
  bool is_set = call->object->event_is_set || call_is_released(call, WAIT_EVENT);
  if (!is_set && !call_may_not_wait(call)) {
    return call_park(call, &call->object->waits[WAIT_EVENT], HF_REASON_TIMED_OUT);
  }
  call_answer_flag(call, is_set);
  return HF_REASON_NONE;
}

/* ---- transactions */

static void undo_change_of_event(const struct undo *undo, struct undo_entry *entry) {
  (void)undo;
  entry->object->event_is_set = entry->event_is_set;
  entry->object->waits[WAIT_EVENT].released = entry->released;
}

static const struct undo_way way_of_event = {undo_change_of_event, NULL, NULL};

static hf_reason capture_event(struct undo_entry *entry, struct call *call) {
  entry->way = &way_of_event;
  entry->event_is_set = call->object->event_is_set;
  entry->released = call->object->waits[WAIT_EVENT].released;
  return HF_REASON_NONE;
}

/* ---- the kind */

static void report_event(const struct object *object, struct reply_object *reported) {
  reported->value = object->event_is_set;
}

static const struct snapshot_field event_rows[] = {
    SNAPSHOT_FIELD(1, struct object, event_is_set),
};
static const struct snapshot_fields event_fields = SNAPSHOT_FIELDS(event_rows);

static void snapshot_event(const struct object *object, struct snapshot_out *out) {
  snapshot_put_fields(out, &event_fields, object);
  snapshot_end_record(out, RECORD_CONTENT);
}

static bool restore_event(struct restoring *restoring, struct object *object,
                          const struct snapshot_record *record) {
  return snapshot_read(&restoring->in, record->body, &event_fields, object, NULL, NULL);
}

const struct kind kind_event = {
    .report = report_event,
    .capture = capture_event,
    .snapshot = snapshot_event,
    .restore = restore_event,
};
