#include "server/journal/directory_syncs.h"

#include "server/journal/data_directory.h"

#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static _Thread_local int failure; /* errno; 0: none */

int directory_syncs_open(const char *file, int *directory) {
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

bool directory_syncs_have_failed(void) {
  errno = failure;
  failure = 0;
  return errno != 0;
}
