/* An engine from a data directory: the newest snapshot, then the batches behind it.
 *
 *   snapshot-40 --engine_restore--> engine --batch 41, 42 ...--> the state that the last server had
 *
 * A snapshot that is damaged is passed over, if what is left leads at least as far.
 *
 * Before each batch the digest of the state is compared with the one that the batch has, and if it is of this
 * engine's revision (engine/revision.h) that of memory. Jobs are run and containers are freed at once; replies
 * go nowhere, but into the digest.
 *
 * layer   journal
 * threads one
 */
#ifndef HF_JOURNAL_RECOVERY_H
#define HF_JOURNAL_RECOVERY_H

#include "server/engine/engine.h"
#include "server/journal/backend.h"
#include "server/journal/cell_tape.h"

#define RECOVERY_ERROR_BYTES 768

struct recovered {
  struct engine *engine;   /* the caller's; its sink goes nowhere: engine_set_sink */
  uint64_t index;          /* of the last batch; 0: there was nothing, and engine is NULL */
  uint64_t epoch;          /* of that batch */
  uint64_t replies;        /* the digest's chain */
  uint64_t snapshot_index; /* 0: there was none */
  uint64_t passed_over; /* the newest snapshot, which is damaged, and was done without; 0: none */
  uint64_t commands;    /* that were replayed */
  bool
      is_cut_short; /* accept_loss_after was made use of: batches behind `index` are to be removed */
  uint64_t dropped; /* then: how many, as far as they can be read, and the damaged one */
};

struct recovery_options {
  const char *directory;           /* of snapshots */
  struct journal_backend *backend; /* of batches; its sink is used, and left as it was */
  struct cell_tape *cells;         /* plays; the engine's host of shared cells, which outlives it */
  /* The batch behind this one is damaged: goes on with the state before it. Not made use of if nothing is
   * damaged, so that it does no harm when it is left in a configuration; damage elsewhere is refused. 0: all must
   * be right. */
  uint64_t accept_loss_after;
  /* Stops at the first settled state at or behind this batch, for which it reads what another process appends,
   * RECOVERY_SETTLED_MS at most after what was there; 0: at the end. */
  uint64_t through;
  /* Ten times a second: how much was done, of about how much. May be NULL. */
  void (*progress)(void *ctx, uint64_t bytes, uint64_t bytes_total, uint64_t commands);
  void *progress_ctx;
};

#define RECOVERY_SETTLED_MS 60000

/* false: error says what is wrong, at which batch, and what to do; there is no engine. */
bool recovery_run(const struct recovery_options *options, struct recovered *recovered,
                  char error[RECOVERY_ERROR_BYTES]);

#endif
