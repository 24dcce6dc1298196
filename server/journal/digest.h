/* The digest of what an engine has done so far: numbers of its state (engine_digest), and every reply it gave.
 * Two engines that were given the same commands have the same. Requests that only read are in no journal, and
 * change nothing of it. The memory that the state counts for has a digest of its own, engine_memory_digest.
 *
 * layer   journal
 */
#ifndef HF_JOURNAL_DIGEST_H
#define HF_JOURNAL_DIGEST_H

#include "server/engine/engine.h"

/* The chain with one more reply: its connection, sequence, status, shape and scalar results. Numbers of
 * reasons change from version to version, and are not in it. */
uint64_t digest_add_reply(uint64_t chain, uint64_t connection, const struct reply *reply);
uint64_t digest_of(const struct engine *engine, uint64_t chain);

#endif
