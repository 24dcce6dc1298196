/* Value as the server keeps it: canonical form, equality, hash, order.
 *
 * layer   proto
 * shapes  16 bytes, passed by value. Text and bytes of up to 14 bytes, numbers and references are
 *         inline; longer ones, tuples and opaques are in a counted, immutable box.
 * memory  Each stored struct value owns one count of its box: value_retain for each copy,
 *         value_release to drop one. Functions borrow their arguments unless they say "taken".
 * threads Any: the counts are atomic, boxes are immutable.
 * source  Equality, hashing and order are those of Python 3.11.
 */
#ifndef HF_PROTO_VALUE_H
#define HF_PROTO_VALUE_H

#include "proto/base/bytes.h"
#include "proto/status.h"
#include "proto/value_type.h"

#include <stdbool.h>
#include <stdint.h>

struct Holdfast__Value; /* the generated message, holdfast.pb-c.h */

/* The key of value_hash: 16 secret bytes, chosen when the server starts, with --data once for its journal. */
struct value_hash_key {
  uint8_t bytes[16];
};

struct value value_none(void);
struct value value_bool(bool boolean);
struct value value_int(int64_t integer);
/* VALUE_INT if it fits, else VALUE_UINT. */
struct value value_uint(uint64_t integer);
struct value value_float(double real);
struct value value_reference(uint64_t object, int object_kind);
/* Copies. Text is not checked here. false: out of memory. */
bool value_text(struct bytes text, struct value *out);
bool value_bytes(struct bytes bytes, struct value *out);
/* A value of `len` bytes that the caller writes at *room before any other use. false: out of
 * memory. */
bool value_bytes_to_fill(size_t len, struct value *out, uint8_t **room);
/* `count` items of a new tuple; the items are taken on success. false: out of memory. */
bool value_tuple(const struct value *items, size_t count, struct value *out);

struct value value_retain(struct value value); /* answers its argument */
void value_release(struct value value);

static inline bool value_is_absent(struct value value) {
  return value.kind == VALUE_ABSENT;
}
/* Text or bytes; borrowed from *value, which must not move. */
struct bytes value_content(const struct value *value);

/* The items of a tuple; borrowed. */
const struct value *value_items(const struct value *tuple, size_t *count);
/* The parts of an opaque; borrowed. */
void value_opaque_parts(const struct value *opaque, struct bytes *codec, struct bytes *data);

/* Copies a value from the wire: checks that an arm is set, UTF-8 and depth, and makes the form
 * canonical. A NULL message is BAD_VALUE. HF_REASON_NONE | BAD_VALUE BAD_TEXT TOO_DEEP NO_MEMORY,
 * and *out is absent */
hf_reason value_from_message(const struct Holdfast__Value *message, struct value *out);
bool value_equal(struct value a, struct value b);
/* A value in a few bytes: a small value itself; of a box kind, length and hash. */
struct value_digest {
  struct value small; /* VALUE_ABSENT: the value is boxed */
  uint64_t hash;
  uint32_t len;
  uint8_t kind;
};
struct value_digest value_digest(const struct value_hash_key *key, struct value value);
/* Whether the value equals the digested one. For boxes the probability of error is 2^-64, which
 * nobody without the key can raise. Reads the content of a box at most once in its life. */
bool value_matches(const struct value_hash_key *key, struct value value,
                   const struct value_digest *digest);
/* SipHash-2-4. Equal values have equal hashes: 1, 1.0 and true hash alike. A value of a kilobyte or
 * more caches its hash, since a process has one key. */
uint64_t value_hash(const struct value_hash_key *key, struct value value);
/* NOT_HASHABLE if the value is or contains a reference. */
hf_reason value_check_key(struct value value);
/* *order is <0, 0 or >0. Orders numbers, text, bytes, and tuples item by item; NaN is neither less
 * nor greater than a number. HF_REASON_NONE | NOT_ORDERED other pairs */
hf_reason value_compare(struct value a, struct value b, int *order);
/* The sum of two numbers; bools count as numbers, and integers stay integers. HF_REASON_NONE |
 * WRONG_TYPE OVERFLOW */
hf_reason value_add(struct value a, struct value b, struct value *sum);

/* The length of the value's message. Visits all items of a tuple. */
size_t value_message_bytes(struct value value);
/* Writes the value's message of value_message_bytes(); returns its end. */
uint8_t *value_write(struct value value, uint8_t *at);
/* Bytes of memory beyond the 16 of struct value. */
size_t value_memory_bytes(struct value value);
bool value_has_reference(struct value value);
/* Calls visit for each reference in the value, as often as it occurs. */
void value_each_reference(struct value value, void (*visit)(void *ctx, uint64_t object), void *ctx);

#endif
