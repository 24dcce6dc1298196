#include "server/memory/heap.h"

#include <stdlib.h> /* tells which library it is */

#ifdef __GLIBC__
#include <malloc.h>
#endif

void heap_configure(void) {
#ifdef __GLIBC__
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, HEAP_MMAP_BYTES); /* fixed: else it rises with what is freed */
  mallopt(M_MMAP_MAX, HEAP_MMAPS_MAX);
  mallopt(M_TRIM_THRESHOLD, HEAP_TOP_BYTES);
  mallopt(M_TOP_PAD, 1 << 20);
#endif
}

void heap_trim(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}
