/* Elements in memory that other processes read and write at the same time: a Value's or an Array's
 * in shared memory.
 *
 * layer   proto: one implementation for the server and its clients
 * shapes  `count` elements of one typecode (cell_type.h), contiguous, each at a multiple of its
 *         size
 * threads Each element is read and written by one atomic instruction of its size, so no reader sees
 *         half an element. Bits are copied before they are interpreted.
 */
#ifndef HF_PROTO_CELL_H
#define HF_PROTO_CELL_H

#include "proto/cell_type.h"

/* An element's bits, as an unsigned number of its size. */
uint64_t cell_read(const struct cell_type *type, const void *elements, size_t idx);
void cell_write(const struct cell_type *type, void *elements, size_t idx, uint64_t bits);
/* Writes `desired` if the element is `expected`. Whether it was. */
bool cell_replace(const struct cell_type *type, void *elements, size_t idx, uint64_t expected,
                  uint64_t desired);

/* Elements [idx, idx + count) to and from memory that no other thread sees, without gaps. Each
 * element is read and written by one atomic instruction; of ? what is not 0 is written as 1. */
void cell_read_range(const struct cell_type *type, const void *elements, size_t idx, size_t count,
                     void *to);
void cell_write_range(const struct cell_type *type, void *elements, size_t idx, size_t count,
                      const void *from);

/* Adds in place, also while other threads write. is_locked: no other thread does. As cell_sum;
 * unchanged on failure. */
hf_reason cell_add(const struct cell_type *type, void *elements, size_t idx, bool is_locked,
                   struct value amount, uint64_t *sum);
/* Stores if the element equals `expected`. out found: what it was. As cell_bits. */
hf_reason cell_compare_and_set(const struct cell_type *type, void *elements, size_t idx,
                               bool is_locked, struct value expected, struct value desired,
                               bool *swapped, uint64_t *found);

#endif
