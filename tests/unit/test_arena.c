#include "proto/base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_arena_alloc_is_aligned_and_separate(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, SIZE_MAX);
  char *previous = NULL;
  for (size_t size = 1; size < 5000; size += 37) {
    char *memory = arena_alloc(&arena, size);
    assert_non_null(memory);
    assert_int_equal((uintptr_t)memory % 16, 0);
    memset(memory, (int)size, size);
    if (previous) { /* the one before was not written over */
      assert_int_equal((unsigned char)previous[0], (unsigned char)(size - 37));
      assert_int_equal((unsigned char)previous[size - 38], (unsigned char)(size - 37));
    }
    previous = memory;
  }
  arena_deinit(&arena);
}

static void test_arena_alloc_beyond_budget_fails(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, 64);
  assert_non_null(arena_alloc(&arena, 48));
  assert_null(arena_alloc(&arena, 17));
  assert_non_null(arena_alloc(&arena, 16));
  assert_null(arena_alloc(&arena, 1));
  assert_int_equal(arena.used_bytes, 64);
  arena_deinit(&arena);
}

static void test_arena_alloc_of_huge_size_fails(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, SIZE_MAX);
  assert_null(arena_alloc(&arena, SIZE_MAX));
  assert_int_equal(arena.used_bytes, 0);
  arena_deinit(&arena);
}

static void test_arena_reset_gives_the_budget_back(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, 1 << 20);
  for (int round = 0; round < 3; round++) {
    char *memory = arena_alloc(&arena, 1 << 20);
    assert_non_null(memory);
    memset(memory, round, 1 << 20);
    assert_null(arena_alloc(&arena, 1));
    arena_reset(&arena);
    assert_int_equal(arena.used_bytes, 0);
    assert_null(arena.blocks); /* one that big is not kept */
  }
  arena_deinit(&arena);
}

static void test_arena_reset_keeps_a_small_block(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, 1 << 20);
  char *first = arena_alloc(&arena, 100);
  assert_non_null(first);
  assert_non_null(arena_alloc(&arena, 1 << 19));
  arena_reset(&arena);
  assert_ptr_equal(arena_alloc(&arena, 100), first);
  arena_deinit(&arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_arena_alloc_is_aligned_and_separate),
      cmocka_unit_test(test_arena_alloc_beyond_budget_fails),
      cmocka_unit_test(test_arena_alloc_of_huge_size_fails),
      cmocka_unit_test(test_arena_reset_gives_the_budget_back),
      cmocka_unit_test(test_arena_reset_keeps_a_small_block),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
