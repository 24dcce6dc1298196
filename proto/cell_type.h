/* The typecodes of Value and Array: sizes and ranges of elements, and conversion to and from
 * values.
 *
 * layer   proto: one range check and one conversion for the server and its clients
 * shapes  The bits of an element are an unsigned number of the element's size, native byte order.
 * source  the codes of Python's multiprocessing.sharedctypes: c b B ? h H i I l L q Q f d
 */
#ifndef HF_PROTO_CELL_TYPE_H
#define HF_PROTO_CELL_TYPE_H

#include "proto/status.h"
#include "proto/value.h"

#include <stdbool.h>
#include <stddef.h>

/* The size of an element, and the range of integer types. */
struct cell_type {
  char code;
  bool is_float;
  uint8_t bytes;
  int64_t min;
  uint64_t max;
};

/* NULL: no such typecode. */
const struct cell_type *cell_type_of(char typecode);
/* The size of an element; 0: no such typecode. */
size_t cell_element_bytes(char typecode);

/* The value of an element's bits: INT or UINT, FLOAT of f and d, BOOL of ?, BYTES of size 1 of c.
 */
struct value cell_value(const struct cell_type *type, uint64_t bits);
/* The bits of a value. HF_REASON_NONE | WRONG_TYPE a float for an integer type, text, ... |
 * OVERFLOW beyond the type's range. f and d accept integers and bools; f rounds as C does, and is
 * OVERFLOW beyond its range. */
hf_reason cell_bits(const struct cell_type *type, struct value value, uint64_t *bits);
/* The bits of an element plus an amount. Errors as of value_add and cell_bits. */
hf_reason cell_add_bits(const struct cell_type *type, uint64_t bits, struct value amount,
                        uint64_t *sum);

/* The bits of element idx in memory that no other thread writes. */
uint64_t cell_plain_read(const struct cell_type *type, const void *elements, size_t idx);
void cell_plain_write(const struct cell_type *type, void *elements, size_t idx, uint64_t bits);

#endif
