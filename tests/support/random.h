/* Random numbers for tests, the same again for the same seed.
 *
 * source  SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators)
 */
#ifndef HF_TESTS_RANDOM_H
#define HF_TESTS_RANDOM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct random {
  uint64_t state;
};

static inline uint64_t random_next(struct random *random) {
  uint64_t mixed = random->state += UINT64_C(0x9e3779b97f4a7c15);
  mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
  return mixed ^ (mixed >> 31);
}

/* 0 ... limit - 1 */
static inline uint64_t random_below(struct random *random, uint64_t limit) {
  return random_next(random) % limit;
}

/* The seed of this run: the first argument, else HOLDFAST_SEED, else the time. Prints it. */
static inline uint64_t random_seed(int argc, char **argv) {
  const char *given = argc > 1 ? argv[1] : getenv("HOLDFAST_SEED");
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  uint64_t seed =
      given ? strtoull(given, NULL, 0) : (uint64_t)now.tv_sec * 1000003u + (uint64_t)now.tv_nsec;
  printf("seed %llu\n", (unsigned long long)seed);
  fflush(stdout);
  return seed;
}

#endif
