/* Deferred free: a thread that frees large deleted containers.
 *
 * layer   dispatch
 * threads reclaimer_add from any
 */
#ifndef HF_DISPATCH_RECLAIMER_H
#define HF_DISPATCH_RECLAIMER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct object;

struct reclaimer {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  pthread_t thread;
  struct object *objects; /* what engine_take_deferred answered */
  bool stopping;
  atomic_size_t freed_bytes; /* since the last reclaimer_take_freed */
};

/* false: no thread could be started. */
bool reclaimer_start(struct reclaimer *reclaimer);
/* Frees all that was added. */
void reclaimer_stop(struct reclaimer *reclaimer);
/* Takes the objects; NULL: none. */
void reclaimer_add(struct reclaimer *reclaimer, struct object *objects);
/* Bytes that were freed since the last call. */
size_t reclaimer_take_freed(struct reclaimer *reclaimer);

#endif
