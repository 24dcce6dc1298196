/* A disk that can fail, and whose cache can be lost: it records what is written into one directory, by the calls of
 * HF_DISK_HOOK and by sqlite through faulty_vfs.h, and makes the directory as it may be found after a crash.
 *
 *   run:    writes, syncs, renames ... --> the real directory, and a list of operations
 *   image:  the first n operations; of what was not synced until then any part is lost
 *
 * Content is durable when its file is synced, an entry (new, renamed, removed) when its directory is. Until
 * then each sector of each write, each truncation and each change of an entry is kept or lost by itself.
 *
 * threads one
 */
#ifndef HF_TESTS_FAULTY_DISK_H
#define HF_TESTS_FAULTY_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/support/random.h"

/* Begins to record what happens in the directory, which is empty. */
void faulty_disk_begin(const char *directory);
void faulty_disk_end(void);
/* Operations so far. */
size_t faulty_disk_operations(void);

/* What becomes of the n-th write, sync or change of an entry from now on (from 1). */
enum disk_fault {
  DISK_FINE,
  DISK_FAILS,     /* EIO, nothing is written */
  DISK_IS_SHORT,  /* EIO, a part is written */
  DISK_IS_FULL,   /* it and all later writes: ENOSPC; a part of the first is written */
  DISK_IS_BROKEN, /* it and all later ones: EIO */
};
void faulty_disk_fail(size_t n, enum disk_fault fault);
/* Whether that has happened. */
bool faulty_disk_has_failed(void);

/* What is lost of what was not synced. */
enum disk_loss { DISK_LOSES_NOTHING, DISK_LOSES_ALL, DISK_LOSES_SOME };
/* Makes the image after the first n operations in an empty directory. random: for DISK_LOSES_SOME. */
void faulty_disk_make_image(size_t n, enum disk_loss loss, struct random *random,
                            const char *directory);

/* An empty directory of the test's own, in memory if there is such a file system. Its path is in `path`. */
#define DISK_PATH_BYTES 128
void faulty_disk_make_directory(char path[DISK_PATH_BYTES]);
/* Removes all files in it, or it, too. */
void faulty_disk_clear_directory(const char *path);
void faulty_disk_remove_directory(const char *path);

/* ---- for faulty_vfs.c: they answer false for a file elsewhere; true, then the operation is recorded. */

/* The number of the file of that path; -1: not in the directory. is_new: it was not there. */
int faulty_disk_find(const char *path, bool is_new);
/* What is to happen; *len is made smaller when a part is written. len NULL: it takes no room. */
enum disk_fault faulty_disk_next(size_t *len);
void faulty_disk_note_write(int file, uint64_t offset, const void *data, size_t len);
void faulty_disk_note_truncate(int file, uint64_t len);
void faulty_disk_note_sync(int file);
void faulty_disk_note_unlink(const char *path);
void faulty_disk_note_directory_sync(void);

#endif
