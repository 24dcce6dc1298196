/* Shared memory: locations, their limits, what clients get of it. */
#include "proto/cell_layout.h"
#include "proto/limits.h"
#include "server/cells/segments.h"
#include "tests/support/memory_hook.h"
#include "tests/support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLACES_OF_ARENA ((HF_ARENA_BYTES - SHARED_HEADER_BYTES) / 128)
#define CLOSED_BYTES ((size_t)256 << 20) /* takes tens of milliseconds */

static struct segments *segments;
static struct segment_source source;

static int set_up(void **state) {
  (void)state;
  segments = segments_new();
  source = segments_source(segments);
  return segments == NULL;
}

static int tear_down(void **state) {
  (void)state;
  segments_free(segments);
  assert_int_equal(memory_hook_mapped_bytes(), 0);
  assert_int_equal(memory_hook_descriptors(), 0);
  return 0;
}

static struct cell_location allocate(size_t bytes) {
  struct cell_location location;
  assert_true(source.allocate(source.ctx, bytes, &location));
  return location;
}

static void release(struct cell_location location) {
  source.release(source.ctx, &location);
}

static void retire(struct cell_location location) {
  source.retire(source.ctx, &location);
}

static void test_segments_are_the_memory_that_is_lent(void **state) {
  (void)state;
  struct cell_location location = allocate(100);
  size_t bytes;
  int fd = segments_duplicate(segments, location.segment, &bytes);
  assert_true(fd >= 0);
  assert_int_equal(bytes, HF_ARENA_BYTES);
  char *other = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  assert_ptr_not_equal(other, MAP_FAILED);
  memcpy((char *)location.header, "hello", sizeof "hello");
  assert_string_equal(other + location.offset, "hello");
  munmap(other, bytes);
  release(location);
}

/* The header is at the segment's first byte, before the first cell. */
static void expect_not_lent_after(size_t offset) {
  struct cell_location location = allocate(100);
  size_t bytes;
  uint8_t *at = (uint8_t *)location.header - location.offset + offset;
  int fd = segments_duplicate(segments, location.segment, &bytes);
  assert_true(fd >= 0);
  close(fd);
  (*at)++;
  assert_int_equal(segments_duplicate(segments, location.segment, &bytes), -1);
  (*at)--;
  release(location);
}

static void test_segments_with_an_overwritten_header_are_not_lent(void **state) {
  (void)state;
  expect_not_lent_after(offsetof(struct shared_header, magic));
  expect_not_lent_after(offsetof(struct shared_header, version));
  expect_not_lent_after(offsetof(struct shared_header, bytes));
}

static void test_segments_can_be_neither_cut_nor_unsealed(void **state) {
  (void)state;
  struct cell_location small = allocate(100), large = allocate(HF_ARENA_CELL_BYTES_MAX + 1);
  size_t bytes;
  const uint64_t ids[] = {small.segment, large.segment, CELL_LIFE_SEGMENT};
  for (size_t i = 0; i < 3; i++) {
    int fd = segments_duplicate(segments, ids[i], &bytes);
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    assert_int_equal(fcntl(fd, F_GET_SEALS) & seals, seals);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(ftruncate(fd, (off_t)bytes + 4096), -1);
    close(fd);
  }
  release(small);
  release(large);
}

static void test_segments_life_can_only_be_read(void **state) {
  (void)state;
  size_t bytes;
  int fd = segments_duplicate(segments, CELL_LIFE_SEGMENT, &bytes);
  assert_ptr_equal(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
  struct cell_life *life = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
  assert_ptr_not_equal(life, MAP_FAILED);
  assert_int_equal(atomic_load(&life->word) & CELL_WORD_THREAD, gettid());
  munmap(life, bytes);
  close(fd);
}

/* A child is the server, and is killed; its life is read here. There is no other thread when it is
 * forked: a thread sanitizer would not let it begin one. */
static void test_segments_life_ends_with_the_server(void **state) {
  (void)state;
  int *fd_of_child = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int ready[2];
  char byte;
  assert_int_equal(pipe(ready), 0);
  pid_t child = fork();
  if (child == 0) {
    size_t bytes;
    struct segments *own = segments_new();
    *fd_of_child = segments_duplicate(own, CELL_LIFE_SEGMENT, &bytes);
    (void)!write(ready[1], "", 1);
    pause();
    _exit(0);
  }
  assert_int_equal(read(ready[0], &byte, 1), 1);
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd/%d", child, *fd_of_child);
  int fd = open(path, O_RDONLY);
  assert_true(fd >= 0);
  struct cell_life *life = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
  assert_int_equal(atomic_load(&life->word) & CELL_WORD_THREAD, child);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  assert_int_equal(atomic_load(&life->word) & CELL_WORD_THREAD, 0);
  munmap(life, 4096);
  munmap(fd_of_child, 4096);
  close(fd);
  close(ready[0]);
  close(ready[1]);
}

static void test_segments_unknown_one_is_not_lent(void **state) {
  (void)state;
  size_t bytes;
  assert_int_equal(segments_duplicate(segments, 0, &bytes), -1);
  assert_int_equal(segments_duplicate(segments, 99, &bytes), -1);
}

static void test_segments_absurd_sizes_are_refused(void **state) {
  (void)state;
  struct cell_location location;
  assert_false(source.allocate(source.ctx, SIZE_MAX, &location));
  assert_false(source.allocate(source.ctx, SIZE_MAX - 4000, &location));
  assert_false(source.allocate(source.ctx, HF_SEGMENTS_BYTES_MAX, &location));
  assert_int_equal(segments_count(segments), 1);
}

static void test_segments_no_more_than_the_limit(void **state) {
  (void)state;
  static struct cell_location locations[HF_SEGMENTS_MAX];
  struct cell_location more;
  for (size_t i = 1; i < HF_SEGMENTS_MAX; i++) {
    locations[i] = allocate(HF_ARENA_CELL_BYTES_MAX + 1);
  }
  assert_false(source.allocate(source.ctx, HF_ARENA_CELL_BYTES_MAX + 1, &more));
  assert_false(source.allocate(source.ctx, 1, &more));
  for (size_t i = 1; i < HF_SEGMENTS_MAX; i++) {
    release(locations[i]);
  }
  assert_int_equal(segments_count(segments), 1);
}

static void test_segments_freed_location_is_used_again_as_late_as_possible(void **state) {
  (void)state;
  struct cell_location kept = allocate(100);
  const uint64_t first = allocate(100).offset;
  release((struct cell_location){kept.segment, first, 128, NULL});
  for (size_t i = 2; i < PLACES_OF_ARENA; i++) {
    assert_int_not_equal(allocate(100).offset, first);
  }
  assert_int_equal(allocate(100).offset, first);
}

static void test_segments_retired_location_is_never_used_again(void **state) {
  (void)state;
  const struct cell_location kept = allocate(100), gone = allocate(100);
  retire(gone);
  for (size_t i = 2; i < PLACES_OF_ARENA; i++) {
    const struct cell_location location = allocate(100);
    assert_int_equal(location.segment, kept.segment);
    assert_int_not_equal(location.offset, gone.offset);
  }
  assert_int_not_equal(allocate(100).segment, kept.segment);
}

static void test_segments_arena_goes_when_only_retired_places_are_left(void **state) {
  (void)state;
  const struct cell_location kept = allocate(100), gone = allocate(100);
  retire(gone);
  assert_int_equal(segments_count(segments), 2);
  release(kept);
  assert_int_equal(segments_count(segments), 1);
  assert_int_not_equal(allocate(100).segment, kept.segment);
}

static void test_segments_are_unmapped_by_another_thread(void **state) {
  (void)state;
  const size_t before = memory_hook_own_unmappings();
  release(allocate(32u << 20));
  retire(allocate(32u << 20));
  retire(allocate(100));
  assert_int_equal(segments_count(segments), 1);
  assert_int_equal(memory_hook_own_unmappings(), before);
}

/* Cells that come and go are no way around the limits while their memory is being given back. */
static void test_segments_being_closed_count_yet(void **state) {
  (void)state;
  struct cell_location location = allocate(CLOSED_BYTES);
  size_t descriptors_max = 0;
  memset((char *)location.header, 1, CLOSED_BYTES);
  release(location);
  for (size_t i = 0; i < 4 * HF_SEGMENTS_MAX; i++) {
    if (source.allocate(source.ctx, HF_ARENA_CELL_BYTES_MAX + 1, &location)) {
      release(location);
    }
    size_t descriptors = memory_hook_descriptors();
    descriptors_max = descriptors > descriptors_max ? descriptors : descriptors_max;
  }
  print_message("%zu descriptors at most\n", descriptors_max);
  assert_true(descriptors_max <= HF_SEGMENTS_MAX);
}

/* Whichever call fails, there are segments or nothing. */
static void test_segments_begin_or_leave_nothing(void **state) {
  (void)state;
  struct segments *made = NULL;
  for (size_t n = 1; made == NULL; n++) {
    memory_hook_fail(n);
    made = segments_new();
    assert_true(made == NULL || !memory_hook_has_failed());
    assert_true(made != NULL || n < 10);
    if (made == NULL) {
      assert_int_equal(memory_hook_mapped_bytes(), 4096); /* the test's own */
      assert_int_equal(memory_hook_descriptors(), 1);
    }
  }
  memory_hook_fail(0);
  segments_free(made);
}

/* ---- against a naive version: a list of what is out, which must not overlap and keeps its content
 */

#define OUT_MAX 400

static struct {
  struct cell_location location;
  uint8_t mark;
} out[OUT_MAX];

/* Slots that are never reused. */
static struct cell_location retired[20000];
static size_t retired_count;

static void let_go(size_t i, struct random *random) {
  if (random_below(random, 4) == 0) {
    retire(out[i].location);
    retired[retired_count++] = out[i].location;
  } else {
    release(out[i].location);
  }
  out[i].mark = 0;
}

static bool is_retired(struct cell_location location) {
  size_t i = 0;
  while (i < retired_count &&
         (retired[i].segment != location.segment || retired[i].offset != location.offset)) {
    i++;
  }
  return i < retired_count;
}

static size_t random_size(struct random *random) {
  size_t limit = (size_t)1 << (1 + random_below(random, 18));
  return 1 + random_below(random, limit);
}

static void check(size_t i) {
  const uint8_t *bytes = (void *)out[i].location.header;
  assert_int_equal(bytes[0], out[i].mark);
  assert_int_equal(bytes[out[i].location.bytes - 1], out[i].mark);
}

static void add(size_t i, struct random *random) {
  size_t size = random_size(random);
  out[i].location = allocate(size);
  out[i].mark = (uint8_t)(1 + random_below(random, 255));
  assert_true(out[i].location.bytes >= size);
  assert_false(is_retired(out[i].location));
  assert_int_equal((uintptr_t)out[i].location.header % CELL_ALIGNMENT, 0);
  assert_int_equal(out[i].location.offset % CELL_ALIGNMENT, 0);
  uint8_t *bytes = (void *)out[i].location.header;
  for (size_t at = 0; at < out[i].location.bytes; at++) {
    assert_int_equal(bytes[at], 0);
  }
  memset(bytes, out[i].mark, out[i].location.bytes);
}

static uint64_t seed;

static void test_segments_model(void **state) {
  (void)state;
  struct random random = {seed};
  for (unsigned step = 0; step < 20000; step++) {
    size_t i = random_below(&random, OUT_MAX);
    if (out[i].mark == 0) {
      add(i, &random);
    } else {
      check(i);
      let_go(i, &random);
    }
  }
  for (size_t i = 0; i < OUT_MAX; i++) {
    if (out[i].mark != 0) {
      check(i);
      release(out[i].location);
    }
  }
  assert_true(segments_count(segments) <= 1 + 10); /* an empty arena of each class */
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_segments_are_the_memory_that_is_lent, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_segments_with_an_overwritten_header_are_not_lent, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_segments_can_be_neither_cut_nor_unsealed, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_segments_life_can_only_be_read, set_up, tear_down),
      cmocka_unit_test(test_segments_life_ends_with_the_server),
      cmocka_unit_test_setup_teardown(test_segments_unknown_one_is_not_lent, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_segments_absurd_sizes_are_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_segments_no_more_than_the_limit, set_up, tear_down),
      cmocka_unit_test_setup_teardown(
          test_segments_freed_location_is_used_again_as_late_as_possible, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_segments_retired_location_is_never_used_again, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_segments_arena_goes_when_only_retired_places_are_left,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_segments_are_unmapped_by_another_thread, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_segments_being_closed_count_yet, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_segments_begin_or_leave_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_segments_model, set_up, tear_down),
  };
  seed = random_seed(argc, argv);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
