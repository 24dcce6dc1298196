/* Disables thread cancellation during calls: a thread that pthread_cancel ended within a call would
 * leave a mutex locked, or the connection without its poll leader. A pending cancellation takes
 * effect in the program's own code.
 *
 *   int state = cancellation_disable();    before waiting or using a descriptor
 *   ...
 *   cancellation_restore(state);
 *
 * layer   client, connection
 * threads The calling thread's own state; pairs may be nested.
 * source  Changing the state costs 25 instructions, a fiftieth of a pipelined call. It is skipped
 *         in a process of one thread, which no other thread can cancel.
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

#define CANCELLATION_LEFT (-1) /* the state was not changed */

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
