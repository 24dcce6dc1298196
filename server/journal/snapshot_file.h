/* A snapshot as a file: snapshot-INDEX, the state after that batch.
 *
 *   magic | version | engine | index | epoch | digests | bytes | checksum of these     numbers of 8 bytes
 *   the engine's snapshot
 *   a checksum for each MiB of it
 *
 * It is written under another name, synced, renamed, and its directory synced: it is there whole or not at
 * all. Checksums as in checksum.h; any damage is found. Magic, version and the header's length and checksum are
 * the same in every version.
 *
 * layer   journal
 */
#ifndef HF_JOURNAL_SNAPSHOT_FILE_H
#define HF_JOURNAL_SNAPSHOT_FILE_H

#include "server/engine/snapshot_writer.h"

#include <stdint.h>
#include <stdio.h>

#define SNAPSHOT_ERROR_BYTES 512
/* Of the disk: for what the journal writes meanwhile. One that would take it is given up. */
#define SNAPSHOT_LEAVES_BYTES ((uint64_t)4 << 20)
#define SNAPSHOT_PREFIX "snapshot-" /* and the index: its name */

struct snapshot_header {
  uint64_t engine;  /* its revision: see engine/revision.h */
  uint64_t index;   /* of the last batch in it */
  uint64_t epoch;   /* of that batch */
  uint64_t digest;  /* as the next batch has it, see digest.h */
  uint64_t memory;  /* the digest of what the state counts for */
  uint64_t replies; /* the digest of replies alone */
  uint64_t bytes;   /* of the engine's snapshot */
};

struct snapshot_file;

/* NULL: error is filled. How many bytes there are is counted. */
struct snapshot_file *snapshot_file_create(const char *directory,
                                           const struct snapshot_header *header,
                                           char error[SNAPSHOT_ERROR_BYTES]);
/* For engine_snapshot. */
struct snapshot_writer snapshot_file_writer(struct snapshot_file *file);
/* Makes it the newest one, durable; frees. false: error is filled, and there is no new one. */
bool snapshot_file_commit(struct snapshot_file *file, char error[SNAPSHOT_ERROR_BYTES]);
void snapshot_file_abandon(struct snapshot_file *file);

/* The whole content, checked, mapped into memory; NULL content: none, error is filled unless there is no
 * snapshot at all. */
struct snapshot_content {
  struct snapshot_header header;
  struct bytes bytes;
  uint64_t damaged; /* 0: none is */
  void *map;        /* for snapshot_content_free */
  size_t map_bytes;
};
/* The newest one before `below`; UINT64_MAX: of all. One that is damaged is not passed over: error names it, and
 * content->damaged is its index, unless it is only of a newer format. */
bool snapshot_file_read_newest(const char *directory, uint64_t below,
                               struct snapshot_content *content, char error[SNAPSHOT_ERROR_BYTES]);
/* Reads the one with that index through. NULL: it is right, header is filled; else why it is not, behind its
 * name. */
const char *snapshot_file_check(const char *directory, uint64_t index,
                                struct snapshot_header *header);
/* Whether that says that nothing is damaged. */
bool snapshot_file_is_newer(const char *why);
void snapshot_content_free(struct snapshot_content *content);
/* Removes snapshots older than that one, and what was left of unfinished ones. */
void snapshot_file_remove_older(const char *directory, uint64_t index);
/* What was left of unfinished ones alone. */
void snapshot_file_remove_unfinished(const char *directory);

#endif
