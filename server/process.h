/* What the server's process needs before its parts start.
 *
 * layer   server
 * threads the main thread, the only one at that time
 */
#ifndef HF_SERVER_PROCESS_H
#define HF_SERVER_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Opens /dev/null on those of the descriptors 0 to 2 that are closed. Otherwise the server's own
 * sockets got these numbers, and its log would be written into one. */
void process_fill_descriptors(void);
/* Blocks the signals that end the server, before the first thread starts: all threads inherit the mask,
 * and only process_wait sees them. Ignores signals by which a peer or a limit could end it.
 * out  signals  SIGTERM, SIGINT and SIGHUP */
void process_block_signals(sigset_t *signals);
/* Whether SIGTERM or SIGINT is pending. */
bool process_has_to_end(void);
/* How many may be open: the hard limit. */
uint64_t process_descriptors_max(void);
/* A descriptor that is readable once process `pid` has ended. -1: errno, ESRCH when there is none. */
int process_watch(pid_t pid);
/* Waits for one of the signals, or for the end of the process that `watch` (-1: none) is about.
 * The signal's number, or 0: the process has ended, or PROCESS_TIMED_OUT. */
#define PROCESS_TIMED_OUT (-1)
int process_wait(const sigset_t *signals, int watch, uint32_t timeout_ms);
/* Whether the system lets this process have the threads and the address space that a server needs:
 * nng, whose threads are most of them, crashes or hangs in its start when it lacks some. Takes and
 * gives back. false: `errno` is set. */
bool process_has_room(void);

#endif
