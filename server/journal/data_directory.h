/* The directory of --data: made if it is missing, mode 0700; one server at a time.
 *
 * layer   journal
 */
#ifndef HF_JOURNAL_DATA_DIRECTORY_H
#define HF_JOURNAL_DATA_DIRECTORY_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DATA_ERROR_BYTES 512

/* Two descriptors that lock the directory until they are closed: of its file `lock`, which has the process's id, and
 * of itself, since anybody may remove that file. */
struct data_lock {
  int file, directory;
};
/* false: error is filled; another server's process is named. */
bool data_directory_lock(const char *path, struct data_lock *lock, char error[DATA_ERROR_BYTES]);
void data_directory_unlock(const struct data_lock *lock);
/* Whether a server of this user may begin there, or go on, which is not tried: another one may be serving. Changes
 * nothing. false: error is filled. */
bool data_directory_check(const char *path, char error[DATA_ERROR_BYTES]);
/* A descriptor: while it is open no server removes snapshots and parts of the journal that newer ones make
 * obsolete. -1: errno. */
int data_directory_keep(const char *path);
/* A descriptor while which nobody begins to read, for one that removes; -1: somebody reads. */
int data_directory_begin_removal(const char *path);

/* Whether there is nothing but what a lock, or an empty file system, has. */
bool data_directory_is_empty(const char *path);
/* In between no server starts on it: what was restored is not whole. At the end root's files in it become its
 * owner's. false: errno. */
bool data_directory_begin_filling(const char *path);
bool data_directory_end_filling(const char *path);
bool data_directory_is_unfinished(const char *path);
/* Removes all files of one that was empty, and the directory itself unless it is to stay. */
void data_directory_empty(const char *path, bool stays);

/* Bytes that its file system has left for the server's user. UINT64_MAX: unknown. */
uint64_t data_directory_free_bytes(const char *path);
/* Whether that errno says so. */
static inline bool data_directory_is_full(int error) {
  return error == ENOSPC || error == EDQUOT;
}
/* Makes the entries of the directory durable. */
bool data_directory_sync(const char *path);

/* The numbers of its files PREFIXnumberSUFFIX, in their order. */
struct data_files {
  uint64_t *numbers; /* malloc; freed by the caller */
  size_t count;
};
/* false: the directory can't be read (errno), and there are none. */
bool data_directory_list(const char *path, const char *prefix, const char *suffix,
                         struct data_files *files);

#endif
