/* Cells in shared memory in a snapshot: where they are, and who is charged. Their elements are the clients', and
 * end with the server. */
#include "server/engine/kinds/kind.h"
#include "server/engine/snapshot_parts.h"

#include <stdlib.h>

static const struct snapshot_field location_rows[] = {
    SNAPSHOT_FIELD(2, struct cell_location, segment),
    SNAPSHOT_FIELD(3, struct cell_location, offset),
    SNAPSHOT_FIELD(4, struct cell_location, bytes),
};
static const struct snapshot_fields location_fields = SNAPSHOT_FIELDS(location_rows);
enum { OBJECT = 1, IS_RETIRED = 5, USER };

/* ---- writing */

static void add(struct snapshot_out *out, struct map64 *shares, uint64_t object, void *share) {
  if (!out->has_failed && !map64_set(shares, object, share)) {
    out->has_failed = true;
  }
}

/* Of objects, and of sessions, which may have mapped some that are no more. */
static void collect(const struct engine *engine, struct snapshot_out *out, struct map64 *shares) {
  uint64_t position = 0, id, object;
  void *item, *share;
  while (map64_next(&engine->registry.by_id, &position, &id, &item)) {
    const struct object *cell = item;
    if (cell->row->has_cells && cell->cells.share) {
      add(out, shares, id, cell->cells.share);
    }
  }
  position = 0;
  while (map64_next(&engine->sessions, &position, &id, &item)) {
    uint64_t next = 0;
    while (map64_next(&((struct session *)item)->cells, &next, &object, &share)) {
      add(out, shares, object, share);
    }
  }
}

static void put_share(struct snapshot_out *out, uint64_t object, const struct cell_share *share) {
  snapshot_put_number(out, OBJECT, object);
  snapshot_put_fields(out, &location_fields, &share->location);
  snapshot_put_number(out, IS_RETIRED, share->is_retired);
  snapshot_put_user(out, USER, share->user);
  snapshot_end_record(out, RECORD_SHARE);
}

void snapshot_shares(const struct engine *engine, struct snapshot_out *out) {
  struct map64 shares = {0};
  size_t count;
  if (engine->memory.used[MEMORY_SHARED] == 0) {
    return;
  }
  collect(engine, out, &shares);
  struct map64_slot *sorted = snapshot_sorted(out, &shares, &count);
  for (size_t i = 0; sorted && i < count; i++) {
    put_share(out, sorted[i].key, sorted[i].value);
  }
  free(sorted);
  map64_deinit(&shares);
}

/* ---- reading */

struct reading_share {
  struct restoring *restoring;
  uint64_t object;
  bool is_retired;
  struct user *user;
};

static bool visit_share(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct reading_share *reading = ctx;
  (void)in;
  switch (field->number) {
    case OBJECT:
      reading->object = field->integer;
      return field->type == VARINT;
    case IS_RETIRED:
      reading->is_retired = field->integer != 0;
      return field->type == VARINT;
    case USER:
      return restore_find_user(reading->restoring, field, &reading->user);
    default:
      return true;
  }
}

bool restore_share(struct restoring *restoring, struct bytes body) {
  struct engine *engine = restoring->engine;
  struct reading_share reading = {.restoring = restoring};
  struct cell_location location = {0};
  if (!snapshot_read(&restoring->in, body, &location_fields, &location, visit_share, &reading)) {
    return false;
  }
  bool is_good = engine->config.cell_host && reading.object > 0 &&
                 reading.object < restoring->next_id && location.bytes < SIZE_MAX / 4 &&
                 !map64_get(&restoring->shares, reading.object);
  if (!is_good) {
    return snapshot_fail(&restoring->in, "a cell is broken, or there twice");
  }
  struct cell_share *share =
      cell_share_restore(engine->config.cell_host, &engine->memory, reading.user, &location);
  if (!share || !map64_set(&restoring->shares, reading.object, share)) {
    cell_share_release(share);
    return snapshot_lacks_memory(restoring);
  }
  share->is_retired = reading.is_retired;
  return true;
}

struct cell_share *restore_find_share(struct restoring *restoring, uint64_t object) {
  struct cell_share *share = object ? map64_get(&restoring->shares, object) : NULL;
  if (!share) {
    snapshot_fail(&restoring->in, "a cell is not there");
    return NULL;
  }
  return cell_share_acquire(share);
}

void restore_end_shares(struct restoring *restoring) {
  uint64_t position = 0, object;
  void *share;
  while (map64_next(&restoring->shares, &position, &object, &share)) {
    cell_share_release(share);
  }
  map64_deinit(&restoring->shares);
}
