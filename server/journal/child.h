/* A child process that runs this program with other arguments, and writes to the server through a pipe.
 *
 * layer   journal
 */
#ifndef HF_JOURNAL_CHILD_H
#define HF_JOURNAL_CHILD_H

#include <pthread.h>
#include <sys/types.h>

/* Which descriptor the child's standard error is. */
enum child_errors {
  CHILD_ERRORS_SERVER, /* the server's: as long as nobody reads that, the child may wait */
  CHILD_ERRORS_PIPE,   /* the pipe, as its standard output */
};

/* Starts the program arguments[0]. Of the server's descriptors the child has standard error at most; its signals are
 * unblocked, with default actions. The caller has the mutex that guards *process, which is set. Returns the end of
 * the pipe from which the child's standard output is read; -1: errno. */
int child_start(char *const arguments[], enum child_errors errors, pid_t *process);
/* Waits until the child has ended, and answers how, as waitpid does: 0 is success. The caller does not have the mutex: child_await
 * locks it to set *process to 0, and reaps the child only then. So a thread that has the mutex and finds *process
 * set may send a signal: that id is no other process's. */
int child_await(pid_t *process, pthread_mutex_t *mutex);

#endif
