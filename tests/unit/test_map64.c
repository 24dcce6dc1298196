#include "proto/base/map64.h"

#include "proto/base/chunk.h"
#include "tests/support/malloc_hook.h"
#include "tests/support/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define KEYS 60000 /* for tables that are moved step by step */
#define STEPS 1000000

static uint64_t seed;

static void test_map64_empty_has_nothing(void **state) {
  (void)state;
  struct map64 map = {0};
  uint64_t position = 0;
  uint64_t key;
  void *value;
  assert_null(map64_get(&map, 1));
  assert_null(map64_remove(&map, 1));
  assert_false(map64_next(&map, &position, &key, &value));
  map64_deinit(&map);
}

static void test_map64_replacing_and_putting_back_need_no_memory(void **state) {
  (void)state;
  struct map64 map = {0};
  int item;
  uint64_t count = 1;
  while (map64_set(&map, count, &item)) { /* as many as fit without growing again */
    malloc_hook_fail(count++ < 8 ? 0 : 1);
  }
  for (uint64_t key = 1; key < count; key++) {
    malloc_hook_fail(1);
    assert_true(map64_set(&map, key, &map));
    assert_ptr_equal(map64_remove(&map, key), &map);
    assert_true(map64_set(&map, key, &item));
    assert_false(malloc_hook_has_failed());
  }
  malloc_hook_fail(0);
  map64_deinit(&map);
}

static size_t table_bytes(size_t capacity) {
  return capacity ? chunk_bytes(capacity * sizeof(struct map64_slot)) : 0;
}

/* Bytes of memory that its tables take. */
static size_t map64_bytes(const struct map64 *map) {
  return table_bytes(map->capacity) + table_bytes(map->former_capacity);
}

static void test_map64_trimmed_takes_what_it_holds(void **state) {
  (void)state;
  enum { COUNT = 100000 };
  struct map64 map = {0};
  size_t live_bytes = malloc_hook_live_bytes();
  for (uint64_t key = 1; key <= COUNT; key++) {
    assert_true(map64_set(&map, key, &map));
    assert_int_equal(malloc_hook_live_bytes() - live_bytes, map64_bytes(&map));
  }
  for (uint64_t key = 1; key <= COUNT; key++) {
    assert_ptr_equal(map64_remove(&map, key), &map);
    map64_trim(&map);
    assert_true(map64_get(&map, COUNT) || key == COUNT);
    assert_true(map64_bytes(&map) <= 200 + 16 * (COUNT - key) * sizeof(struct map64_slot));
  }
  assert_int_equal(malloc_hook_live_bytes() - live_bytes, map64_bytes(&map));
  map64_deinit(&map);
}

/* However large it is, one change moves a few slots. */
static void test_map64_grows_and_is_trimmed_step_by_step(void **state) {
  (void)state;
  enum { COUNT = 1 << 18 };
  struct map64 map = {0};
  size_t moves = 0;
  for (uint64_t key = 1; key <= 2 * COUNT; key++) {
    size_t left = map.former_left;
    if (key <= COUNT) {
      assert_true(map64_set(&map, key, &map));
    } else {
      assert_ptr_equal(map64_remove(&map, key - COUNT), &map);
      map64_trim(&map);
    }
    assert_true(left < map.former_left || left - map.former_left < 1000);
    moves += left > map.former_left;
  }
  assert_true(moves > COUNT / 64);
  map64_deinit(&map);
}

static void test_map64_set_replaces(void **state) {
  (void)state;
  struct map64 map = {0};
  int first, second;
  assert_true(map64_set(&map, UINT64_MAX, &first));
  assert_true(map64_set(&map, UINT64_MAX, &second));
  assert_ptr_equal(map64_get(&map, UINT64_MAX), &second);
  assert_int_equal(map.count, 1);
  assert_ptr_equal(map64_remove(&map, UINT64_MAX), &second);
  assert_null(map64_get(&map, UINT64_MAX));
  assert_int_equal(map.count, 0);
  map64_deinit(&map);
}

/* Keys as ids come: small and dense, or far apart. */
static uint64_t key_of(size_t id) {
  return id % 2 ? id + 1 : (id + 1) << 40;
}

static void check_walk(const struct map64 *map, void *const *expected, size_t expected_count) {
  uint64_t position = 0;
  size_t count = 0;
  uint64_t key;
  void *value;
  while (map64_next(map, &position, &key, &value)) {
    size_t id = key >> 40 ? (key >> 40) - 1 : key - 1;
    assert_ptr_equal(value, expected[id]);
    count++;
  }
  assert_int_equal(count, expected_count);
  assert_int_equal(map->count, expected_count);
}

/* The same keys, put in in another order, or left over of many more; also while a table moves. */
static void test_map64_walks_the_same_way_whatever_was_there_before(void **state) {
  (void)state;
  struct random random = {seed};
  for (size_t round = 0; round < 300; round++) {
    struct map64 plain = {.secret = round % 2}, trimmed = {.secret = round % 2};
    size_t count = 1 + random_below(&random, round % 10 ? 200 : 20000);
    size_t more = random_below(&random, 8) * count;
    for (size_t id = 0; id < count; id++) {
      assert_true(map64_set(&plain, key_of(id), &plain));
      assert_true(map64_set(&trimmed, key_of(count - 1 - id), &plain));
    }
    for (size_t id = count; id < count + more; id++) {
      assert_true(map64_set(&trimmed, key_of(id), &trimmed));
    }
    for (size_t id = count; id < count + more; id++) {
      assert_ptr_equal(map64_remove(&trimmed, key_of(id)), &trimmed);
      if (round % 3) {
        map64_trim(&trimmed);
      }
    }
    uint64_t position = 0, trimmed_position = 0, key, other;
    void *value;
    for (size_t id = 0; id < count; id++) {
      assert_true(map64_next(&plain, &position, &key, &value));
      assert_true(map64_next(&trimmed, &trimmed_position, &other, &value));
      assert_int_equal(key, other);
    }
    assert_false(map64_next(&plain, &position, &key, &value));
    assert_false(map64_next(&trimmed, &trimmed_position, &other, &value));
    map64_deinit(&plain);
    map64_deinit(&trimmed);
  }
}

static void test_map64_random_steps_match_an_array(void **state) {
  (void)state;
  static void *expected[KEYS];
  static char targets[KEYS];
  struct random random = {seed};
  struct map64 map = {0};
  size_t count = 0;
  for (int step = 0; step < STEPS; step++) {
    size_t id = random_below(&random, KEYS);
    bool growing = step / 150000 % 2 == 0;
    if (random_below(&random, 4) < (growing ? 3u : 1u)) {
      void *value = &targets[random_below(&random, KEYS)];
      count += !expected[id];
      assert_true(map64_set(&map, key_of(id), value));
      expected[id] = value;
    } else {
      assert_ptr_equal(map64_remove(&map, key_of(id)), expected[id]);
      count -= expected[id] != NULL;
      expected[id] = NULL;
    }
    size_t other = random_below(&random, KEYS);
    assert_ptr_equal(map64_get(&map, key_of(other)), expected[other]);
    if (step % 10 == 0) {
      map64_trim(&map);
    }
    if (step % 5000 == 0) {
      check_walk(&map, expected, count);
    }
  }
  map64_deinit(&map);
}

/* The longest run of slots in use: what a search may have to probe. */
static size_t longest_row(const struct map64 *map) {
  size_t longest = 0, row = 0;
  for (size_t i = 0; i < 2 * map->capacity; i++) {
    row = map->slots[i & (map->capacity - 1)].key ? row + 1 : 0;
    longest = row > longest ? row : longest;
  }
  return longest;
}

/* So that the unkeyed hash of its multiples counts from 1: these meet in one slot. */
static uint64_t inverse_of(uint64_t odd) {
  uint64_t inverse = odd;
  for (int i = 0; i < 6; i++) { /* Newton: each doubles the bits that are right */
    inverse *= 2 - odd * inverse;
  }
  return inverse;
}

static void test_map64_with_a_secret_spreads_chosen_keys(void **state) {
  (void)state;
  const uint64_t chosen = inverse_of(UINT64_C(0x9e3779b97f4a7c15));
  struct map64 plain = {0}, keyed = {.secret = UINT64_C(0x243f6a8885a308d3)};
  for (uint64_t i = 1; i <= 1000; i++) {
    assert_true(map64_set(&plain, i * chosen, &plain));
    assert_true(map64_set(&keyed, i * chosen, &keyed));
  }
  assert_true(longest_row(&plain) >= 1000);
  assert_true(longest_row(&keyed) < 100);
  assert_ptr_equal(map64_get(&keyed, 7 * chosen), &keyed);
  map64_deinit(&plain);
  map64_deinit(&keyed);
}

int main(int argc, char **argv) {
  seed = random_seed(argc, argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_map64_empty_has_nothing),
      cmocka_unit_test(test_map64_trimmed_takes_what_it_holds),
      cmocka_unit_test(test_map64_set_replaces),
      cmocka_unit_test(test_map64_grows_and_is_trimmed_step_by_step),
      cmocka_unit_test(test_map64_replacing_and_putting_back_need_no_memory),
      cmocka_unit_test(test_map64_with_a_secret_spreads_chosen_keys),
      cmocka_unit_test(test_map64_walks_the_same_way_whatever_was_there_before),
      cmocka_unit_test(test_map64_random_steps_match_an_array),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
