#include "server/dispatch/processes.h"

#include "proto/base/descriptors.h"
#include "proto/machine.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EVENTS_MAX 64
/* Handles are never 0. */
#define STOP_TAG 0

struct process {
  int handle;
  int descriptor;
  uint64_t id;
  bool is_local;         /* some local client has named it */
  size_t users;          /* sessions that have the handle */
  struct map64 watchers; /* session -> non-NULL: called back when the process ends */
};

/* Removes and answers a watcher; 0: none. One at a time, because the callback is made without the
 * mutex. */
static uint64_t next_watcher(struct processes *processes, int handle) {
  uint64_t position = 0;
  uint64_t session = 0;
  void *unused;
  pthread_mutex_lock(&processes->mutex);
  struct process *process = map64_get(&processes->by_handle, (uint64_t)handle);
  struct pollfd end = {.fd = process ? process->descriptor : -1, .events = POLLIN};
  /* The event may be of an earlier process with the same handle. */
  if (process && poll(&end, 1, 0) == 1 &&
      map64_next(&process->watchers, &position, &session, &unused)) {
    map64_remove(&process->watchers, session);
  }
  pthread_mutex_unlock(&processes->mutex);
  return session;
}

static void report_end(struct processes *processes, int handle) {
  uint64_t session;
  while ((session = next_watcher(processes, handle))) {
    processes->ended(processes->ctx, session);
  }
}

static void *run(void *arg) {
  struct processes *processes = arg;
  struct epoll_event events[EVENTS_MAX];
  for (;;) {
    int count = epoll_wait(processes->poll, events, EVENTS_MAX, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.u64 == STOP_TAG) {
        return NULL;
      }
      report_end(processes, (int)events[i].data.u64);
    }
  }
}

static bool add(int poll, int op, int descriptor, uint64_t tag) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data = {.u64 = tag}};
  return epoll_ctl(poll, op, descriptor, &event) == 0;
}

static size_t third_of_descriptors(void) {
  struct rlimit limit;
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (size_t)(limit.rlim_cur / 3) : 0;
}

static void close_both(struct processes *processes) {
  if (processes->poll >= 0) {
    close(processes->poll);
  }
  if (processes->stop >= 0) {
    close(processes->stop);
  }
}

bool processes_start(struct processes *processes, void (*ended)(void *ctx, uint64_t session),
                     void *ctx) {
  *processes = (struct processes){.ended = ended, .ctx = ctx, .max = third_of_descriptors()};
  pthread_mutex_init(&processes->mutex, NULL);
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

/* A descriptor that is readable once the process has ended; -1: none. */
static int open_descriptor(pid_t id) {
  int process = (int)syscall(SYS_pidfd_open, id, 0);
  if (process < 0 && errno == ESRCH) {
    process = eventfd(1, EFD_CLOEXEC); /* the process has ended: readable */
  }
  return descriptors_for_client(process);
}

/* Whether the first len bytes of the machine's name are those of this machine's. */
static bool agrees(const struct processes *processes, struct bytes machine, size_t len) {
  return processes->machine_len >= len && machine.len >= len &&
         memcmp(machine.data, processes->machine, len) == 0;
}

static bool has_ended(const struct process *process) {
  struct pollfd end = {.fd = process->descriptor, .events = POLLIN};
  return poll(&end, 1, 0) == 1;
}

static bool has_room(const struct processes *processes, bool is_local) {
  return processes->by_handle.count < processes->max &&
         (is_local || processes->remote_count < processes->max / 2);
}

static int next_handle(struct processes *processes) {
  do {
    processes->last_handle = processes->last_handle < INT_MAX ? processes->last_handle + 1 : 1;
  } while (map64_get(&processes->by_handle, (uint64_t)processes->last_handle));
  return processes->last_handle;
}

/* NULL: no room, no descriptor or no memory. */
static struct process *add_process(struct processes *processes, uint64_t id, bool is_local) {
  struct process *process = has_room(processes, is_local) ? malloc(sizeof *process) : NULL;
  if (!process) {
    return NULL;
  }
  *process = (struct process){.handle = next_handle(processes),
                              .descriptor = open_descriptor((pid_t)id),
                              .id = id,
                              .is_local = is_local};
  if (process->descriptor >= 0 &&
      map64_set(&processes->by_handle, (uint64_t)process->handle, process)) {
    if (map64_set(&processes->by_id, id, process)) {
      processes->remote_count += !is_local;
      return process;
    }
    map64_remove(&processes->by_handle, (uint64_t)process->handle);
  }
  if (process->descriptor >= 0) {
    close(process->descriptor);
  }
  free(process);
  return NULL;
}

/* The process that has the id now. */
static struct process *find_process(struct processes *processes, uint64_t id, bool is_local) {
  struct process *process = map64_get(&processes->by_id, id);
  bool is_new = process && has_ended(process) && (kill((pid_t)id, 0) == 0 || errno != ESRCH);
  if (!process || is_new) {
    return add_process(processes, id, is_local);
  }
  if (is_local && !process->is_local) {
    process->is_local = true;
    processes->remote_count--;
  }
  return process;
}

int processes_open(struct processes *processes, struct bytes machine, uint64_t id, bool is_local) {
  if (!agrees(processes, machine, MACHINE_BOOT_ID_BYTES)) {
    return PROCESS_ELSEWHERE;
  }
  bool is_seen = machine.len == processes->machine_len && agrees(processes, machine, machine.len);
  if (!is_seen || id == 0 || id > INT_MAX) {
    return PROCESS_HIDDEN;
  }
  pthread_mutex_lock(&processes->mutex);
  struct process *process = find_process(processes, id, is_local);
  if (process) {
    process->users++;
  }
  int handle = process ? process->handle : PROCESS_HIDDEN;
  pthread_mutex_unlock(&processes->mutex);
  return handle;
}

bool processes_are_named(const Holdfast__Request *request, struct bytes *machine, uint64_t *id) {
  const ProtobufCBinaryData *name = NULL;
  switch (request->operation_case) {
    case HOLDFAST__REQUEST__OPERATION_OPEN_SESSION:
      name = &request->open_session->machine;
      *id = request->open_session->process;
      break;
    case HOLDFAST__REQUEST__OPERATION_RESUME_SESSION:
      name = &request->resume_session->machine;
      *id = request->resume_session->process;
      break;
    case HOLDFAST__REQUEST__OPERATION_FORK_SESSION:
      name = &request->fork_session->machine;
      *id = request->fork_session->process;
      break;
    default:
      break;
  }
  *machine = name ? bytes_of(name->data, name->len) : bytes_of(NULL, 0);
  return machine->len > 0;
}

void processes_watch(struct processes *processes, int handle, uint64_t session) {
  pthread_mutex_lock(&processes->mutex);
  struct process *process = map64_get(&processes->by_handle, (uint64_t)handle);
  uint64_t tag = (uint64_t)handle;
  /* Failing that, the grace time will do. */
  if (process && map64_set(&process->watchers, session, process) &&
      !add(processes->poll, EPOLL_CTL_MOD, process->descriptor, tag)) {
    add(processes->poll, EPOLL_CTL_ADD, process->descriptor, tag);
  }
  pthread_mutex_unlock(&processes->mutex);
}

static void remove_process(struct processes *processes, struct process *process) {
  map64_remove(&processes->by_handle, (uint64_t)process->handle);
  if (map64_get(&processes->by_id, process->id) == process) {
    map64_remove(&processes->by_id, process->id);
  }
  processes->remote_count -= !process->is_local;
  close(process->descriptor);
  map64_deinit(&process->watchers);
  free(process);
  if (processes->by_handle.count == 0) {
    map64_deinit(&processes->by_handle);
    map64_deinit(&processes->by_id);
  }
}

void processes_forget(struct processes *processes, int handle, uint64_t session) {
  pthread_mutex_lock(&processes->mutex);
  struct process *process = map64_get(&processes->by_handle, (uint64_t)handle);
  if (process) {
    if (session != 0) {
      map64_remove(&process->watchers, session);
    }
    if (--process->users == 0) {
      remove_process(processes, process);
    }
  }
  pthread_mutex_unlock(&processes->mutex);
}
