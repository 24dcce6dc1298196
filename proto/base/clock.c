#include "proto/base/clock.h"

#include <time.h>

uint64_t clock_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 * CLOCK_NS_PER_MS + (uint64_t)now.tv_nsec;
}

uint64_t clock_deadline_ns(uint64_t now_ns, uint64_t timeout_ms) {
  if (timeout_ms > (CLOCK_NEVER - now_ns) / CLOCK_NS_PER_MS) {
    return CLOCK_NEVER;
  }
  return now_ns + timeout_ms * CLOCK_NS_PER_MS;
}

struct timespec clock_timespec(uint64_t ns) {
  const uint64_t ns_per_s = 1000 * CLOCK_NS_PER_MS;
  return (struct timespec){(time_t)(ns / ns_per_s), (long)(ns % ns_per_s)};
}
