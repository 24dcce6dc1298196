#include "tests/support/faulty_vfs.h"

#include "tests/support/faulty_disk.h"

#include <assert.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

struct faulty_file {
  sqlite3_file base;
  int number;           /* of faulty_disk.h; -1: not recorded */
  bool syncs_directory; /* at its first sync, as sqlite's own: a new log */
  sqlite3_file real[];
};

static sqlite3_vfs *own, faulty;

static struct faulty_file *of(sqlite3_file *file) {
  return (struct faulty_file *)file;
}

static sqlite3_file *real(sqlite3_file *file) {
  return of(file)->real;
}

static int error_of(enum disk_fault fault, int error) {
  return fault == DISK_IS_FULL ? SQLITE_FULL : error;
}

static int close_file(sqlite3_file *file) {
  return real(file)->pMethods->xClose(real(file));
}

static int read_file(sqlite3_file *file, void *into, int len, sqlite3_int64 offset) {
  return real(file)->pMethods->xRead(real(file), into, len, offset);
}

static int write_file(sqlite3_file *file, const void *data, int len, sqlite3_int64 offset) {
  int number = of(file)->number;
  size_t part = (size_t)len;
  enum disk_fault fault = number >= 0 ? faulty_disk_next(&part) : DISK_FINE;
  int rc = SQLITE_OK;
  if (part > 0) {
    rc = real(file)->pMethods->xWrite(real(file), data, (int)part, offset);
    faulty_disk_note_write(number, (uint64_t)offset, data, part);
  }
  return fault == DISK_FINE ? rc : error_of(fault, SQLITE_IOERR_WRITE);
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 len) {
  if (of(file)->number >= 0 && faulty_disk_next(NULL) != DISK_FINE) {
    return SQLITE_IOERR_TRUNCATE;
  }
  faulty_disk_note_truncate(of(file)->number, (uint64_t)len);
  return real(file)->pMethods->xTruncate(real(file), len);
}

/* Not synced in truth: the image is what counts. */
static int sync_file(sqlite3_file *file, int flags) {
  (void)flags;
  if (of(file)->number < 0) {
    return SQLITE_OK;
  }
  if (faulty_disk_next(NULL) != DISK_FINE) {
    return SQLITE_IOERR_FSYNC;
  }
  faulty_disk_note_sync(of(file)->number);
  if (of(file)->syncs_directory) {
    of(file)->syncs_directory = false;
    faulty_disk_note_directory_sync();
  }
  return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size) {
  return real(file)->pMethods->xFileSize(real(file), size);
}

static int lock_file(sqlite3_file *file, int level) {
  return real(file)->pMethods->xLock(real(file), level);
}

static int unlock_file(sqlite3_file *file, int level) {
  return real(file)->pMethods->xUnlock(real(file), level);
}

static int check_lock(sqlite3_file *file, int *is_reserved) {
  return real(file)->pMethods->xCheckReservedLock(real(file), is_reserved);
}

static int control_file(sqlite3_file *file, int what, void *argument) {
  return real(file)->pMethods->xFileControl(real(file), what, argument);
}

static int sector_size(sqlite3_file *file) {
  return real(file)->pMethods->xSectorSize(real(file));
}

static int device(sqlite3_file *file) {
  return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

static int map_shared(sqlite3_file *file, int page, int size, int extend, void volatile **at) {
  return real(file)->pMethods->xShmMap(real(file), page, size, extend, at);
}

static int lock_shared(sqlite3_file *file, int offset, int n, int flags) {
  return real(file)->pMethods->xShmLock(real(file), offset, n, flags);
}

static void order_shared(sqlite3_file *file) {
  real(file)->pMethods->xShmBarrier(real(file));
}

static int unmap_shared(sqlite3_file *file, int is_removed) {
  return real(file)->pMethods->xShmUnmap(real(file), is_removed);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = file_size,
    .xLock = lock_file,
    .xUnlock = unlock_file,
    .xCheckReservedLock = check_lock,
    .xFileControl = control_file,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = device,
    .xShmMap = map_shared,
    .xShmLock = lock_shared,
    .xShmBarrier = order_shared,
    .xShmUnmap = unmap_shared,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *out_flags) {
  (void)vfs;
  bool is_new = name && flags & SQLITE_OPEN_CREATE && access(name, F_OK) != 0;
  file->pMethods = NULL;
  int rc = own->xOpen(own, name, real(file), flags, out_flags);
  if (rc == SQLITE_OK) {
    file->pMethods = &methods;
    of(file)->number = name ? faulty_disk_find(name, is_new) : -1;
    of(file)->syncs_directory = is_new && flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL);
  }
  return rc;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int syncs_directory) {
  (void)vfs;
  if (access(name, F_OK) == 0 && faulty_disk_find(name, false) >= 0 &&
      faulty_disk_next(NULL) != DISK_FINE) {
    return SQLITE_IOERR_DELETE;
  }
  int rc = own->xDelete(own, name, syncs_directory);
  if (rc == SQLITE_OK) {
    faulty_disk_note_unlink(name);
    if (syncs_directory) {
      faulty_disk_note_directory_sync();
    }
  }
  return rc;
}

void faulty_vfs_register(void) {
  own = sqlite3_vfs_find(NULL);
  assert(own);
  faulty = *own;
  faulty.zName = FAULTY_VFS;
  faulty.pNext = NULL;
  faulty.szOsFile = (int)sizeof(struct faulty_file) + own->szOsFile;
  faulty.xOpen = open_file;
  faulty.xDelete = delete_file;
  sqlite3_vfs_register(&faulty, 0);
}
