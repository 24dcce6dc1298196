#include "server/memory/heap.h"

#ifdef HF_JEMALLOC
#include <jemalloc/jemalloc.h>

#include <stdbool.h>
#include <stddef.h>

/* jemalloc reads this before the first allocation. One background thread, which heap_start starts:
 * jemalloc would start more on demand, and if that fails for lack of address space, its attempts recurse
 * until the stack overflows. */
extern const char *malloc_conf;
__attribute__((visibility("default"))) const char *malloc_conf =
    "max_background_threads:1,dirty_decay_ms:1000,muzzy_decay_ms:0";

static bool set_background_thread(bool on) {
  return mallctl("background_thread", NULL, NULL, &on, sizeof on) == 0;
}
#endif

void heap_start(void) {
#ifdef HF_JEMALLOC
  if (!set_background_thread(true)) {
    set_background_thread(false);
  }
#endif
}
