/* Says what is durable: where it was committed, or on a thread of its own, so that the next commit need not wait.
 *
 *   commit --releaser_commit--> here, if nothing else is to be committed, or it takes no time
 *                          '--> the thread --> committed(newest)
 *
 * layer   journal
 * threads its own; `committed` is called by one at a time, with numbers that rise
 */
#ifndef HF_JOURNAL_RELEASER_H
#define HF_JOURNAL_RELEASER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct releaser {
  void (*say)(void *ctx, uint64_t through);
  void *ctx;
  pthread_t thread;
  pthread_mutex_t mutex; /* of everything below */
  pthread_cond_t changed;
  uint64_t committed, said;
  bool is_saying, is_stopping;
};

/* All through `said` is known. false: no thread. */
bool releaser_start(struct releaser *releaser, uint64_t said,
                    void (*committed)(void *ctx, uint64_t through), void *ctx);
/* is_short: saying it takes no time, or no other commit waits for the caller. */
void releaser_commit(struct releaser *releaser, uint64_t through, bool is_short);
/* When all is said. */
void releaser_stop(struct releaser *releaser);

#endif
