/* The elements of a value or an array: in plain memory, or where the host keeps them.
 *
 * layer   engine
 * threads as the engine, under its lock; nothing else changes plain elements, while clients change
 *         shared ones at any time
 * Positions are within the object, the caller checked that.
 */
#ifndef HF_ENGINE_ELEMENTS_H
#define HF_ENGINE_ELEMENTS_H

#include "proto/cell_type.h"

struct cells;

/* An element's bits: an unsigned number of its size. */
uint64_t elements_bits(const struct cells *cells, size_t idx);
void elements_set_bits(struct cells *cells, size_t idx, uint64_t bits);
/* An element as a value; the caller's. */
struct value elements_value(const struct cells *cells, size_t idx);
/* Stores a value, borrowed. As cell_bits; unchanged on failure. */
hf_reason elements_store(struct cells *cells, size_t idx, struct value value);
/* The same while clients store; out before: the bits that it replaced. */
hf_reason elements_exchange(struct cells *cells, size_t idx, struct value value, uint64_t *before);
/* `count` elements without gaps, to and from memory of the caller; of ? what is not 0 is written as
 * 1. */
void elements_read(const struct cells *cells, size_t idx, size_t count, void *to);
void elements_write(struct cells *cells, size_t idx, size_t count, const void *from);
/* is_locked: the caller has the object's lock, so that no client stores meanwhile. As cell_add_bits and
 * cell_bits; unchanged on failure. */
hf_reason elements_add(struct cells *cells, size_t idx, bool is_locked, struct value amount,
                       uint64_t *sum);
hf_reason elements_compare_and_set(struct cells *cells, size_t idx, bool is_locked,
                                   struct value expected, struct value desired, bool *swapped,
                                   uint64_t *found);

#endif
