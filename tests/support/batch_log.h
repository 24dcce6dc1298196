/* A command log that is a journal's, without threads: batches end where the test, or chance, says.
 *
 *   dispatch's calls --> the batch that is filled --batch_log_commit--> the files of sqlite in a directory
 */
#ifndef HF_TESTS_SUPPORT_BATCH_LOG_H
#define HF_TESTS_SUPPORT_BATCH_LOG_H

#include "server/dispatch/command_log.h"
#include "server/engine/engine.h"
#include "server/journal/backend.h"
#include "server/journal/cell_tape.h"
#include "server/journal/record_writer.h"

struct batch_log {
  struct command_log log;
  const struct engine *engine; /* that commands are applied to */
  struct cell_tape *cells;     /* its host, which records */
  struct journal_backend *backend;
  struct batch_writer writer;
  bool is_begun;
  uint64_t epoch, index; /* of the batch that is filled */
  uint64_t committed, last_ns, replies;
  uint64_t answered;                   /* commands that asked for something of shared cells */
  uint64_t wrong_digest, wrong_memory; /* added to the next batch's digests */
  uint64_t engine_revision;            /* that batches are said to be of */
};

void batch_log_open(struct batch_log *log, const char *directory, struct cell_tape *cells);
void batch_log_close(struct batch_log *log);
/* A new journal, of an engine as replay_begin makes it. */
void batch_log_begin(struct batch_log *log, const struct engine *engine, size_t memory_bytes_max);
/* Goes on behind a batch. */
void batch_log_go_on(struct batch_log *log, const struct engine *engine, uint64_t epoch,
                     uint64_t index, uint64_t replies);
/* What was appended, if anything, is a batch. */
void batch_log_commit(struct batch_log *log);
/* What was appended since then is gone. */
void batch_log_drop(struct batch_log *log);

#endif
