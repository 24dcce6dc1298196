#include "server/journal/sqlite_calls.h"

#include "server/journal/directory_syncs.h"
#include "server/journal/openings.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <unistd.h>

static _Thread_local int failure; /* errno; 0: none */

static ssize_t write_at(int fd, const void *data, size_t len, off_t offset) {
  ssize_t written = pwrite(fd, data, len, offset);
  failure = written < 0 ? errno : 0;
  return written;
}

int sqlite_calls_failure(void) {
  return failure;
}

_Static_assert(sizeof(off_t) == 8, "as pwrite64 has it");

static void begin(void) {
  sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
  if (vfs && vfs->iVersion >= 3) {
    vfs->xSetSystemCall(vfs, "open", (sqlite3_syscall_ptr)openings_open);
    vfs->xSetSystemCall(vfs, "openDirectory", (sqlite3_syscall_ptr)directory_syncs_open);
    /* It is built with one of both; an off_t has 64 bits. */
    vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)write_at);
    vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)write_at);
  }
}

void sqlite_calls_begin(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, begin);
}
