/* The whole state of an engine as bytes, and back: what a journal is cut short with, and what another
 * machine is brought up with.
 *
 *   A --engine_snapshot--> bytes --engine_restore--> B     the same commands have the same effects on A
 *                                                          and B, and lead to the same bytes again
 *
 * in      objects and their content, sessions and what they have, kept replies, waiting requests,
 *         deadlines, connections, counters and next ids, how much memory there may be
 * not in  the local handshake's socket, shared memory:
 *         values and arrays that lie there are written as their elements
 *
 * layer   engine
 */
#ifndef HF_ENGINE_SNAPSHOT_H
#define HF_ENGINE_SNAPSHOT_H

#include "server/engine/engine.h"
#include "server/engine/snapshot_writer.h"

/* What is wrong with bytes that are no snapshot. */
struct snapshot_error {
  const char *why;
  size_t at; /* before which byte */
};

/* Whether nothing is under way that spans commands: then there may be a snapshot. See
 * decisions/45-a-snapshot-is-of-a-settled-engine.md. */
bool engine_is_settled(const struct engine *engine);
/* The engine is settled, and does not change meanwhile. Equal states give equal bytes. false: out of
 * memory, or the writer said so. */
bool engine_snapshot(const struct engine *engine, const struct snapshot_writer *writer);
/* The keys of hashes are the snapshot's. Processes that were watched are watched again under the same
 * handles. NULL: *error */
struct engine *engine_restore(const struct engine_config *config, const struct engine_sink *sink,
                              struct bytes bytes, struct snapshot_error *error);

#endif
