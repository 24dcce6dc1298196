#include "tests/support/failing_files.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct failing_files *files;

__attribute__((constructor)) static void find_memory(void) {
  const char *path = getenv(FAILING_FILES_VARIABLE);
  int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (fd >= 0) {
    void *map = mmap(NULL, sizeof *files, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    files = map == MAP_FAILED ? NULL : map;
    close(fd);
  }
}

/* ---- what becomes of a call */

enum outcome { GOES_ON, FAILS, IS_DROPPED };

static bool is_below(int fd, char path[sizeof files->path]) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t len = fd > STDERR_FILENO ? readlink(link, path, sizeof files->path - 1) : -1;
  path[len > 0 ? len : 0] = '\0';
  return len > 0 && strncmp(path, files->directory, strlen(files->directory)) == 0;
}

/* Counts down to 0, and stays there. */
static bool is_last(void) {
  long long left = atomic_load(&files->left);
  while (left > 0 && !atomic_compare_exchange_weak(&files->left, &left, left - 1)) {
  }
  return left == 1;
}

static enum outcome decide(int fd, enum failing_call call) {
  char path[sizeof files->path];
  int error = errno;
  bool concerns = files && is_below(fd, path);
  errno = error;
  if (!concerns) {
    return GOES_ON;
  }
  atomic_fetch_add(&files->calls, 1);
  if (atomic_load(&files->process) == getpid()) {
    atomic_fetch_add(&files->dropped, 1);
    return IS_DROPPED;
  }
  if (!is_last()) {
    return GOES_ON;
  }
  memcpy(files->path, path, sizeof path);
  atomic_store(&files->call, (int)call);
  atomic_store(&files->process, getpid());
  errno = EIO;
  return FAILS;
}

/* ---- the calls */

#define REAL(name) ((__typeof__(&(name)))(uintptr_t)dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t len) {
  enum outcome outcome = decide(fd, FAILING_WRITE);
  if (outcome == FAILS && atomic_load(&files->is_torn)) {
    (void)!REAL(write)(fd, data, len / 2);
    errno = EIO;
  }
  return outcome == GOES_ON ? REAL(write)(fd, data, len) : outcome == FAILS ? -1 : (ssize_t)len;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset) {
  enum outcome outcome = decide(fd, FAILING_WRITE);
  if (outcome == FAILS && atomic_load(&files->is_torn)) {
    (void)!REAL(pwrite64)(fd, data, len / 2, offset);
    errno = EIO;
  }
  return outcome == GOES_ON ? REAL(pwrite64)(fd, data, len, offset)
         : outcome == FAILS ? -1
                            : (ssize_t)len;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset) {
  return pwrite64(fd, data, len, offset);
}

int fsync(int fd) {
  enum outcome outcome = decide(fd, FAILING_SYNC);
  return outcome == GOES_ON ? REAL(fsync)(fd) : outcome == FAILS ? -1 : 0;
}

static void hang(int fd) {
  char path[sizeof files->path];
  unsigned long long each = files ? atomic_load(&files->hangs_each) : 0;
  if (each > 0 && is_below(fd, path) && (atomic_fetch_add(&files->syncs, 1) + 1) % each == 0) {
    atomic_fetch_add(&files->hangs, 1);
    usleep((useconds_t)atomic_load(&files->hang_us));
  }
}

int fdatasync(int fd) {
  hang(fd);
  enum outcome outcome = decide(fd, FAILING_SYNC);
  return outcome == GOES_ON ? REAL(fdatasync)(fd) : outcome == FAILS ? -1 : 0;
}
