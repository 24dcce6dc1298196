/* Runs `holdfastd --compact` beside the server: one process at a time, watched by a thread of its own.
 *
 *   compactor_run --> thread: posix_spawn, reads what it prints, waits for its end --> ended
 *
 * The process prints the index, or why there is none, which is logged here: it never waits for one that reads the
 * server's standard error.
 *
 * layer   journal
 * threads run and stop: one
 */
#ifndef HF_JOURNAL_COMPACTOR_H
#define HF_JOURNAL_COMPACTOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct compactor {
  const char *program, *directory; /* borrowed */
  /* On the thread: the index of the new snapshot; 0: there is none, and the log says why. */
  void (*ended)(void *ctx, uint64_t index);
  void *ctx;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  uint64_t through; /* that is to be done; 0: nothing */
  pid_t process;    /* that runs; 0: none */
  bool is_stopping;
};

/* false: no thread. */
bool compactor_start(struct compactor *compactor, const char *program, const char *directory,
                     void (*ended)(void *ctx, uint64_t index), void *ctx);
/* A snapshot of all through that batch, at least. Not before the one before has ended. */
void compactor_run(struct compactor *compactor, uint64_t through);
/* Kills the process, if there is one. */
void compactor_stop(struct compactor *compactor);

#endif
