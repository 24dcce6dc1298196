/* A snapshot made beside the server, by a process that replays: holdfastd --compact DIRECTORY THROUGH.
 *
 *   newest snapshot + batches behind it --recovery--> engine --engine_snapshot--> snapshot-INDEX, durable
 *
 * It reads parts of the journal that are complete, and goes on into the one that is appended to until the engine
 * is settled. It takes as much memory as the state, runs only when the processors have nothing else to do, and
 * ends with the server.
 *
 * layer   journal
 */
#ifndef HF_JOURNAL_COMPACTION_H
#define HF_JOURNAL_COMPACTION_H

#include <stdint.h>

/* The snapshot has all through that batch, at least. Its index goes to standard output. The exit status of the
 * process: 0, or there is no new snapshot, and the last line of standard error says why. */
int compaction_main(const char *directory, uint64_t through);

#endif
