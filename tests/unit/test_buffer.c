/* The network's byte buffer against a plain array, and its budget. */
#include "proto/base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STEPS 200000
#define MODEL_BYTES 8192

static uint64_t seed;

static uint32_t random_below(uint32_t limit) {
  seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
  return (uint32_t)(seed >> 33) % limit;
}

static void test_buffer_holds_what_a_plain_array_holds(void **state) {
  (void)state;
  struct buffer_budget budget = {.bytes_max = 1 << 20};
  struct buffer buffer;
  buffer_init(&buffer, &budget);
  static uint8_t model[MODEL_BYTES];
  size_t model_len = 0;
  for (int step = 0; step < STEPS; step++) {
    size_t count = 1 + random_below(600);
    if (random_below(2) == 0 && model_len + count <= MODEL_BYTES) {
      assert_true(buffer_reserve(&buffer, count));
      assert_true(buffer_room(&buffer) >= count);
      memset(buffer_end(&buffer), step, count);
      memset(model + model_len, step, count);
      buffer.len += count;
      model_len += count;
    } else {
      count = count < model_len ? count : model_len;
      buffer_consume(&buffer, count);
      memmove(model, model + count, model_len - count);
      model_len -= count;
      buffer_trim(&buffer, 1024);
    }
    assert_int_equal(buffer.len, model_len);
    assert_int_equal(atomic_load(&budget.used_bytes), buffer.capacity);
    if (model_len > 0) {
      assert_memory_equal(buffer_first(&buffer), model, model_len);
    }
  }
  buffer_deinit(&buffer);
  assert_int_equal(atomic_load(&budget.used_bytes), 0);
}

static void test_buffer_beyond_the_budget_stays_as_it_was(void **state) {
  (void)state;
  struct buffer_budget budget = {.bytes_max = 2048};
  struct buffer first;
  struct buffer second;
  buffer_init(&first, &budget);
  buffer_init(&second, &budget);
  assert_true(buffer_reserve(&first, 1000));
  memcpy(buffer_end(&first), "kept", 4);
  first.len = 4;
  assert_false(buffer_reserve(&second, 1025));
  assert_null(second.data);
  assert_false(buffer_reserve(&first, 3000));
  assert_memory_equal(buffer_first(&first), "kept", 4);
  assert_int_equal(first.capacity, 1024);
  assert_true(buffer_reserve(&second, 1024));
  buffer_deinit(&first);
  assert_int_equal(atomic_load(&budget.used_bytes), 1024);
  buffer_deinit(&second);
}

static void test_buffer_with_bytes_in_it_is_not_trimmed(void **state) {
  (void)state;
  struct buffer_budget budget = {.bytes_max = 1 << 20};
  struct buffer buffer;
  buffer_init(&buffer, &budget);
  assert_true(buffer_reserve(&buffer, 4096));
  buffer.len = 1;
  buffer_trim(&buffer, 0);
  assert_int_equal(buffer.capacity, 4096);
  buffer_consume(&buffer, 1);
  buffer_trim(&buffer, 4096);
  assert_int_equal(buffer.capacity, 4096);
  buffer_trim(&buffer, 4095);
  assert_int_equal(buffer.capacity, 0);
  buffer_deinit(&buffer);
}

static void test_buffer_of_one_large_message_is_no_larger_than_that(void **state) {
  (void)state;
  struct buffer_budget budget = {.bytes_max = 64 << 20};
  struct buffer buffer;
  buffer_init(&buffer, &budget);
  const size_t message = 10000000;
  while (buffer.len < message) {
    size_t room = buffer.len < 4096 ? 4096 : buffer.len;
    room = room < message - buffer.len ? room : message - buffer.len;
    assert_true(buffer_reserve(&buffer, room));
    buffer.len += room;
  }
  assert_int_equal(buffer.capacity, message);
  buffer_deinit(&buffer);
}

static void test_buffer_that_is_small_has_a_part_of_the_budget(void **state) {
  (void)state;
  struct buffer_budget budget = {.bytes_max = 1 << 20, .small_bytes = 1 << 18};
  struct buffer large, more, small;
  buffer_init(&large, &budget);
  buffer_init(&more, &budget);
  buffer_init(&small, &budget);
  assert_false(buffer_reserve(&large, 1 << 20));
  assert_true(buffer_reserve(&large, 1 << 19));
  assert_true(buffer_reserve(&more, 1 << 18));
  assert_false(buffer_reserve(&more, (1 << 18) + 1));
  assert_true(buffer_reserve(&small, BUFFER_SMALL_BYTES));
  assert_false(buffer_reserve(&small, BUFFER_SMALL_BYTES + 1));
  buffer_deinit(&large);
  buffer_deinit(&more);
  buffer_deinit(&small);
  assert_int_equal(atomic_load(&budget.used_bytes), 0);
}

int main(int argc, char **argv) {
  const char *given = argc > 1 ? argv[1] : getenv("HOLDFAST_SEED");
  seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)(uintptr_t)&given >> 4;
  printf("seed %llu\n", (unsigned long long)seed);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_buffer_holds_what_a_plain_array_holds),
      cmocka_unit_test(test_buffer_beyond_the_budget_stays_as_it_was),
      cmocka_unit_test(test_buffer_with_bytes_in_it_is_not_trimmed),
      cmocka_unit_test(test_buffer_of_one_large_message_is_no_larger_than_that),
      cmocka_unit_test(test_buffer_that_is_small_has_a_part_of_the_budget),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
