/* The bytes of a snapshot: records of fields, written and read.
 *
 *   snapshot   record record record ...                   a protobuf message of messages
 *   record     number, type | length | fields             up to as much as one session or value takes
 *   field      number, type | a number, or length, bytes
 *
 * A field that is 0 is left out; fields come in the order in which they are written. So a state has one
 * form in bytes. Readers pass over numbers that they don't know: what comes later to a record is a new
 * number.
 *
 * layer   engine
 * memory  A record is made in memory, and written when it is complete.
 */
#ifndef HF_ENGINE_SNAPSHOT_RECORD_H
#define HF_ENGINE_SNAPSHOT_RECORD_H

#include "proto/base/arena.h"
#include "proto/base/map64.h"
#include "proto/base/timers.h"
#include "proto/value.h"
#include "proto/wire_field.h"

#include <stddef.h>

/* Fields that are members of a struct: one row serves both ways. */
enum snapshot_type {
  SNAPSHOT_BOOL,
  SNAPSHOT_CHAR,
  SNAPSHOT_INT,  /* zigzag */
  SNAPSHOT_ENUM, /* and other unsigned ones of 32 bits */
  SNAPSHOT_I64,  /* zigzag */
  SNAPSHOT_U64,
  SNAPSHOT_VALUE,
};

struct snapshot_field {
  uint32_t number;
  enum snapshot_type type;
  size_t offset;
};

struct snapshot_fields {
  const struct snapshot_field *rows;
  size_t count;
};

#define SNAPSHOT_TYPE_OF(member)        \
  _Generic((member), bool               \
           : SNAPSHOT_BOOL, char        \
           : SNAPSHOT_CHAR, int         \
           : SNAPSHOT_INT, unsigned     \
           : SNAPSHOT_ENUM, int64_t     \
           : SNAPSHOT_I64, uint64_t     \
           : SNAPSHOT_U64, struct value \
           : SNAPSHOT_VALUE)
#define SNAPSHOT_FIELD(number, Type, member) \
  { number, SNAPSHOT_TYPE_OF(((Type *)NULL)->member), offsetof(Type, member) }
#define SNAPSHOT_FIELDS(rows) \
  { rows, sizeof(rows) / sizeof *(rows) }

/* ---- writing */

struct snapshot_writer;

struct snapshot_out {
  const struct snapshot_writer *writer;
  uint8_t *data; /* of the record that is being made */
  size_t len, capacity;
  uint64_t records;
  bool has_failed; /* no memory, or the writer failed: nothing more is written */
};

void snapshot_out_deinit(struct snapshot_out *out);
/* The record is complete. */
void snapshot_end_record(struct snapshot_out *out, uint32_t number);

void snapshot_put_number(struct snapshot_out *out, uint32_t number, uint64_t value);
void snapshot_put_bytes(struct snapshot_out *out, uint32_t number, struct bytes bytes);
/* An absent one is left out. */
void snapshot_put_value(struct snapshot_out *out, uint32_t number, struct value value);
void snapshot_put_fields(struct snapshot_out *out, const struct snapshot_fields *fields,
                         const void *from);
/* A timer that does not run is left out. */
void snapshot_put_timer(struct snapshot_out *out, uint32_t number, const struct timer *timer);
/* The keys of a map in order, and their values if these are numbers; none: left out. */
void snapshot_put_table(struct snapshot_out *out, uint32_t number, const struct map64 *map,
                        bool has_numbers);
/* A number of a packed field, between snapshot_open and snapshot_close. */
void snapshot_put_item(struct snapshot_out *out, uint64_t item);
/* What is put between these two is a message: also one without fields. */
size_t snapshot_open(const struct snapshot_out *out);
void snapshot_close(struct snapshot_out *out, uint32_t number, size_t opened);

/* The entries of a map in the order of their keys: malloc, *count of them. NULL: out of memory. */
struct map64_slot *snapshot_sorted(struct snapshot_out *out, const struct map64 *map,
                                   size_t *count);

/* ---- reading */

struct snapshot_in {
  struct wire_reader reader; /* of the records */
  struct arena arena;        /* for one value */
  const char *why;           /* the first thing that was wrong; NULL: nothing */
};

struct snapshot_record {
  uint32_t number;
  struct bytes body;
};

/* Sets in->why, unless it was set before. Answers false. */
bool snapshot_fail(struct snapshot_in *in, const char *why);
/* false: no more, or in->why. */
bool snapshot_next_record(struct snapshot_in *in, struct snapshot_record *record);

/* Calls visit for each field that is no row of `fields`; those are stored `into`. Values that are stored
 * are the caller's, also when it fails. fields, or visit, may be NULL. false: in->why */
bool snapshot_read(struct snapshot_in *in, struct bytes body, const struct snapshot_fields *fields,
                   void *into,
                   bool (*visit)(struct snapshot_in *in, const struct wire_field *field, void *ctx),
                   void *ctx);
/* The value is the caller's. */
bool snapshot_read_value(struct snapshot_in *in, const struct wire_field *field,
                         struct value *value);
/* The numbers in a field, one after the other: begin with *items all zero. false: no more, or
 * in->why. */
bool snapshot_next_item(struct snapshot_in *in, const struct wire_field *field,
                        struct wire_reader *items, uint64_t *item);
/* Starts it. */
bool snapshot_read_timer(struct snapshot_in *in, const struct wire_field *field,
                         struct timers *timers, struct timer *timer);

#endif
