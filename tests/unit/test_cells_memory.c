/* The life of cells in real segments, again and again, in which the first, second, third ... call
 * that makes memory fails: the request is refused or served otherwise, nothing stays, and the next
 * try works. */
#include "proto/limits.h"
#include "server/cells/shared_cells.h"
#include "tests/support/malloc_hook.h"
#include "tests/support/memory_hook.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <unistd.h>

#define LARGE_COUNT 20000

static struct story story;
static struct segments *segments;
static struct segment_source source;
static struct shared_cells cells;
static struct cell_location location; /* the last */

static bool allocate(void *ctx, size_t bytes, struct cell_location *out) {
  bool done = source.allocate(ctx, bytes, out);
  location = done ? *out : (struct cell_location){0};
  return done;
}

static bool has_thread(void *ctx, uint64_t process, uint32_t thread) {
  (void)ctx;
  (void)process;
  (void)thread;
  return true;
}

static void open_shared(uint64_t connection, uint64_t sequence, Holdfast__Kind kind,
                        const char *name, uint64_t length) {
  Holdfast__ObjectOpen open = HOLDFAST__OBJECT_OPEN__INIT;
  Holdfast__Request request = story_request(sequence, NULL, STORY_WAIT_FOREVER);
  open.kind = kind;
  open.name = (ProtobufCBinaryData){strlen(name), (uint8_t *)name};
  open.typecode = (ProtobufCBinaryData){1, (uint8_t *)"q"};
  open.length = length;
  open.map = true;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN;
  request.object_open = &open;
  story_send(&story, connection, &request);
}

static void delete (uint64_t sequence, const char *name) {
  Holdfast__ObjectDelete message = HOLDFAST__OBJECT_DELETE__INIT;
  Holdfast__Request request = story_request(sequence, name, STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE;
  request.object_delete = &message;
  story_send(&story, 1, &request);
}

/* Whether the last location's segment could be lent. */
static bool lend(void) {
  size_t bytes;
  int fd = segments_duplicate(segments, location.segment, &bytes);
  if (fd >= 0) {
    close(fd);
  }
  return fd >= 0;
}

/* Whether all of it was done in shared memory. Those that 2 opened end with its session. */
static bool live(uint64_t sequence) {
  bool is_lent = true;
  open_shared(1, sequence, HOLDFAST__KIND__VALUE, "v", 1);
  is_lent &= lend();
  open_shared(1, sequence + 1, HOLDFAST__KIND__ARRAY, "small", 3);
  is_lent &= lend();
  open_shared(1, sequence + 2, HOLDFAST__KIND__RAW_ARRAY, "large", LARGE_COUNT);
  is_lent &= lend();
  open_shared(2, sequence, HOLDFAST__KIND__VALUE, "v", 1);
  open_shared(2, sequence + 1, HOLDFAST__KIND__RAW_ARRAY, "large", LARGE_COUNT);
  delete (sequence + 3, "v");
  delete (sequence + 4, "small");
  delete (sequence + 5, "large");
  return is_lent;
}

/* Each outcome is OK, or says that there is no memory. */
static void expect_reported(bool may_fail) {
  char *line = strtok(story.text, "\n");
  for (; line; line = strtok(NULL, "\n")) {
    bool is_reported = may_fail && (strstr(line, " RESOURCE_EXHAUSTED NO_MEMORY") ||
                                    strstr(line, " NOT_FOUND NO_SUCH_OBJECT"));
    if (!is_reported && !strstr(line, " OK")) {
      fail_msg("%s", line);
    }
  }
  story_forget(&story);
}

static void begin(void) {
  segments = segments_new();
  assert_non_null(segments);
  source = segments_source(segments);
  struct segment_source own = source;
  own.allocate = allocate;
  shared_cells_init(&cells, &own, &(struct cell_kernel){NULL, cell_kernel.wake, has_thread});
  story_begin_sharing(&story, &cells.host, 8u << 20);
  for (uint64_t connection = 1; connection <= 2; connection++) {
    story_connect(&story, connection);
    story_open_session_of(&story, connection, 100 + connection);
  }
  story_forget(&story);
}

static void end(void) {
  engine_free_deferred(engine_take_deferred(story.engine));
  story_close_session(&story, 2);
  story_close_session(&story, 1);
  assert_int_equal(source.count(source.ctx), 0);
  assert_true(segments_count(segments) <= 1 + 2); /* life, and an empty arena of each class used */
  story_end(&story);
  shared_cells_deinit(&cells);
  segments_free(segments);
  assert_int_equal(memory_hook_mapped_bytes(), 0);
  assert_int_equal(memory_hook_descriptors(), 0);
  assert_int_equal(malloc_hook_live_bytes(), 0);
}

/* One sweep over the calls that fail_at makes fail. */
static size_t sweep(void (*fail_at)(size_t n), int (*has_failed)(void), bool may_fail) {
  size_t n = 0;
  int failed;
  do {
    begin();
    fail_at(++n);
    (void)live(1);
    failed = has_failed();
    fail_at(0);
    expect_reported(may_fail);
    engine_free_deferred(engine_take_deferred(story.engine));
    story_disconnect(&story, 1);
    story_pass_ms(&story, HF_GRACE_MS_DEFAULT);
    story_connect(&story, 1);
    story_open_session_of(&story, 1, 101);
    story_forget(&story);
    delete (1, "v"); /* what could not be deleted for want of memory */
    delete (2, "small");
    delete (3, "large");
    story_forget(&story);
    assert_true(live(11));
    expect_reported(false);
    end();
  } while (failed);
  return n - 1;
}

static void test_cells_any_call_for_shared_memory_may_fail(void **state) {
  (void)state;
  size_t count = sweep(memory_hook_fail, memory_hook_has_failed, false);
  print_message("%zu calls failed, one each time\n", count);
  assert_true(count >= 2 * 4 + 3); /* an arena, a large segment, and lending thrice */
}

static void test_cells_any_allocation_may_fail(void **state) {
  (void)state;
  size_t count = sweep(malloc_hook_fail, malloc_hook_has_failed, true);
  print_message("%zu allocations failed, one each time\n", count);
  assert_true(count > 20);
}

static void test_cells_segments_begin_or_leave_nothing(void **state) {
  (void)state;
  struct segments *made = NULL;
  size_t n = 0;
  while (made == NULL) {
    malloc_hook_fail(++n);
    made = segments_new();
    assert_true(n < 10);
    if (made == NULL) {
      assert_int_equal(memory_hook_mapped_bytes(), 0);
      assert_int_equal(memory_hook_descriptors(), 0);
      assert_int_equal(malloc_hook_live_bytes(), 0);
    }
  }
  malloc_hook_fail(0);
  segments_free(made);
  assert_true(n > 3); /* itself, a segment, its location in the table */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cells_any_call_for_shared_memory_may_fail),
      cmocka_unit_test(test_cells_any_allocation_may_fail),
      cmocka_unit_test(test_cells_segments_begin_or_leave_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
