/* Batches in files of sqlite: journal-INDEX.sqlite, named by the first batch they are for, one row a batch;
 * write-ahead log, one commit a batch.
 *
 *   journal-1.sqlite      1 ... 40      a part by itself: cut
 *   journal-41.sqlite    41 ... 57      the last one, which is appended to
 *   acknowledged         57             written, not synced, behind each commit or sync: so many were durable
 *
 * A file's batches end where the next file begins. An end that is lost is found by its successor's name, the
 * last one's by `acknowledged`, which can't be ahead: for sqlite a damaged end of its log is a torn commit.
 *
 * layer   journal
 * threads one at a time, but for bytes and sqlite_backend_p99_ns: any
 */
#ifndef HF_JOURNAL_SQLITE_BACKEND_H
#define HF_JOURNAL_SQLITE_BACKEND_H

#include "server/journal/backend.h"

enum journal_sync {
  JOURNAL_SYNC_ALWAYS, /* each commit is on the disk */
  JOURNAL_SYNC_NEVER,  /* the kernel writes when it likes; or sqlite_backend_sync does */
};

struct sqlite_options {
  const char *directory; /* copied */
  const char *vfs;       /* NULL: sqlite's own */
  enum journal_sync sync;
  bool is_read_only;         /* another process appends */
  uint32_t checkpoint_pages; /* of the write-ahead log, until they are moved; 0: 1000 */
};

/* NULL: sink->lost was called. */
struct journal_backend *sqlite_backend_open(const struct sqlite_options *options,
                                            const struct journal_sink *sink);
/* The last batch that is there; 0: none. false: lost was called. */
bool sqlite_backend_last(struct journal_backend *backend, uint64_t *last);
/* Brings all that was appended to the disk: with JOURNAL_SYNC_NEVER, in intervals. false: lost was called. */
bool sqlite_backend_sync(struct journal_backend *backend);
/* Gives up all batches behind `index`, which are damaged or missing: the next one is index + 1. Before the first
 * append. false: lost was called. */
bool sqlite_backend_drop_behind(struct journal_backend *backend, uint64_t index);
/* Of the last 1000 commits: the time of the slowest one in a hundred; 0: none yet. */
uint64_t sqlite_backend_p99_ns(const struct journal_backend *backend);

#endif
