/* Value as the server keeps it: canonical form, equality, hash, order.
 *
 * layer   proto
 * shapes  16 bytes, passed by value. Text and bytes of up to 14 bytes, numbers and references are
 *         inside; longer ones, tuples and opaques in a counted box that never changes.
 * memory  A struct value that is kept owns one count of its box: value_retain when it is kept
 *         twice, value_release when it is dropped. Functions borrow their arguments unless they
 *         say "taken".
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

/* The key of value_hash: 16 secret bytes, chosen when the server starts. */
struct value_hash_key {
  uint8_t bytes[16];
};

struct value value_none(void);
struct value value_bool(bool boolean);
struct value value_int(int64_t integer);
/* INT when it fits, else UINT. */
struct value value_uint(uint64_t integer);
struct value value_float(double real);
struct value value_reference(uint64_t object, int object_kind);
/* Copies. Text is not checked here. false: out of memory. */
bool value_text(struct bytes text, struct value *out);
bool value_bytes(struct bytes bytes, struct value *out);
/* Bytes that the caller fills in before the value is used, where *room says. false: out of memory.
 */
bool value_bytes_to_fill(size_t len, struct value *out, uint8_t **room);
/* The items are taken, on success only; `count` items of a fresh tuple. */
bool value_tuple(const struct value *items, size_t count, struct value *out);

struct value value_retain(struct value value); /* answers its argument */
void value_release(struct value value);

static inline bool value_is_absent(struct value value) {
  return value.kind == VALUE_ABSENT;
}
/* Of text or bytes. Borrowed from *value, which must stay where it is. */
struct bytes value_content(const struct value *value);

/* Of a tuple; borrowed. */
const struct value *value_items(const struct value *tuple, size_t *count);
/* Of an opaque; borrowed. */
void value_opaque_parts(const struct value *opaque, struct bytes *codec, struct bytes *data);

/* From the wire, copied: checks that an arm is set, UTF-8 and depth, makes the form canonical.
 * NULL message: BAD_VALUE. HF_REASON_NONE | otherwise *out is absent: BAD_VALUE BAD_TEXT TOO_DEEP
 * NO_MEMORY */
hf_reason value_from_message(const struct Holdfast__Value *message, struct value *out);
bool value_equal(struct value a, struct value b);
/* A value in a few bytes: what is small is there itself, a box by kind, length and hash. */
struct value_digest {
  struct value small; /* VALUE_ABSENT: it is boxed */
  uint64_t hash;
  uint32_t len;
  uint8_t kind;
};
struct value_digest value_digest(const struct value_hash_key *key, struct value value);
/* Whether the value equals the one that was digested; of boxes, with a probability of error of
 * 2^-64 that nobody without the key can raise. Reads a value once in its life at most. */
bool value_matches(const struct value_hash_key *key, struct value value,
                   const struct value_digest *digest);
/* Equal values have equal hashes. SipHash-2-4; 1, 1.0 and true hash alike. A value of a kilobyte or
 * more is read once and keeps its hash: a process has one key. */
uint64_t value_hash(const struct value_hash_key *key, struct value value);
/* NOT_HASHABLE when it is or contains a reference. */
hf_reason value_check_key(struct value value);
/* *order is <0, 0, >0. Numbers with numbers, text with text, bytes with bytes, tuples item by item;
 * NaN is less than nothing. HF_REASON_NONE | NOT_ORDERED */
hf_reason value_compare(struct value a, struct value b, int *order);
/* Sum of numbers (bools count): integers stay integers. HF_REASON_NONE | WRONG_TYPE OVERFLOW */
hf_reason value_sum(struct value a, struct value b, struct value *sum);

/* Bytes of its Value message. Reads tuples whole. */
size_t value_message_bytes(struct value value);
/* Writes its Value message, value_message_bytes() of them; answers where they end. */
uint8_t *value_write(struct value value, uint8_t *at);
/* Bytes of memory it holds beyond its 16. */
size_t value_memory_bytes(struct value value);
bool value_has_reference(struct value value);
/* Calls visit for each reference in it, as often as it occurs. */
void value_each_reference(struct value value, void (*visit)(void *ctx, uint64_t object), void *ctx);

#endif
