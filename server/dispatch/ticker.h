/* A thread that calls back when a deadline has come.
 *
 * layer   dispatch
 * threads ticker_expect from any; tick is called on the ticker's own thread
 */
#ifndef HF_DISPATCH_TICKER_H
#define HF_DISPATCH_TICKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct ticker {
  pthread_mutex_t mutex;
  pthread_cond_t changed; /* on the monotonic clock */
  pthread_t thread;
  uint64_t deadline_ns; /* the next tick; CLOCK_NEVER: none */
  bool stopping;
  void (*tick)(void *ctx);
  void *ctx;
};

/* false: no thread could be started. */
bool ticker_start(struct ticker *ticker, void (*tick)(void *ctx), void *ctx);
/* ticker_expect may still be called, in vain. */
void ticker_stop(struct ticker *ticker);
/* Re-arms the timer if the deadline is earlier; CLOCK_NEVER: does nothing. */
void ticker_expect(struct ticker *ticker, uint64_t deadline_ns);

#endif
