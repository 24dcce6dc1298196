/* The processes of sessions, as far as they run on this machine. A thread calls back when a process
 * ends whose session has lost its connection.
 *
 * layer   dispatch
 * shapes  One descriptor for each process, whatever number of sessions names it. A third of the
 *         server's descriptors are for processes; half of these for processes that only remote clients
 *         have named, because such a client can name any process.
 * threads open, watch and forget one at a time; ended is called on the processes' own thread
 * source  pidfd_open(2): a descriptor names one process for ever, and is readable once it has ended
 */
#ifndef HF_DISPATCH_PROCESSES_H
#define HF_DISPATCH_PROCESSES_H

#include "proto/base/bytes.h"
#include "proto/base/map64.h"
#include "proto/limits.h"
#include "server/engine/command.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct processes {
  uint8_t machine[HF_MACHINE_BYTES_MAX];
  size_t machine_len;
  int poll, stop; /* descriptors */
  pthread_t thread;
  void (*ended)(void *ctx, uint64_t session);
  void *ctx;
  size_t max;             /* processes; the other descriptors are for connections */
  pthread_mutex_t mutex;  /* of all below */
  struct map64 by_handle; /* handle -> struct process */
  struct map64 by_id;     /* process id -> struct process: the one that has the id now */
  size_t remote_count;    /* processes that no local client has named */
  int last_handle;
};

/* false: no thread, or no descriptors. */
bool processes_start(struct processes *processes, void (*ended)(void *ctx, uint64_t session),
                     void *ctx);
/* Handles that are open must still be forgotten. */
void processes_stop(struct processes *processes);
/* A handle, greater than 0, of the process of that id on that machine, which may have ended. Else
 * PROCESS_HIDDEN the process runs here, but its id has no meaning here, as in another container, or
 * there are too many processes | PROCESS_ELSEWHERE */
int processes_open(struct processes *processes, struct bytes machine, uint64_t id, bool is_local);
/* The machine and id of the process that a request of a session names. false: the request names
 * none. */
bool processes_are_named(const Holdfast__Request *request, struct bytes *machine, uint64_t *id);
/* Calls back with the session, once or more, as soon as the process has ended. */
void processes_watch(struct processes *processes, int handle, uint64_t session);
/* The session no longer has the handle; 0: no session took it. A callback that is under way may still
 * come. */
void processes_forget(struct processes *processes, int handle, uint64_t session);

#endif
