/* What an allocation takes from malloc: the unit of all memory accounting.
 *
 * source  jemalloc's size classes: multiples of 16 up to 128 bytes, then four for each power of
 *         two; of blocks above 16 KiB only the pages that are used count
 */
#ifndef HF_BASE_CHUNK_H
#define HF_BASE_CHUNK_H

#include <stddef.h>

#define CHUNK_PAGE_BYTES ((size_t)4096)

/* The size class of malloc(size), bytes. */
static inline size_t chunk_bytes(size_t size) {
  size_t unit = 16;
  if (size > 4 * CHUNK_PAGE_BYTES) {
    unit = CHUNK_PAGE_BYTES;
  } else if (size > 128) {
    unit = (size_t)1 << (61 - __builtin_clzll((unsigned long long)size - 1));
  }
  return size <= unit ? unit : (size + unit - 1) & ~(unit - 1);
}

#endif
