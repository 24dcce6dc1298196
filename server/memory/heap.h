/* How malloc's memory goes back to the machine.
 *
 * layer   memory
 * source  jemalloc(3), "TUNING" and background_thread; with another malloc nothing is done
 */
#ifndef HF_MEMORY_HEAP_H
#define HF_MEMORY_HEAP_H

/* From here on pages that were free for a second go back, by a thread of jemalloc's own: nobody else
 * waits for that. Where that thread can't be started, those who allocate see to it. Once, before there
 * are other threads. */
void heap_start(void);

#endif
