/* A journal's files are written and replayed: what its backend says, and whether the batches are those that were
 * written, which are the same for the same number.
 *
 * The test links faulty_disk.h, whose operations are counted.
 */
#ifndef HF_TESTS_SUPPORT_SEEN_H
#define HF_TESTS_SUPPORT_SEEN_H

#include "server/journal/sqlite_backend.h"

#include <stddef.h>

#define SEEN_BATCHES_MAX 512

struct seen {
  uint64_t committed, last; /* last: of replay */
  uint64_t salt_from;       /* batches from this one on are made with salt 1; 0: none */
  uint64_t limit;           /* stops there */
  int losses;
  enum journal_loss why;
  char sentence[512];
  bool is_wrong; /* a batch that was never written, and looks right */
  /* By operations of the disk. */
  size_t acknowledged_at[SEEN_BATCHES_MAX], begun_at[SEEN_BATCHES_MAX];
};

/* *seen, which outlives the backend, is its sink. */
struct journal_backend *seen_open(struct seen *seen, const char *path, const char *vfs,
                                  enum journal_sync sync, bool is_read_only);
/* Whether it was committed. */
bool seen_append(struct journal_backend *backend, struct seen *seen, uint64_t index);
/* All have to be. */
void seen_append_all(struct journal_backend *backend, struct seen *seen, uint64_t from,
                     uint64_t through);
/* Replays what is in the directory; only salt_from is kept of *seen. */
bool seen_replay(struct seen *seen, const char *path, uint64_t from);
/* After the last test. */
void seen_end(void);

#endif
