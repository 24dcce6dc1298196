#include "client/src/connection/backoff.h"

#include <unistd.h>

#include "proto/base/clock.h"

/* The finalizer of splitmix64: similar seeds give unrelated numbers. */
static uint64_t mix(uint64_t seed) {
  seed = (seed ^ (seed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  seed = (seed ^ (seed >> 27)) * UINT64_C(0x94d049bb133111eb);
  return seed ^ (seed >> 31);
}

/* The process id distinguishes processes, the clock's nanoseconds threads and retries. */
static uint64_t jitter_below(uint64_t bound) {
  return mix(clock_now_ns() + ((uint64_t)getpid() << 40)) % bound;
}

uint64_t backoff_ns(uint32_t retry_count) {
  const uint64_t last_ns = BACKOFF_LAST_MS * CLOCK_NS_PER_MS;
  const uint32_t shift_max = 20; /* far beyond BACKOFF_LAST_MS */
  uint64_t full_ns = (BACKOFF_FIRST_MS * CLOCK_NS_PER_MS)
                     << (retry_count < shift_max ? retry_count : shift_max);
  full_ns = full_ns < last_ns ? full_ns : last_ns;
  return full_ns - jitter_below(retry_count < BACKOFF_SHORT_RETRIES ? full_ns / 2 : full_ns);
}
