/* The processes behind sessions, as far as they run on this machine: a thread that calls back when
 * one has ended whose session had lost its connection before.
 *
 * layer   dispatch
 * shapes  One descriptor for each process, whatever number of sessions names it. Half of all
 *         descriptors are for processes; those that only clients on other addresses than
 *         ADDRESS_LOCAL have named get half of these, as they can name any.
 * threads open, watch and forget one at a time; ended is called on the thread of its own
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
  size_t max;             /* of processes; the other descriptors are for connections */
  pthread_mutex_t mutex;  /* of all below */
  struct map64 by_handle; /* handle -> struct process */
  struct map64 by_id;     /* process id -> struct process: who has that id now */
  size_t remote_count;    /* of those that no local client has named */
  int last_handle;
};

/* false: no thread or descriptors could be had. */
bool processes_start(struct processes *processes, void (*ended)(void *ctx, uint64_t session),
                     void *ctx);
/* What is open is still to be forgotten. */
void processes_stop(struct processes *processes);
/* A handle, greater than 0, of the process of that id on that machine, which may have ended. Else
 * PROCESS_HIDDEN it runs here, but its id says nothing, as in another container, or there are too
 * many processes already | PROCESS_ELSEWHERE */
int processes_open(struct processes *processes, struct bytes machine, uint64_t id, bool is_local);
/* Where the process runs that a request of a session names. false: it names none. */
bool processes_are_named(const Holdfast__Request *request, struct bytes *machine, uint64_t *id);
/* Calls back with the session once or more when the process has ended, or has already. */
void processes_watch(struct processes *processes, int handle, uint64_t session);
/* One session less that has the handle, or 0: none took it. A call back that is under way may still
 * come. */
void processes_forget(struct processes *processes, int handle, uint64_t session);

#endif
