/* The journal of a running server: commands are appended under the engine's lock, and committed batch by batch,
 * by a thread for that or by a poller that would only wait for it; while one is committed the next is filled.
 *
 *   dispatch --append--> the batch that is filled --committer--> backend
 *                                                                   |
 *   dispatch <--committed(newest)-- releaser.h <--------------------'
 *
 * The engine is locked: begin .. append .. end: unlocked. The batch is one of two (double_buffer.h); the thread that
 * commits them is committer.h.
 *
 * layer   journal
 * threads the committer, the releaser, which dispatch may keep long, those of snapshots and of backups
 * locks   the engine's before the batches' own
 * limits  JOURNAL_BATCH_BYTES_MAX, JOURNAL_RESERVE_BYTES: in these two headers
 */
#ifndef HF_JOURNAL_JOURNAL_H
#define HF_JOURNAL_JOURNAL_H

#include "server/dispatch/command_log.h"
#include "server/engine/engine.h"
#include "server/journal/host.h"
#include "server/journal/recovery.h"
#include "server/journal/settings.h"

/* The process ends so when nothing can be made durable any more. */
#define JOURNAL_EXIT 74
#define JOURNAL_CLOSE_MS 5000

struct journal_settings {
  const char *directory;
  struct fsync_setting fsync;
  uint64_t accept_loss_after; /* see recovery.h */
  uint64_t memory_bytes_max;
  const char *program;         /* which makes snapshots, with --compact: this server's own */
  uint64_t snapshot_bytes_min; /* 0: SNAPSHOT_BYTES_MIN, see snapshots.h */
  struct cell_tape *cells;     /* borrowed: as cell_tape_init left it; outlives the engine */
};

struct journal;

/* Loads what is in the directory, which the caller has locked (data_directory.h), or begins a new journal. Texts of
 * the settings are borrowed. The engine is the caller's: its sink goes nowhere yet. NULL: error. */
struct journal *journal_open(const struct journal_settings *settings,
                             const struct recovery_options *progress, struct recovered *recovered,
                             char error[RECOVERY_ERROR_BYTES]);
/* For dispatch; the engine is asked for its digest under its lock. */
const struct command_log *journal_log(struct journal *journal);
/* Starts the threads. false: no thread. */
bool journal_start(struct journal *journal, const struct engine *engine,
                   const struct journal_host *host);
/* Commits what was appended, and ends; nobody appends any more, and the engine is still there. On a full disk it
 * does not wait for room: what it can't commit was never acknowledged. Then a snapshot is made, if it takes
 * JOURNAL_CLOSE_MS at most: the next start has nothing to replay, also if it is of another version. */
void journal_close(struct journal *journal);

#endif
