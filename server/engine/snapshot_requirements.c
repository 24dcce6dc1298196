/* What waiters wait for, in a snapshot. */
#include "server/engine/require.h"
#include "server/engine/snapshot_parts.h"

#include <stdlib.h>

static const struct snapshot_field rows[] = {
    SNAPSHOT_FIELD(1, struct requirements, bytes),
    SNAPSHOT_FIELD(2, struct requirements, awaited),
    SNAPSHOT_FIELD(3, struct requirements, suffice),
};
static const struct snapshot_fields fields = SNAPSHOT_FIELDS(rows);
enum { ITEM = 4 };

static const struct snapshot_field item_rows[] = {
    SNAPSHOT_FIELD(1, struct requirement, check),
    SNAPSHOT_FIELD(2, struct requirement, is_sealed),
    SNAPSHOT_FIELD(3, struct requirement, compares),
    SNAPSHOT_FIELD(4, struct requirement, name),
    SNAPSHOT_FIELD(5, struct requirement, object),
    SNAPSHOT_FIELD(6, struct requirement, key),
    SNAPSHOT_FIELD(7, struct requirement, value),
    SNAPSHOT_FIELD(8, struct requirement, number),
    SNAPSHOT_FIELD(9, struct requirement, digest.small),
    SNAPSHOT_FIELD(10, struct requirement, digest.hash),
    SNAPSHOT_FIELD(11, struct requirement, digest.len),
};
static const struct snapshot_fields item_fields = SNAPSHOT_FIELDS(item_rows);
enum { DIGEST_KIND = 12 };

void snapshot_put_requirements(struct snapshot_out *out, uint32_t number,
                               const struct requirements *requirements) {
  if (!requirements) {
    return;
  }
  size_t opened = snapshot_open(out);
  snapshot_put_fields(out, &fields, requirements);
  for (size_t i = 0; i < requirements->count; i++) {
    size_t item = snapshot_open(out);
    snapshot_put_fields(out, &item_fields, &requirements->items[i]);
    snapshot_put_number(out, DIGEST_KIND, requirements->items[i].digest.kind);
    snapshot_close(out, ITEM, item);
  }
  snapshot_close(out, number, opened);
}

/* ---- reading */

static bool visit_item(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct requirement *requirement = ctx;
  if (field->number == DIGEST_KIND) {
    requirement->digest.kind = (uint8_t)field->integer;
    return field->type == VARINT && field->integer <= VALUE_OPAQUE;
  }
  (void)in;
  return true;
}

static bool visit_count(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  size_t *count = ctx;
  (void)in;
  *count += field->number == ITEM;
  return *count <= HF_TRANSACTION_COUNT_MAX;
}

static bool is_good(const struct requirement *requirement) {
  int check = requirement->check;
  bool has_name = !value_is_absent(requirement->name);
  bool needs_key = check == REQUIRE_CHANGED || check == HOLDFAST__CONDITION__CHECK_KEY_EQUALS;
  bool needs_value = check == HOLDFAST__CONDITION__CHECK_VALUE_AT_LEAST;
  return requirement->is_sealed && (!has_name || requirement->name.kind == VALUE_TEXT) &&
         (!needs_key || !value_is_absent(requirement->key)) && !value_check_key(requirement->key) &&
         (!needs_value || !value_is_absent(requirement->value));
}

/* The digest has no value of its own: what is small only. */
static bool drop_large(struct requirement *requirement) {
  bool is_small = value_memory_bytes(requirement->digest.small) == 0;
  if (!is_small) {
    value_release(requirement->digest.small);
  }
  return is_small;
}

static bool read_item(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct requirements *requirements = ctx;
  if (field->number != ITEM) {
    return true;
  }
  struct requirement *requirement = &requirements->items[requirements->count++];
  *requirement = (struct requirement){0};
  bool is_read = field->type == DELIMITED && snapshot_read(in, field->content, &item_fields,
                                                           requirement, visit_item, requirement);
  bool is_small = drop_large(requirement);
  return (is_read && is_small && is_good(requirement)) ||
         snapshot_fail(in, "a condition is broken");
}

bool restore_requirements(struct restoring *restoring, const struct wire_field *field,
                          struct requirements **requirements) {
  struct snapshot_in *in = &restoring->in;
  size_t count = 0;
  if (*requirements || field->type != DELIMITED ||
      !snapshot_read(in, field->content, NULL, NULL, visit_count, &count) || count == 0) {
    return snapshot_fail(in, "conditions are none, or there twice");
  }
  *requirements = requirements_new(count);
  if (!*requirements) {
    return snapshot_lacks_memory(restoring);
  }
  return snapshot_read(in, field->content, &fields, *requirements, read_item, *requirements) &&
         ((*requirements)->awaited < count || snapshot_fail(in, "no condition is awaited"));
}
