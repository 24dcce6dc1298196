/* A part of the journal: one file of sqlite, with the batches from its own number on.
 *
 * layer   journal
 * threads one at a time
 */
#ifndef HF_JOURNAL_JOURNAL_PART_H
#define HF_JOURNAL_JOURNAL_PART_H

#include "proto/base/bytes.h"

#include <limits.h>
#include <sqlite3.h>

#define PART_WHY_BYTES 256
#define PART_ROWS_MAX 256
/* Rows are read until they have so many bytes. */
#define PART_CHUNK_BYTES ((size_t)1 << 20)

enum part_result {
  PART_OK,
  PART_FULL,        /* no room on the disk; all is as before */
  PART_BUSY,        /* another process has it */
  PART_UNAVAILABLE, /* memory ran out, or the file can't be opened or is of a newer format: no damage */
  PART_BROKEN,      /* what is there is damaged, or a write or sync failed */
};

struct part_settings {
  const char *directory; /* borrowed, as is vfs */
  const char *vfs;       /* NULL: sqlite's own */
  bool is_synced;        /* at each commit */
  bool is_read_only;
  bool
      is_exclusive; /* no other process has it, or PART_BUSY; then opening needs no room on the disk */
};

/* {0}: closed. */
struct journal_part {
  sqlite3 *db;
  sqlite3_stmt *insert, *select;
  uint64_t first;           /* its number */
  int log_pages;            /* of the write-ahead log */
  bool is_newer;            /* of a format that is */
  char why[PART_WHY_BYTES]; /* of the last result that was not PART_OK */
};

/* The path of a part's file, or of one beside it: "", "-wal", "-shm". */
void part_path(char path[PATH_MAX], const char *directory, uint64_t first, const char *suffix);
/* Numbers of parts: see data_directory_list. */
#define PART_PREFIX "journal-"
#define PART_SUFFIX ".sqlite"

/* Makes an empty file: it is there whole, with its entry in the directory, or not at all. */
enum part_result part_create(struct journal_part *part, const struct part_settings *settings,
                             uint64_t first);
enum part_result part_open(struct journal_part *part, const struct part_settings *settings,
                           uint64_t first);
/* Closed, its content is in one file, unless another process reads it. why stays. */
void part_close(struct journal_part *part);
/* Removes the file of a part that is not open, and those beside it. false: errno. */
bool part_remove(const char *directory, uint64_t first);
/* A file with the batches through `last`, which can be read, in the place of a part's that is damaged behind them: whole,
 * or not at all. Takes as much room as they do. */
enum part_result part_rewrite(struct journal_part *part, const struct part_settings *settings,
                              uint64_t first, uint64_t last);
/* What servers left that were killed while they made a part. None is made meanwhile. */
void part_remove_unfinished(const char *directory);

/* The last batch that it has; the one before its first if there is none. */
enum part_result part_last(struct journal_part *part, uint64_t *last);
enum part_result part_append(struct journal_part *part, uint64_t index, struct bytes batch);
/* Moves the write-ahead log to where it belongs. What another process reads stays; so it does if the disk is
 * full. */
enum part_result part_checkpoint(struct journal_part *part);
/* Brings all commits to the disk. */
enum part_result part_sync(struct journal_part *part);

/* Some rows: {0}, then filled again and again. */
struct part_rows {
  uint8_t *data; /* malloc; freed by the caller */
  size_t len, capacity;
  size_t count;
  struct part_row {
    uint64_t index;
    size_t at, len; /* in data */
  } rows[PART_ROWS_MAX];
};
/* The next ones behind the batch `from` and before `until`, in a read transaction as short as that. None: the
 * end. What is wrong is answered when nothing is left before it. */
enum part_result part_read(struct journal_part *part, uint64_t from, uint64_t until,
                           struct part_rows *rows);

#endif
