/* Names of what is measured, and the keys that are used. Declared in bench.h. */
#include "tests/bench/bench.h"

#include <stdio.h>

const char *bench_transport_name(enum bench_transport transport) {
  static const char *const names[] = {"tcp", "ipc"};
  return names[transport];
}

const char *bench_mode_name(enum bench_mode mode) {
  static const char *const names[] = {"one", "processes", "pipeline", "many"};
  return names[mode];
}

const char *bench_mode_title(enum bench_mode mode) {
  static const char *const titles[] = {"one at a time", "8 processes, one at a time each",
                                       "one connection, 64 in flight",
                                       "50 connections, one at a time each"};
  return titles[mode];
}

const char *bench_op_name(enum bench_op op) {
  static const char *const names[] = {"get", "set", "append", "queue"};
  return names[op];
}

const char *bench_system_name(enum bench_system system) {
  static const char *const names[] = {"echo",       "holdfast",  "holdfast-raw", "redis",
                                      "redis-keys", "redis-raw", "manager"};
  return names[system];
}

const char *bench_system_title(enum bench_system system) {
  static const char *const titles[] = {
      "bare echo",        "holdfast",         "holdfast, raw socket", "redis-benchmark",
      "redis-b. GET/SET", "redis, same loop", "Python Manager"};
  return titles[system];
}

const char *bench_key(uint32_t idx) {
  static char keys[BENCH_KEY_COUNT][BENCH_KEY_BYTES + 1];
  if (keys[0][0] == '\0')
    for (unsigned i = 0; i < BENCH_KEY_COUNT; i++)
      snprintf(keys[i], sizeof(keys[i]), "key:%012u", i % BENCH_KEY_COUNT);
  return keys[idx];
}

uint32_t bench_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}
