#include "server/memory/heap.h"

#include <stddef.h>

#ifdef HF_JEMALLOC
#include <jemalloc/jemalloc.h>

#include <stdbool.h>

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

static _Thread_local void (*guard)(void);

void heap_guard(void (*failed)(void)) {
  guard = failed;
}

static void *check(void *memory, size_t bytes) {
  if (memory == NULL && bytes > 0 && guard != NULL) {
    void (*failed)(void) = guard;
    guard = NULL; /* it may need some itself */
    failed();
  }
  return memory;
}

/* What the linker makes of the program's calls. */
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);

void *__wrap_malloc(size_t bytes) {
  return check(__real_malloc(bytes), bytes);
}

void *__wrap_calloc(size_t count, size_t bytes) {
  return check(__real_calloc(count, bytes), count && bytes);
}

void *__wrap_realloc(void *memory, size_t bytes) {
  return check(__real_realloc(memory, bytes), bytes);
}
