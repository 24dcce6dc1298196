/* Cells: the typed memory of Value, Array and their raw kinds.
 *
 * layer   proto: the server and, in shared memory, its clients read and write the same elements
 * shapes  `count` elements of one typecode, native byte order, contiguous, each at a multiple of
 *         its size
 * threads An element is read and written by one atomic instruction of its size, so nobody ever sees
 *         half of one; what is read is copied before it is looked at.
 * source  the codes of Python's multiprocessing.sharedctypes: c b B ? h H i I l L q Q f d
 */
#ifndef HF_PROTO_CELL_H
#define HF_PROTO_CELL_H

#include "proto/status.h"
#include "proto/value.h"

#include <stdbool.h>
#include <stddef.h>

/* What the elements of a typecode are: size, and the range of the integer ones. */
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

/* An element's bits, as an unsigned number of its size. */
uint64_t cell_read(const struct cell_type *type, const void *elements, size_t idx);
void cell_write(const struct cell_type *type, void *elements, size_t idx, uint64_t bits);
/* Writes `desired` if the element is `expected`. Whether it was. */
bool cell_replace(const struct cell_type *type, void *elements, size_t idx, uint64_t expected,
                  uint64_t desired);

/* Elements [idx, idx + count) to and from memory that no other thread sees, without gaps. Each element
 * is read and written by one atomic instruction; of ? what is not 0 is written as 1. */
void cell_read_range(const struct cell_type *type, const void *elements, size_t idx, size_t count,
                     void *to);
void cell_write_range(const struct cell_type *type, void *elements, size_t idx, size_t count,
                      const void *from);

/* Bits as a value: integers as INT or UINT, f and d as FLOAT, ? as BOOL, c as BYTES of 1. */
struct value cell_value(const struct cell_type *type, uint64_t bits);
/* A value's bits. HF_REASON_NONE | WRONG_TYPE a float for an integer type, text, ... | OVERFLOW out
 * of the type's range. Integers and bools are taken by f and d; f rounds as C does, beyond its
 * range OVERFLOW. */
hf_reason cell_bits(const struct cell_type *type, struct value value, uint64_t *bits);

/* Adds in place, whatever others do meanwhile. is_locked: nobody does. As value_sum and cell_bits;
 * unchanged then. */
hf_reason cell_add(const struct cell_type *type, void *elements, size_t idx, bool is_locked,
                   struct value amount, uint64_t *sum);
/* Stores if the element equals `expected`. out found: what it was. As cell_bits. */
hf_reason cell_compare_and_set(const struct cell_type *type, void *elements, size_t idx,
                               bool is_locked, struct value expected, struct value desired,
                               bool *swapped, uint64_t *found);

/* The idx-th element as a value. */
struct value cell_load(char typecode, const void *elements, size_t idx);
/* Stores. As cell_bits; unchanged then. */
hf_reason cell_store(char typecode, void *elements, size_t idx, struct value value);

#endif
