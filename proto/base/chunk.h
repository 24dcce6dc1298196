/* What a block of memory really costs: the unit of all memory accounting.
 *
 * source  glibc's malloc: 8 bytes of header, multiples of 16, 32 at least
 */
#ifndef HF_BASE_CHUNK_H
#define HF_BASE_CHUNK_H

#include <stddef.h>

/* Bytes that malloc(size) takes from the machine. */
static inline size_t chunk_bytes(size_t size) {
  size_t rounded = (size + 8 + 15) & ~(size_t)15;
  return rounded < 32 ? 32 : rounded;
}

#endif
