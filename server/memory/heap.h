/* How malloc's memory goes back to the machine, and what happens when there is none.
 *
 * layer   memory
 * source  jemalloc(3), "TUNING" and background_thread; with another malloc nothing is done
 */
#ifndef HF_MEMORY_HEAP_H
#define HF_MEMORY_HEAP_H

/* Starts jemalloc's background thread, which returns pages that were free for a second to the machine.
 * If the thread can't be started, allocating threads return them. Call once, before there are other
 * threads. */
void heap_start(void);
/* From now on an allocation of this thread that fails calls `failed`, which does not return. NULL: it answers
 * NULL, as always. The program is linked so that its calls of malloc, calloc and realloc come here. */
void heap_guard(void (*failed)(void));

#endif
