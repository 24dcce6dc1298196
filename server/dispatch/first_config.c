#include "server/dispatch/first_config.h"

#include "proto/base/clock.h"
#include "server/dispatch/operations.h"

#include <sodium.h>
#include <time.h>

struct engine_config first_config(size_t memory_bytes_max) {
  struct timespec now;
  struct engine_config config = {
      .first_object = (uint64_t)randombytes_random() << 16 | 1,
      .memory_bytes_max = memory_bytes_max,
      .start_ns = clock_now_ns(),
      .find_operation = operations_find,
  };
  clock_gettime(CLOCK_REALTIME, &now);
  config.first_token = (uint64_t)now.tv_sec * 1000 * 1000 + (uint64_t)now.tv_nsec / 1000;
  randombytes_buf(config.hash_key.bytes, sizeof config.hash_key.bytes);
  return config;
}
