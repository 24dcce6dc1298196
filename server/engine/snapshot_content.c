/* What several kinds write and read of their objects. */
#include "server/engine/snapshot_parts.h"

/* Values that stand in a row are written in records of about this size. */
#define LIST_RECORD_BYTES ((size_t)64 << 10)

/* ---- writing */

void snapshot_put_list(struct snapshot_out *out, uint32_t record, const struct list *list) {
  for (size_t at = 0, count; at < list->len; at += count) {
    const struct value *items = list_run(list, at, &count);
    for (size_t i = 0; i < count; i++) {
      snapshot_put_value(out, 1, items[i]);
      if (out->len >= LIST_RECORD_BYTES) {
        snapshot_end_record(out, record);
      }
    }
  }
  if (out->len > 0) {
    snapshot_end_record(out, record);
  }
}

static const struct snapshot_field lock_rows[] = {
    SNAPSHOT_FIELD(1, struct lock, owner.session), SNAPSHOT_FIELD(2, struct lock, owner.thread),
    SNAPSHOT_FIELD(3, struct lock, token),         SNAPSHOT_FIELD(4, struct lock, depth),
    SNAPSHOT_FIELD(5, struct lock, lease_ms),      SNAPSHOT_FIELD(6, struct lock, robust),
    SNAPSHOT_FIELD(7, struct lock, owner_died),
};
static const struct snapshot_fields lock_fields = SNAPSHOT_FIELDS(lock_rows);

void snapshot_put_lock(struct snapshot_out *out, uint32_t number, const struct lock *lock) {
  size_t opened = snapshot_open(out);
  snapshot_put_fields(out, &lock_fields, lock);
  snapshot_close(out, number, opened);
}

/* ---- reading */

static void count_reference(void *ctx, uint64_t id) {
  struct object *object = ctx;
  (void)id;
  object->stored_references++;
}

void restore_count(struct object *object, struct value value) {
  value_each_reference(value, count_reference, object);
}

struct reading_list {
  struct object *object;
  struct list *list;
};

static bool visit_item(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  const struct reading_list *reading = ctx;
  struct value value = {0};
  if (field->number != 1) {
    return true;
  }
  if (!snapshot_read_value(in, field, &value)) {
    return false;
  }
  if (list_append(reading->list, value)) {
    value_release(value);
    return snapshot_fail(in, "there is not enough memory");
  }
  restore_count(reading->object, value);
  return true;
}

bool restore_list(struct restoring *restoring, struct object *object, struct list *list,
                  struct bytes body) {
  struct reading_list reading = {object, list};
  return snapshot_read(&restoring->in, body, NULL, NULL, visit_item, &reading);
}

bool restore_lock(struct restoring *restoring, const struct wire_field *field, struct lock *lock) {
  struct snapshot_in *in = &restoring->in;
  if (field->type != DELIMITED ||
      !snapshot_read(in, field->content, &lock_fields, lock, NULL, NULL)) {
    return snapshot_fail(in, "a lock is none");
  }
  bool has_owner = lock->depth == 0 || lock->owner.session == 0 ||
                   map64_get(&restoring->engine->sessions, lock->owner.session);
  return has_owner || snapshot_fail(in, "a lock's owner is not there");
}
