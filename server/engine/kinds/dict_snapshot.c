/* A dict in a snapshot: its entries at their slots, which are the cursors of scans. */
#include "server/engine/kinds/dict_snapshot.h"
#include "server/engine/snapshot_parts.h"

enum { RECORD_BEGIN = RECORD_CONTENT, RECORD_ENTRIES };
enum { BEGIN = 1 };
/* Members of entries, in this order: a page is that of the entries behind it. Without an offset an entry
 * is behind the last. */
enum { PAGE = 1, OFFSET, KEY, VALUE };

#define RECORD_BYTES ((size_t)64 << 10)
#define PENDING_MAX 8

static const struct snapshot_field page_rows[] = {
    SNAPSHOT_FIELD(1, struct dict_page, number),
    SNAPSHOT_FIELD(2, struct dict_page, capacity),
    SNAPSHOT_FIELD(3, struct dict_page, is_packed),
};
static const struct snapshot_fields page_fields = SNAPSHOT_FIELDS(page_rows);

/* ---- writing */

static void put_page(struct snapshot_out *out, const struct dict_page *page) {
  size_t opened = snapshot_open(out);
  snapshot_put_fields(out, &page_fields, page);
  snapshot_close(out, PAGE, opened);
}

void dict_content_snapshot(const struct object *object, struct snapshot_out *out) {
  const struct dict *dict = object->dict;
  struct value key, value;
  struct dict_page before = {.number = UINT64_MAX};
  uint64_t cursor = 0;
  if (dict_len(dict) == 0) {
    snapshot_put_number(out, BEGIN, dict_begin(dict));
    snapshot_end_record(out, RECORD_BEGIN);
    return;
  }
  while (dict_next(dict, &cursor, &key, &value)) {
    struct dict_page page = dict_page_of(dict, cursor);
    if (page.number != before.number) {
      put_page(out, &page);
      snapshot_put_number(out, OFFSET, page.offset);
    } else if (page.offset != before.offset + 1) {
      snapshot_put_number(out, OFFSET, page.offset);
    }
    snapshot_put_value(out, KEY, key);
    snapshot_put_value(out, VALUE, value);
    before = page;
    if (out->len >= RECORD_BYTES) {
      snapshot_end_record(out, RECORD_ENTRIES);
    }
  }
  if (out->len > 0) {
    snapshot_end_record(out, RECORD_ENTRIES);
  }
}

/* ---- reading */

/* An entry that is read, and not added yet. */
struct pending {
  uint64_t offset;
  struct value key, value; /* owned */
};

struct reading {
  struct restoring *restoring;
  struct object *object;
  struct value key; /* of the entry that is read; owned */
  uint64_t offset;  /* of the next entry */
  bool lacks_entry; /* the last page has none yet */
  /* Added together: each would wait for memory that the others can be fetched beside. */
  size_t pending_count;
  struct pending pending[PENDING_MAX];
};

static void drop_pending(struct reading *reading) {
  while (reading->pending_count > 0) {
    const struct pending *pending = &reading->pending[--reading->pending_count];
    value_release(pending->key);
    value_release(pending->value);
  }
}

static bool add_pending(struct reading *reading) {
  for (size_t i = 0; i < reading->pending_count; i++) {
    struct pending *pending = &reading->pending[i];
    if (dict_add_entry(reading->object->dict, pending->offset, pending->key, pending->value)) {
      return snapshot_fail(&reading->restoring->in, "an entry of a dict is broken");
    }
    restore_count(reading->object, pending->value);
    *pending = (struct pending){0}; /* the dict's now */
  }
  reading->pending_count = 0;
  return true;
}

static bool read_page(struct reading *reading, const struct wire_field *field) {
  struct dict_page page = {0};
  struct snapshot_in *in = &reading->restoring->in;
  if (!add_pending(reading)) {
    return false;
  }
  if (field->type != DELIMITED ||
      !snapshot_read(in, field->content, &page_fields, &page, NULL, NULL) ||
      dict_add_page(reading->object->dict, &page)) {
    return snapshot_fail(in, "a page of a dict is broken");
  }
  reading->offset = 0;
  reading->lacks_entry = true;
  return true;
}

/* Takes the key, which was read before. */
static bool read_value(struct reading *reading, const struct wire_field *field) {
  struct snapshot_in *in = &reading->restoring->in;
  struct value value = {0};
  if (!snapshot_read_value(in, field, &value)) {
    return false;
  }
  dict_prefetch(reading->object->dict, reading->key);
  reading->pending[reading->pending_count++] =
      (struct pending){reading->offset++, reading->key, value};
  reading->key = (struct value){0};
  reading->lacks_entry = false;
  return reading->pending_count < PENDING_MAX || add_pending(reading);
}

static bool visit_entry(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct reading *reading = ctx;
  switch (field->number) {
    case PAGE:
      return read_page(reading, field);
    case OFFSET:
      reading->offset = field->integer;
      return field->type == VARINT;
    case KEY:
      value_release(reading->key);
      reading->key = (struct value){0};
      return snapshot_read_value(in, field, &reading->key);
    case VALUE:
      return read_value(reading, field);
    default:
      return true;
  }
}

static bool visit_begin(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  const struct object *object = ctx;
  bool is_good = field->number != BEGIN ||
                 (field->type == VARINT && dict_begin_at(object->dict, field->integer));
  return is_good || snapshot_fail(in, "a dict begins nowhere");
}

/* Where the entries of the record go on that others came before. */
static uint64_t end_of(const struct dict *dict) {
  uint64_t end = dict_begin(dict);
  return dict_len(dict) ? (end - 1) % DICT_PAGE_SLOTS + 1 : 0;
}

bool dict_content_restore(struct restoring *restoring, struct object *object,
                          const struct snapshot_record *record) {
  struct reading reading = {
      .restoring = restoring, .object = object, .offset = end_of(object->dict)};
  struct snapshot_in *in = &restoring->in;
  if (record->number == RECORD_BEGIN) {
    return snapshot_read(in, record->body, NULL, NULL, visit_begin, object);
  }
  if (record->number != RECORD_ENTRIES) {
    return true;
  }
  bool is_read =
      snapshot_read(in, record->body, NULL, NULL, visit_entry, &reading) && add_pending(&reading);
  drop_pending(&reading);
  value_release(reading.key);
  return is_read && (!reading.lacks_entry || snapshot_fail(in, "a page of a dict is empty"));
}
