#include "server/process.h"

#include "proto/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
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

uint64_t process_descriptors_max(void) {
  struct rlimit limit;
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : UINT64_MAX;
}

void process_block_signals(sigset_t *signals) {
  signal(SIGPIPE, SIG_IGN);
  /* A limit on file sizes applies to memfds too: then ftruncate answers EFBIG, and the server does
   * without shared memory. */
  signal(SIGXFSZ, SIG_IGN);
  /* The soft limit of processor time: the hard one kills, and is the one meant to. */
  signal(SIGXCPU, SIG_IGN);
  sigemptyset(signals);
  sigaddset(signals, SIGTERM);
  sigaddset(signals, SIGINT);
  sigaddset(signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, signals, NULL);
}

bool process_has_to_end(void) {
  sigset_t pending;
  return sigpending(&pending) == 0 &&
         (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

int process_watch(pid_t pid) {
  return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* 0: none is pending. */
static int take_signal(const sigset_t *signals) {
  int signal_number = sigtimedwait(signals, NULL, &(struct timespec){0});
  return signal_number > 0 ? signal_number : 0;
}

/* Until one of the events, or the deadline; without a signalfd for a moment only. */
static void wait_for_events(struct pollfd events[2], uint64_t now_ns, uint64_t deadline_ns) {
  uint64_t left_ms = (deadline_ns - now_ns) / CLOCK_NS_PER_MS + 1;
  left_ms = events[0].fd < 0 && left_ms > RETRY_MS ? RETRY_MS : left_ms;
  (void)poll(events, 2, (int)left_ms);
}

int process_wait(const sigset_t *signals, int watch, uint32_t timeout_ms) {
  struct pollfd events[] = {{.fd = signalfd(-1, signals, SFD_CLOEXEC), .events = POLLIN},
                            {.fd = watch, .events = POLLIN}}; /* -1 is passed over */
  uint64_t now_ns = clock_now_ns(), deadline_ns = clock_deadline_ns(now_ns, timeout_ms);
  int signal_number;
  while ((signal_number = take_signal(signals)) == 0 && !(events[1].revents & POLLIN) &&
         now_ns < deadline_ns) {
    wait_for_events(events, now_ns, deadline_ns);
    now_ns = clock_now_ns();
  }
  if (events[0].fd >= 0) {
    close(events[0].fd);
  }
  if (signal_number > 0) {
    return signal_number;
  }
  return events[1].revents & POLLIN ? 0 : PROCESS_TIMED_OUT;
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
