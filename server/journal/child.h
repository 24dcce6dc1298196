/* A process of this program beside the server, whose standard output is a pipe's end.
 *
 * layer   journal
 */
#ifndef HF_JOURNAL_CHILD_H
#define HF_JOURNAL_CHILD_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

/* It has no descriptor of the server but standard error, and no signal is blocked. arguments[0] is the program. The
 * pipe's end that is read; -1: errno. With the mutex of *process. */
int child_start(char *const arguments[], pid_t *process);
/* Waits for its end: whether it exited with 0. *process is 0 from then on, by the mutex: until then it is a zombie
 * at least, and its id is no other's. Without the mutex. */
bool child_await(pid_t *process, pthread_mutex_t *mutex);

#endif
