/* Objects in a snapshot: what all kinds have, and then what each writes and reads itself. */
#include "proto/text.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/kinds/table.h"
#include "server/engine/snapshot_parts.h"

#include <stdlib.h>

static const struct snapshot_field object_rows[] = {
    SNAPSHOT_FIELD(1, struct object, id),
    SNAPSHOT_FIELD(2, struct object, kind),
    SNAPSHOT_FIELD(3, struct object, name),
    SNAPSHOT_FIELD(4, struct object, references),
    SNAPSHOT_FIELD(5, struct object, waits[0].released),
    SNAPSHOT_FIELD(6, struct object, waits[1].released),
    SNAPSHOT_FIELD(7, struct object, waits[2].released),
    SNAPSHOT_FIELD(8, struct object, waits[3].released),
    SNAPSHOT_FIELD(9, struct object, waits[4].released),
};
static const struct snapshot_fields object_fields = SNAPSHOT_FIELDS(object_rows);
_Static_assert(OBJECT_WAITS == 5, "each queue has a row");
enum { LEASE = 10, USER };

/* ---- writing */

static void put_object(struct snapshot_out *out, const struct object *object) {
  const struct kind *kind = object->row;
  snapshot_put_fields(out, &object_fields, object);
  snapshot_put_timer(out, LEASE, &object->lease);
  snapshot_put_user(out, USER, object->user);
  snapshot_end_record(out, RECORD_OBJECT);
  if (kind->snapshot) {
    kind->snapshot(object, out);
  }
}

void snapshot_objects(const struct engine *engine, struct snapshot_out *out) {
  size_t count;
  struct map64_slot *objects = snapshot_sorted(out, &engine->registry.by_id, &count);
  for (size_t i = 0; objects && i < count; i++) {
    put_object(out, objects[i].value);
  }
  free(objects);
}

/* ---- reading */

static bool visit_object(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct restoring *restoring = ctx;
  return field->number != LEASE ||
         snapshot_read_timer(in, field, &restoring->engine->timers, &restoring->object->lease);
}

/* What the record says before there is an object. */
static bool check_object(struct restoring *restoring, const struct object *read) {
  const struct registry *registry = &restoring->engine->registry;
  struct bytes name = value_content(&read->name);
  bool has_name = !value_is_absent(read->name);
  bool is_named = has_name && read->name.kind == VALUE_TEXT && text_is_name(name) &&
                  !registry_find_name(registry, name);
  bool is_new = read->id > 0 && read->id >= registry->next_id && read->id < restoring->next_id;
  return (is_new && kind_find(read->kind) && (!has_name || is_named)) ||
         snapshot_fail(&restoring->in, "an object is broken, or out of order");
}

/* Empty, of the kind and name. NULL: in.why */
static struct object *make_object(struct restoring *restoring, const struct object *read) {
  struct registry *registry = &restoring->engine->registry;
  struct object_shape shape = {
      .kind = read->kind, .row = kind_find(read->kind), .user = read->user};
  struct object *object;
  if (!value_is_absent(read->name)) {
    shape.name = value_content(&read->name);
  }
  registry->next_id = read->id;
  if (registry_begin(registry, &shape, &object)) {
    snapshot_lacks_memory(restoring);
    return NULL;
  }
  return object;
}

struct reading_object {
  struct restoring *restoring;
  struct object read;
};

static bool visit_user(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct reading_object *reading = ctx;
  (void)in;
  return field->number != USER || restore_find_user(reading->restoring, field, &reading->read.user);
}

bool restore_object(struct restoring *restoring, struct bytes body) {
  struct snapshot_in *in = &restoring->in;
  struct reading_object reading = {.restoring = restoring};
  bool is_good = snapshot_read(in, body, &object_fields, &reading.read, visit_user, &reading) &&
                 check_object(restoring, &reading.read);
  struct object *object = is_good ? make_object(restoring, &reading.read) : NULL;
  if (object) {
    object->references = reading.read.references;
    for (size_t i = 0; i < OBJECT_WAITS; i++) {
      object->waits[i].released = reading.read.waits[i].released;
    }
  }
  value_release(reading.read.name);
  restoring->object = object;
  return object && snapshot_read(in, body, NULL, NULL, visit_object, restoring);
}

bool restore_content(struct restoring *restoring, const struct snapshot_record *record) {
  struct object *object = restoring->object;
  if (!object) {
    return snapshot_fail(&restoring->in, "a content has no object");
  }
  const struct kind *kind = object->row;
  return !kind->restore || kind->restore(restoring, object, record);
}

bool restore_end_object(struct restoring *restoring) {
  const struct snapshot_record none = {.body = bytes_of("", 0)};
  struct object *object = restoring->object;
  if (!object) {
    return true;
  }
  bool is_whole = restore_content(restoring, &none);
  const struct lock *lock = object_lock(object);
  if (!is_whole || (object->lease.position && (!lock || lock->depth == 0))) {
    return snapshot_fail(&restoring->in, "an object lacks something");
  }
  registry_complete(&restoring->engine->registry, object);
  restoring->object = NULL;
  return true;
}
