/* A thread that frees large deleted containers, so that nobody else waits for it.
 *
 * layer   dispatch
 * threads undertaker_bury from any
 */
#ifndef HF_DISPATCH_UNDERTAKER_H
#define HF_DISPATCH_UNDERTAKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct object;

struct undertaker {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  pthread_t thread;
  struct object *buried; /* what engine_take_buried answered */
  bool stopping;
  atomic_size_t freed_bytes; /* not yet told by undertaker_take_freed */
};

/* false: no thread could be started. */
bool undertaker_start(struct undertaker *undertaker);
/* Frees what is left. */
void undertaker_stop(struct undertaker *undertaker);
/* Taken; NULL is harmless. */
void undertaker_bury(struct undertaker *undertaker, struct object *buried);
/* Bytes that were freed since the last call. */
size_t undertaker_take_freed(struct undertaker *undertaker);

#endif
