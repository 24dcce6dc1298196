#include "server/journal/genesis.h"

#include "proto/base/clock.h"
#include "server/dispatch/operations.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

struct genesis genesis_choose(uint64_t memory_bytes_max) {
  struct timespec now;
  struct genesis genesis = {
      .first_object = (uint64_t)randombytes_random() << 16 | 1,
      .start_ns = clock_now_ns(),
      .memory_bytes_max = memory_bytes_max,
  };
  clock_gettime(CLOCK_REALTIME, &now);
  genesis.first_token = (uint64_t)now.tv_sec * 1000 * 1000 + (uint64_t)now.tv_nsec / 1000;
  randombytes_buf(genesis.hash_key, sizeof genesis.hash_key);
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
