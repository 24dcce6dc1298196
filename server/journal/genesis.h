/* What a journal begins with, before all commands: the numbers that the first engine was made with. Replay makes
 * the same engine again.
 *
 * layer   journal
 */
#ifndef HF_JOURNAL_GENESIS_H
#define HF_JOURNAL_GENESIS_H

#include "server/engine/engine.h"

struct genesis {
  uint8_t hash_key[sizeof(struct value_hash_key)];
  uint64_t first_object, first_token, start_ns;
  uint64_t memory_bytes_max;
};

/* Of a new journal: numbers that clients of another one on this machine don't know. sodium_init was called. */
struct genesis genesis_choose(uint64_t memory_bytes_max);
/* The engine, the caller's. NULL: out of memory. */
struct engine *genesis_engine(const struct genesis *genesis, const struct cell_host *cells,
                              const struct engine_sink *sink);

#endif
