/* Cells: the typed memory of Value, Array and their raw kinds.
 *
 * layer   objects
 * shapes  `count` elements of one typecode, native byte order, contiguous: what a shared segment
 *         will hold later
 * source  the codes of Python's multiprocessing.sharedctypes: c b B ? h H i I l L q Q f d
 */
#ifndef HF_OBJECTS_CELL_H
#define HF_OBJECTS_CELL_H

#include "proto/status.h"
#include "proto/value.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes of an element; 0: no such typecode. */
size_t cell_element_bytes(char typecode);
/* The idx-th element as a value: integers as INT or UINT, f and d as FLOAT, ? as BOOL, c as BYTES
 * of 1. */
struct value cell_load(char typecode, const void *elements, size_t idx);
/* Stores. HF_REASON_NONE | WRONG_TYPE a float for an integer type, text, ... | OVERFLOW out of the
 * type's range; unchanged then. Integers and bools are taken by f and d; f rounds as C does, beyond
 * its range OVERFLOW. */
hf_reason cell_store(char typecode, void *elements, size_t idx, struct value value);

#endif
