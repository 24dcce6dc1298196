/* How malloc's memory goes back to the machine: jemalloc reads this before the first allocation.
 *
 * Pages that are free for a second go back, by threads of jemalloc's own; no other thread waits for
 * that. Sanitized builds keep their sanitizer's malloc.
 *
 * source  jemalloc(3), "TUNING"
 */
extern const char *malloc_conf;

__attribute__((visibility("default"))) const char *malloc_conf =
    "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0";
