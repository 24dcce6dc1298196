#include "server/journal/sqlite_calls.h"

#include "server/journal/directory_syncs.h"
#include "server/journal/openings.h"

#include <pthread.h>
#include <sqlite3.h>

static void begin(void) {
  sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
  if (vfs && vfs->iVersion >= 3) {
    vfs->xSetSystemCall(vfs, "open", (sqlite3_syscall_ptr)openings_open);
    vfs->xSetSystemCall(vfs, "openDirectory", (sqlite3_syscall_ptr)directory_syncs_open);
  }
}

void sqlite_calls_begin(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, begin);
}
