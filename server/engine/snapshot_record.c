#include "server/engine/snapshot_record.h"

#include "proto/holdfast.pb-c.h"
#include "proto/wire.h"
#include "server/engine/snapshot_writer.h"

#include <stdlib.h>

#define CAPACITY_MIN ((size_t)4096)

/* ---- writing */

void snapshot_out_deinit(struct snapshot_out *out) {
  free(out->data);
}

/* Room for so many bytes more. NULL: has_failed. */
static uint8_t *reserve(struct snapshot_out *out, size_t len) {
  size_t capacity = out->capacity ? out->capacity : CAPACITY_MIN;
  if (out->has_failed) {
    return NULL;
  }
  while (capacity - out->len < len) {
    capacity *= 2;
  }
  if (capacity > out->capacity) {
    uint8_t *data = realloc(out->data, capacity);
    if (!data) {
      out->has_failed = true;
      return NULL;
    }
    out->data = data;
    out->capacity = capacity;
  }
  return out->data + out->len;
}

static void put_varint(struct snapshot_out *out, uint64_t number) {
  uint8_t *at = reserve(out, VARINT_BYTES_MAX);
  if (at) {
    out->len += wire_write_varint(at, number);
  }
}

static void put_run(struct snapshot_out *out, struct bytes bytes) {
  uint8_t *at = bytes.len ? reserve(out, bytes.len) : NULL;
  if (at) {
    memcpy(at, bytes.data, bytes.len);
    out->len += bytes.len;
  }
}

static void put_head(struct snapshot_out *out, uint32_t number, size_t len) {
  put_varint(out, wire_tag(number, DELIMITED));
  put_varint(out, len);
}

static void write_out(struct snapshot_out *out, struct bytes bytes) {
  if (!out->has_failed && !out->writer->write(out->writer->ctx, bytes)) {
    out->has_failed = true;
  }
}

void snapshot_end_record(struct snapshot_out *out, uint32_t number) {
  uint8_t head[2 * VARINT_BYTES_MAX];
  size_t len = wire_write_varint(head, wire_tag(number, DELIMITED));
  len += wire_write_varint(head + len, out->len);
  write_out(out, bytes_of(head, len));
  write_out(out, bytes_of(out->data, out->len));
  out->len = 0;
  out->records++;
}

void snapshot_put_number(struct snapshot_out *out, uint32_t number, uint64_t value) {
  if (value) {
    put_varint(out, wire_tag(number, VARINT));
    put_varint(out, value);
  }
}

void snapshot_put_bytes(struct snapshot_out *out, uint32_t number, struct bytes bytes) {
  if (bytes.len > 0) {
    put_head(out, number, bytes.len);
    put_run(out, bytes);
  }
}

void snapshot_put_value(struct snapshot_out *out, uint32_t number, struct value value) {
  if (value_is_absent(value)) {
    return;
  }
  size_t len = value_message_bytes(value);
  put_head(out, number, len);
  uint8_t *at = reserve(out, len);
  if (at) {
    value_write(value, at);
    out->len += len;
  }
}

static uint64_t number_at(const struct snapshot_field *field, const void *member) {
  switch (field->type) {
    case SNAPSHOT_BOOL:
      return *(const bool *)member;
    case SNAPSHOT_CHAR:
      return *(const unsigned char *)member;
    case SNAPSHOT_INT:
      return wire_to_zigzag(*(const int *)member);
    case SNAPSHOT_ENUM:
      return *(const unsigned *)member;
    case SNAPSHOT_I64:
      return wire_to_zigzag(*(const int64_t *)member);
    case SNAPSHOT_U64:
    case SNAPSHOT_VALUE:
      break;
  }
  return *(const uint64_t *)member;
}

void snapshot_put_fields(struct snapshot_out *out, const struct snapshot_fields *fields,
                         const void *from) {
  for (size_t i = 0; i < fields->count; i++) {
    const struct snapshot_field *field = &fields->rows[i];
    const void *member = (const char *)from + field->offset;
    if (field->type == SNAPSHOT_VALUE) {
      snapshot_put_value(out, field->number, *(const struct value *)member);
    } else {
      snapshot_put_number(out, field->number, number_at(field, member));
    }
  }
}

size_t snapshot_open(const struct snapshot_out *out) {
  return out->len;
}

void snapshot_close(struct snapshot_out *out, uint32_t number, size_t opened) {
  uint8_t head[2 * VARINT_BYTES_MAX];
  size_t len = out->len - opened;
  size_t head_len = wire_write_varint(head, wire_tag(number, DELIMITED));
  head_len += wire_write_varint(head + head_len, len);
  if (reserve(out, head_len)) {
    memmove(out->data + opened + head_len, out->data + opened, len);
    memcpy(out->data + opened, head, head_len);
    out->len += head_len;
  }
}

static const struct snapshot_field timer_rows[] = {
    SNAPSHOT_FIELD(1, struct timer, deadline_ns),
    SNAPSHOT_FIELD(2, struct timer, order),
};
static const struct snapshot_fields timer_fields = SNAPSHOT_FIELDS(timer_rows);

void snapshot_put_timer(struct snapshot_out *out, uint32_t number, const struct timer *timer) {
  if (timer->position > 0) {
    size_t opened = snapshot_open(out);
    snapshot_put_fields(out, &timer_fields, timer);
    snapshot_close(out, number, opened);
  }
}

static int compare_slots(const void *one, const void *other) {
  uint64_t a = ((const struct map64_slot *)one)->key, b = ((const struct map64_slot *)other)->key;
  return (a > b) - (a < b);
}

struct map64_slot *snapshot_sorted(struct snapshot_out *out, const struct map64 *map,
                                   size_t *count) {
  struct map64_slot *slots = malloc((map->count + 1) * sizeof *slots);
  uint64_t position = 0;
  *count = 0;
  if (!slots) {
    out->has_failed = true;
    return NULL;
  }
  while (map64_next(map, &position, &slots[*count].key, &slots[*count].value)) {
    ++*count;
  }
  qsort(slots, *count, sizeof *slots, compare_slots);
  return slots;
}

void snapshot_put_item(struct snapshot_out *out, uint64_t item) {
  put_varint(out, item);
}

void snapshot_put_table(struct snapshot_out *out, uint32_t number, const struct map64 *map,
                        bool has_numbers) {
  size_t count, opened = snapshot_open(out);
  struct map64_slot *slots = map->count ? snapshot_sorted(out, map, &count) : NULL;
  if (!slots) {
    return;
  }
  for (size_t i = 0; i < count; i++) {
    snapshot_put_item(out, slots[i].key);
    if (has_numbers) {
      snapshot_put_item(out, (uintptr_t)slots[i].value);
    }
  }
  free(slots);
  snapshot_close(out, number, opened);
}

/* ---- reading */

bool snapshot_fail(struct snapshot_in *in, const char *why) {
  in->why = in->why ? in->why : why;
  return false;
}

static bool next_field(struct snapshot_in *in, struct wire_reader *reader,
                       struct wire_field *field) {
  return wire_read_field(reader, field) || snapshot_fail(in, "a field is broken");
}

bool snapshot_next_record(struct snapshot_in *in, struct snapshot_record *record) {
  struct wire_field field;
  if (in->why || in->reader.next == in->reader.end || !next_field(in, &in->reader, &field)) {
    return false;
  }
  if (field.type != DELIMITED) {
    return snapshot_fail(in, "a record is none");
  }
  *record = (struct snapshot_record){field.number, field.content};
  return true;
}

bool snapshot_read_value(struct snapshot_in *in, const struct wire_field *field,
                         struct value *value) {
  Holdfast__Value *message;
  if (field->type != DELIMITED) {
    return snapshot_fail(in, "a value is none");
  }
  bool is_read = !wire_unpack_value(field->content, &in->arena, &message) &&
                 !value_from_message(message, value);
  arena_reset(&in->arena);
  return is_read || snapshot_fail(in, "a value is broken");
}

/* Whether the number is one of the member's. */
static bool fits(const struct snapshot_field *row, uint64_t number) {
  switch (row->type) {
    case SNAPSHOT_BOOL:
      return number <= 1;
    case SNAPSHOT_CHAR:
      return number <= UINT8_MAX;
    case SNAPSHOT_INT:
    case SNAPSHOT_ENUM:
      return number <= UINT32_MAX;
    default:
      return true;
  }
}

static void store_number(const struct snapshot_field *row, uint64_t number, void *member) {
  switch (row->type) {
    case SNAPSHOT_BOOL:
      *(bool *)member = number != 0;
      break;
    case SNAPSHOT_CHAR:
      *(unsigned char *)member = (unsigned char)number;
      break;
    case SNAPSHOT_INT:
      *(int *)member = (int)wire_from_zigzag(number);
      break;
    case SNAPSHOT_ENUM:
      *(unsigned *)member = (unsigned)number;
      break;
    case SNAPSHOT_I64:
      *(int64_t *)member = wire_from_zigzag(number);
      break;
    default:
      *(uint64_t *)member = number;
      break;
  }
}

static bool store_field(struct snapshot_in *in, const struct snapshot_field *row,
                        const struct wire_field *field, void *into) {
  void *member = (char *)into + row->offset;
  if (row->type == SNAPSHOT_VALUE) {
    struct value value;
    if (!snapshot_read_value(in, field, &value)) {
      return false;
    }
    value_release(*(struct value *)member);
    *(struct value *)member = value;
    return true;
  }
  if (field->type != VARINT || !fits(row, field->integer)) {
    return snapshot_fail(in, "a number is out of range");
  }
  store_number(row, field->integer, member);
  return true;
}

static const struct snapshot_field *find_row(const struct snapshot_fields *fields,
                                             uint32_t number) {
  for (size_t i = 0; fields && i < fields->count; i++) {
    if (fields->rows[i].number == number) {
      return &fields->rows[i];
    }
  }
  return NULL;
}

bool snapshot_read(struct snapshot_in *in, struct bytes body, const struct snapshot_fields *fields,
                   void *into,
                   bool (*visit)(struct snapshot_in *in, const struct wire_field *field, void *ctx),
                   void *ctx) {
  struct wire_reader reader = {body.data, body.data + body.len};
  struct wire_field field;
  while (reader.next < reader.end) {
    if (!next_field(in, &reader, &field)) {
      return false;
    }
    const struct snapshot_field *row = find_row(fields, field.number);
    if (row ? !store_field(in, row, &field, into) : visit && !visit(in, &field, ctx)) {
      return snapshot_fail(in, "a field is not what it is to be");
    }
  }
  return true;
}

bool snapshot_next_item(struct snapshot_in *in, const struct wire_field *field,
                        struct wire_reader *items, uint64_t *item) {
  if (field->type != DELIMITED) {
    return snapshot_fail(in, "numbers are none");
  }
  if (!items->next) {
    *items = (struct wire_reader){field->content.data, field->content.data + field->content.len};
  }
  return items->next < items->end &&
         (wire_read_varint(items, item) || snapshot_fail(in, "a number is broken"));
}

bool snapshot_read_timer(struct snapshot_in *in, const struct wire_field *field,
                         struct timers *timers, struct timer *timer) {
  struct timer read = {0};
  if (field->type != DELIMITED || timer->position > 0) {
    return snapshot_fail(in, "a timer is none");
  }
  if (!snapshot_read(in, field->content, &timer_fields, &read, NULL, NULL)) {
    return false;
  }
  return timers_put_back(timers, timer, read.deadline_ns, read.order) ||
         snapshot_fail(in, "there is not enough memory");
}
