#include "server/journal/openings.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define PAUSE_NS (10 * CLOCK_NS_PER_MS)
/* Between two log lines. */
#define LOG_NS (60000 * CLOCK_NS_PER_MS)

static _Atomic uint64_t silent_until_ns;
static _Thread_local int failure; /* errno; 0: none */

static void log_wait(int error) {
  uint64_t now_ns = clock_now_ns();
  if (now_ns >= atomic_load(&silent_until_ns)) {
    atomic_store(&silent_until_ns, now_ns + LOG_NS);
    log_line(LOG_ERROR,
             "the journal waits for a descriptor reason=\"%s; raise the limit on open files "
             "(ulimit -n, LimitNOFILE)\"",
             strerror(error));
  }
}

bool openings_await(void) {
  int error = errno;
  if (error != EMFILE && error != ENFILE) {
    return false;
  }
  log_wait(error);
  nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
  return true;
}

int openings_open(const char *path, int flags, int mode) {
  int fd;
  do {
    fd = open(path, flags, mode);
  } while (fd < 0 && openings_await());
  if (flags & O_CREAT) {
    failure = fd < 0 ? errno : 0;
  }
  return fd;
}

int openings_failure(void) {
  return failure;
}
