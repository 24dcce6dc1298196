#include "server/dispatch/processes.h"

#include "proto/machine.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EVENTS_MAX 64
/* Tags are never 0. */
#define STOP_TAG 0

static void *run(void *arg) {
  struct processes *processes = arg;
  struct epoll_event events[EVENTS_MAX];
  for (;;) {
    int count = epoll_wait(processes->poll, events, EVENTS_MAX, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.u64 == STOP_TAG) {
        return NULL;
      }
      processes->ended(processes->ctx, events[i].data.u64);
    }
  }
}

static bool add(int poll, int op, int descriptor, uint64_t tag) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data = {.u64 = tag}};
  return epoll_ctl(poll, op, descriptor, &event) == 0;
}

static size_t half_of_descriptors(void) {
  struct rlimit limit;
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (size_t)(limit.rlim_cur / 2) : 0;
}

static void close_both(struct processes *processes) {
  if (processes->poll >= 0) {
    close(processes->poll);
  }
  if (processes->stop >= 0) {
    close(processes->stop);
  }
}

bool processes_start(struct processes *processes, void (*ended)(void *ctx, uint64_t tag),
                     void *ctx) {
  *processes = (struct processes){.ended = ended, .ctx = ctx, .max = half_of_descriptors()};
  processes->machine_len = machine_id(processes->machine, sizeof processes->machine);
  processes->poll = epoll_create1(EPOLL_CLOEXEC);
  processes->stop = eventfd(0, EFD_CLOEXEC);
  if (processes->poll >= 0 && processes->stop >= 0 &&
      add(processes->poll, EPOLL_CTL_ADD, processes->stop, STOP_TAG) &&
      pthread_create(&processes->thread, NULL, run, processes) == 0) {
    return true;
  }
  close_both(processes);
  return false;
}

void processes_stop(struct processes *processes) {
  const uint64_t one = 1;
  ssize_t written = write(processes->stop, &one, sizeof one);
  (void)written; /* 8 bytes into an empty counter */
  pthread_join(processes->thread, NULL);
  close_both(processes);
}

/* -1: it can't be had. */
static int open_process(pid_t id) {
  int process = (int)syscall(SYS_pidfd_open, id, 0);
  if (process < 0 && errno == ESRCH) {
    return eventfd(1, EFD_CLOEXEC); /* readable, as that of a process that has ended */
  }
  return process;
}

/* The first len bytes of its machine's name are those of ours. */
static bool agrees(const struct processes *processes, struct bytes machine, size_t len) {
  return processes->machine_len >= len && machine.len >= len &&
         memcmp(machine.data, processes->machine, len) == 0;
}

int processes_open(struct processes *processes, struct bytes machine, uint64_t id) {
  if (!agrees(processes, machine, MACHINE_BOOT_ID_BYTES)) {
    return PROCESS_ELSEWHERE;
  }
  bool is_seen = machine.len == processes->machine_len && agrees(processes, machine, machine.len);
  if (!is_seen || id == 0 || id > INT_MAX || processes->count >= processes->max) {
    return PROCESS_HIDDEN;
  }
  int process = open_process((pid_t)id);
  processes->count += process >= 0;
  return process >= 0 ? process : PROCESS_HIDDEN;
}

void processes_watch(struct processes *processes, int process, uint64_t tag) {
  if (!add(processes->poll, EPOLL_CTL_MOD, process, tag)) {
    add(processes->poll, EPOLL_CTL_ADD, process, tag); /* failing that, the grace time will do */
  }
}

bool processes_have_thread(uint64_t id, uint32_t thread) {
  return syscall(SYS_tgkill, (pid_t)id, (pid_t)thread, 0) == 0 || errno != ESRCH;
}

void processes_forget(struct processes *processes, int process) {
  processes->count--;
  close(process);
}
