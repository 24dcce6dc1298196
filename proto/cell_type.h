/* The typecodes of Value and Array: sizes and ranges of elements, and elements as values.
 *
 * layer   proto: one range check and one conversion for the server and its clients
 * shapes  An element is its bits: an unsigned number of the element's size, native byte order.
 * source  the codes of Python's multiprocessing.sharedctypes: c b B ? h H i I l L q Q f d
 */
#ifndef HF_PROTO_CELL_TYPE_H
#define HF_PROTO_CELL_TYPE_H

#include "proto/status.h"
#include "proto/value.h"

#include <stdbool.h>
#include <stddef.h>

/* Size of an element, and the range of the integer types. */
struct cell_type {
  char code;
  bool is_float;
  uint8_t bytes;
  int64_t min;
  uint64_t max;
};

/* NULL: no such typecode. */
const struct cell_type *cell_type_of(char typecode);
/* Bytes of an element; 0: no such typecode. */
size_t cell_element_bytes(char typecode);

/* Bits as a value: integers as INT or UINT, f and d as FLOAT, ? as BOOL, c as BYTES of 1. */
struct value cell_value(const struct cell_type *type, uint64_t bits);
/* A value's bits. HF_REASON_NONE | WRONG_TYPE a float for an integer type, text, ... | OVERFLOW out
 * of the type's range. Integers and bools are taken by f and d; f rounds as C does, beyond its
 * range OVERFLOW. */
hf_reason cell_bits(const struct cell_type *type, struct value value, uint64_t *bits);
/* Bits of an element plus an amount. As value_sum and cell_bits. */
hf_reason cell_sum(const struct cell_type *type, uint64_t bits, struct value amount, uint64_t *sum);

/* The bits of the idx-th element in memory that no other thread writes to. */
uint64_t cell_plain_read(const struct cell_type *type, const void *elements, size_t idx);
void cell_plain_write(const struct cell_type *type, void *elements, size_t idx, uint64_t bits);

#endif
