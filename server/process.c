#include "server/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/* nng 1.5.2 starts two task threads a processor, 16 at most, one expiry thread a processor, 8 at
 * most, and seven others; our own are 15, see ARCHITECTURE.md. */
#define NNG_TASK_THREADS_MAX 16
#define NNG_EXPIRE_THREADS_MAX 8
#define OTHER_THREADS 22
#define THREADS_MAX (NNG_TASK_THREADS_MAX + NNG_EXPIRE_THREADS_MAX + OTHER_THREADS)
/* Address space beside stacks: first allocations of each thread, buffers of a few clients. */
#define SPARE_BYTES ((size_t)32 << 20)
/* How soon a signal is noticed without a signalfd. */
#define RETRY_MS 100

void process_fill_descriptors(void) {
  int fd;
  do {
    fd = open("/dev/null", O_RDWR); /* the lowest that is free; inherited as the others are */
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) {
    close(fd);
  }
}

void process_block_signals(sigset_t *ends) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  /* A limit on file sizes applies to memfds too: then ftruncate answers EFBIG, and the server does
   * without shared memory. */
  signal(SIGXFSZ, SIG_IGN);
  /* The soft limit of processor time: the hard one kills, and is the one meant to. */
  signal(SIGXCPU, SIG_IGN);
  sigemptyset(ends);
  sigaddset(ends, SIGTERM);
  sigaddset(ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, ends, NULL);
}

bool process_has_to_end(const sigset_t *ends) {
  sigset_t pending;
  return sigpending(&pending) == 0 &&
         ((sigismember(ends, SIGTERM) == 1 && sigismember(&pending, SIGTERM) == 1) ||
          (sigismember(ends, SIGINT) == 1 && sigismember(&pending, SIGINT) == 1));
}

int process_watch(pid_t pid) {
  return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int wait_for_signal(const sigset_t *ends) {
  int signal_number = 0;
  while (sigwait(ends, &signal_number) != 0) {
  }
  return signal_number;
}

int process_wait(const sigset_t *ends, int watch) {
  if (watch < 0) {
    return wait_for_signal(ends);
  }
  int signals = signalfd(-1, ends, SFD_CLOEXEC); /* -1, e.g. no descriptor is left: retries */
  struct pollfd events[] = {{.fd = watch, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
  while (poll(events, 2, signals < 0 ? RETRY_MS : -1) <= 0 && !process_has_to_end(ends)) {
  }
  if (signals >= 0) {
    close(signals);
  }
  return process_has_to_end(ends) ? wait_for_signal(ends) : 0;
}

static void *wait_at_gate(void *gate) {
  pthread_mutex_lock(gate);
  pthread_mutex_unlock(gate);
  return NULL;
}

static size_t threads_needed(void) {
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  size_t count = processors < 1 ? 1 : (size_t)processors;
  size_t task_count = 2 * count < NNG_TASK_THREADS_MAX ? 2 * count : NNG_TASK_THREADS_MAX;
  return task_count + (count < NNG_EXPIRE_THREADS_MAX ? count : NNG_EXPIRE_THREADS_MAX) +
         OTHER_THREADS;
}

/* All at the same time, each with its stack. */
static int try_threads(size_t wanted) {
  pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
  pthread_t threads[THREADS_MAX];
  size_t count = 0;
  int rc = 0;
  pthread_mutex_lock(&gate);
  while (count < wanted && (rc = pthread_create(&threads[count], NULL, wait_at_gate, &gate)) == 0) {
    count++;
  }
  pthread_mutex_unlock(&gate);
  while (count > 0) {
    pthread_join(threads[--count], NULL);
  }
  pthread_mutex_destroy(&gate);
  return rc;
}

bool process_has_room(void) {
  void *spare = mmap(NULL, SPARE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (spare == MAP_FAILED) {
    return false;
  }
  int rc = try_threads(threads_needed());
  munmap(spare, SPARE_BYTES);
  errno = rc;
  return rc == 0;
}
