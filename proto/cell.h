/* Elements of a Value or Array in shared memory, which other processes read and write concurrently.
 *
 * layer   proto: one implementation for the server and its clients
 * shapes  `count` elements of one typecode (cell_type.h), contiguous, each at a multiple of its
 *         size
 * threads Each element is read and written by one atomic instruction of its size, so no element is
 *         torn. Bits are copied before they are interpreted.
 */
#ifndef HF_PROTO_CELL_H
#define HF_PROTO_CELL_H

#include "proto/cell_type.h"

/* The bits of an element, as an unsigned number of its size. */
uint64_t cell_read(const struct cell_type *type, const void *elements, size_t idx);
void cell_write(const struct cell_type *type, void *elements, size_t idx, uint64_t bits);
/* Compare-and-swap of the bits. Whether the element was `expected`. */
bool cell_replace(const struct cell_type *type, void *elements, size_t idx, uint64_t expected,
                  uint64_t desired);

/* Copies elements [idx, idx + count) without gaps, to and from memory that no other thread
 * accesses. Each element is read and written by one atomic instruction; of ? any byte but 0 is
 * written as 1. */
void cell_read_range(const struct cell_type *type, const void *elements, size_t idx, size_t count,
                     void *to);
void cell_write_range(const struct cell_type *type, void *elements, size_t idx, size_t count,
                      const void *from);

/* Adds in place, also while other threads write. is_locked: the caller owns the cell's lock, so none
 * does. As cell_add_bits; unchanged on failure. */
hf_reason cell_add(const struct cell_type *type, void *elements, size_t idx, bool is_locked,
                   struct value amount, uint64_t *sum);
/* Compare-and-set. out found: the bits before. Errors as of cell_bits. */
hf_reason cell_compare_and_set(const struct cell_type *type, void *elements, size_t idx,
                               bool is_locked, struct value expected, struct value desired,
                               bool *swapped, uint64_t *found);

#endif
