#include "server/journal/genesis.h"

#include "server/dispatch/first_config.h"
#include "server/dispatch/operations.h"

#include <string.h>

struct genesis genesis_choose(uint64_t memory_bytes_max) {
  struct engine_config config = first_config((size_t)memory_bytes_max);
  struct genesis genesis = {
      .first_object = config.first_object,
      .first_token = config.first_token,
      .start_ns = config.start_ns,
      .memory_bytes_max = memory_bytes_max,
  };
  memcpy(genesis.hash_key, config.hash_key.bytes, sizeof genesis.hash_key);
  return genesis;
}

struct engine *genesis_engine(const struct genesis *genesis, const struct cell_host *cells,
                              const struct engine_sink *sink) {
  struct engine_config config = {
      .first_object = genesis->first_object,
      .first_token = genesis->first_token,
      .memory_bytes_max = (size_t)genesis->memory_bytes_max,
      .start_ns = genesis->start_ns,
      .find_operation = operations_find,
      .cell_host = cells,
  };
  memcpy(config.hash_key.bytes, genesis->hash_key, sizeof config.hash_key.bytes);
  return engine_new(&config, sink);
}
