/* The processes behind sessions, as far as they run on this machine: a thread that calls back when
 * one has ended whose connection was lost before.
 *
 * layer   dispatch
 * threads open and forget one at a time, watch from any; ended is called on its own thread
 * source  pidfd_open(2): a descriptor names one process for ever, and is readable once it has ended
 */
#ifndef HF_DISPATCH_PROCESSES_H
#define HF_DISPATCH_PROCESSES_H

#include "proto/base/bytes.h"
#include "proto/limits.h"
#include "server/engine/session.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct processes {
  uint8_t machine[HF_MACHINE_BYTES_MAX];
  size_t machine_len;
  int poll, stop;    /* descriptors */
  size_t count, max; /* of descriptors that are open; the others are for connections */
  pthread_t thread;
  void (*ended)(void *ctx, uint64_t tag);
  void *ctx;
};

/* false: no thread or descriptors could be had. */
bool processes_start(struct processes *processes, void (*ended)(void *ctx, uint64_t tag),
                     void *ctx);
void processes_stop(struct processes *processes);
/* A descriptor for the process of that id on that machine, which may have ended. Else PROCESS_HIDDEN
 * it runs here, but its id says nothing, as in another container, or half of all descriptors are for
 * processes already | PROCESS_ELSEWHERE */
int processes_open(struct processes *processes, struct bytes machine, uint64_t id);
/* Calls back with the tag once, when the process has ended, or has already. */
void processes_watch(struct processes *processes, int process, uint64_t tag);
/* Whether the process has the thread; true when that can't be told. */
bool processes_have_thread(uint64_t id, uint32_t thread);
/* Closes it; a call back that is under way may still come. */
void processes_forget(struct processes *processes, int process);

#endif
