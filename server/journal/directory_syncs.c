#include "server/journal/directory_syncs.h"

#include "server/journal/data_directory.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static _Thread_local int failure; /* errno; 0: none */

/* In the place of opening the directory of that file, for sqlite to sync: it is synced here. Answers that it can't be
 * opened, after which sqlite does nothing. */
static int sync_directory_of(const char *file, int *directory) {
  char path[PATH_MAX];
  const char *name = strrchr(file, '/');
  int len = name > file ? (int)(name - file) : 1;
  snprintf(path, sizeof path, "%.*s", len, name ? file : ".");
  if (!data_directory_sync(path)) {
    failure = errno;
  }
  *directory = -1;
  return SQLITE_CANTOPEN;
}

static void begin(void) {
  sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
  if (vfs && vfs->iVersion >= 3) {
    vfs->xSetSystemCall(vfs, "openDirectory", (sqlite3_syscall_ptr)sync_directory_of);
  }
}

void directory_syncs_begin(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, begin);
}

bool directory_syncs_have_failed(void) {
  errno = failure;
  failure = 0;
  return errno != 0;
}
