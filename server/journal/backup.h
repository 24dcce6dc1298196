/* A backup: what a data directory had at one moment, as one stream of bytes.
 *
 *   magic | version | snapshot's index | its file's bytes | checksum of these       numbers of 8 bytes
 *   the snapshot's file
 *   length | batch | length | batch ...
 *   0 | the last batch's index | checksum of both
 *
 * It has every batch that was committed when it began, and nothing behind. Snapshot and batches have checksums of
 * their own: damage is found, and so is a cut anywhere. Magic, version and the header's length and checksum are the
 * same in every version.
 *
 * layer   journal
 * threads one; beside a server that writes, in another process
 */
#ifndef HF_JOURNAL_BACKUP_H
#define HF_JOURNAL_BACKUP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define BACKUP_ERROR_BYTES 1024

struct backup_summary {
  uint64_t index; /* of the last batch */
  uint64_t bytes;
};

/* The stream is flushed. What is damaged is refused. false: error says what is wrong. */
bool backup_write(const char *directory, FILE *out, struct backup_summary *summary,
                  char error[BACKUP_ERROR_BYTES]);
/* As a file, which is there whole and durable or not at all; one of that name is replaced. */
bool backup_write_file(const char *directory, const char *path, struct backup_summary *summary,
                       char error[BACKUP_ERROR_BYTES]);
/* Into a directory that is empty or missing. false: error says what is wrong, and the directory is as it was. */
bool backup_restore(const char *path, const char *directory, struct backup_summary *summary,
                    char error[BACKUP_ERROR_BYTES]);
/* What "holdfastd --backup-stream DIRECTORY" does: writes one to standard output. The exit status. */
int backup_stream_main(const char *directory);

#endif
