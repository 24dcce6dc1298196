/* Calls are no cancellation points: a thread that pthread_cancel ended within one would leave a
 * mutex locked, or the connection without its driver. A cancellation that comes meanwhile stays
 * pending and acts in the program's own code.
 *
 *   int state = cancellation_disable();    whoever may wait, or use a descriptor
 *   ...
 *   cancellation_restore(state);
 *
 * layer   client
 * threads The calling thread's own state; pairs may be nested.
 */
#ifndef HF_CLIENT_CANCELLATION_H
#define HF_CLIENT_CANCELLATION_H

#include <pthread.h>

static inline int cancellation_disable(void) {
  int state;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
  return state;
}

static inline void cancellation_restore(int state) {
  pthread_setcancelstate(state, NULL);
}

#endif
