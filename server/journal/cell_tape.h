/* What the host of shared cells answered while commands were applied: recorded with each command, and played back
 * in its replay. It stands in front of the host, as a host.
 *
 *   live     engine --asks--> tape --asks--> host          answers --> the command's record
 *   replay   engine --asks--> tape <-- the record's answers
 *
 * Only what the engine is answered is on the tape: what it stores is not, and a replay has no memory for it.
 *
 * layer   journal: between the engine and server/cells
 * threads as struct cell_host says; the rest under the engine's lock
 * source  server/decisions/75-volatile-cells.md
 */
#ifndef HF_JOURNAL_CELL_TAPE_H
#define HF_JOURNAL_CELL_TAPE_H

#include "proto/base/buffer.h"
#include "proto/wire_field.h"
#include "server/engine/cell_host.h"

struct cell_tape {
  struct cell_host
      host; /* for engines; its ctx is this struct, which must not move, and outlives them */
  const struct cell_host *real; /* borrowed; NULL: there is no shared memory, or it plays */
  bool is_playing;
  bool has_failed;         /* recording: out of memory; playing: the engine asked something else */
  struct buffer answers;   /* recording: since the last command */
  struct wire_reader rest; /* playing: what was not played yet */
};

/* It plays, nothing yet. */
void cell_tape_init(struct cell_tape *tape);
void cell_tape_deinit(struct cell_tape *tape);

/* ---- replay */

/* The next command was answered so; borrowed until the next call. */
void cell_tape_play(struct cell_tape *tape, struct bytes answers);
/* Whether the command has asked for all of that, and for nothing else. */
bool cell_tape_is_played(const struct cell_tape *tape);

/* ---- live */

/* From now on the host is asked; NULL: there is none. Cells of the replay are gone with the restart. */
void cell_tape_record(struct cell_tape *tape, const struct cell_host *real);
/* The answers since the last cell_tape_clear; borrowed until then. false: out of memory. */
bool cell_tape_answers(const struct cell_tape *tape, struct bytes *answers);
void cell_tape_clear(struct cell_tape *tape);

#endif
