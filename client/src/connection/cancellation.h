/* Calls are no cancellation points: a thread that pthread_cancel ended within one would leave a
 * mutex locked, or the connection without its poll leader. A cancellation that comes meanwhile stays
 * pending and acts in the program's own code.
 *
 *   int state = cancellation_disable();    whoever may wait, or use a descriptor
 *   ...
 *   cancellation_restore(state);
 *
 * layer   client, connection
 * threads The calling thread's own state; pairs may be nested.
 * source  The state costs 25 instructions each time, one in fifty of a pipelined call. A process of
 *         one thread has no other to cancel it.
 */
#ifndef HF_CLIENT_CANCELLATION_H
#define HF_CLIENT_CANCELLATION_H

#include <pthread.h>
#include <stdbool.h>

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#else
static const bool __libc_single_threaded = false;
#endif

#define CANCELLATION_LEFT (-1) /* nothing is to be restored */

static inline int cancellation_disable(void) {
  int state = CANCELLATION_LEFT;
  if (!__libc_single_threaded) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
  }
  return state;
}

static inline void cancellation_restore(int state) {
  if (state != CANCELLATION_LEFT) {
    pthread_setcancelstate(state, NULL);
  }
}

#endif
