/* Cells whose memory can't be attached: whichever call fails in the library, the handle works over
 * calls, nothing stays behind, and the next handle is mapped. */
#include <dirent.h>

#include "tests/integration/world.h"
#include "tests/support/malloc_hook.h"
#include "tests/support/memory_hook.h"

/* The library's strdup is free'd by the wrapped free. */
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text) {
  size_t size = strlen(text) + 1;
  char *copy = malloc(size);
  return copy == NULL ? NULL : memcpy(copy, text, size);
}

#define LARGE_COUNT 20000

struct left {
  size_t heap_bytes, mapped_bytes, descriptors;
};

static size_t own_descriptors(void) {
  size_t count = 0;
  DIR *dir = opendir("/proc/self/fd");
  assert_non_null(dir);
  while (readdir(dir) != NULL) {
    count++;
  }
  closedir(dir);
  return count;
}

static struct left what_is_there(void) {
  return (struct left){malloc_hook_live_bytes(), memory_hook_mapped_bytes(), own_descriptors()};
}

static void expect_as_before(struct left before) {
  const struct left now = what_is_there();
  assert_int_equal(now.heap_bytes, before.heap_bytes);
  assert_int_equal(now.mapped_bytes, before.mapped_bytes);
  assert_int_equal(now.descriptors, before.descriptors);
}

static void use_value(hf_conn *conn, hf_cell *cell) {
  hf_value sum;
  expect_ok(hf_cell_set(cell, hf_int(41)));
  expect_ok(hf_cell_add(cell, hf_int(1), &sum));
  expect_equal(sum, hf_int(42));
  expect_ok(hf_cell_lock(cell, 1000));
  expect_ok(hf_cell_unlock(cell));
  expect_ok(hf_ping(conn, NULL));
}

static void use_array(hf_array *array) {
  hf_value value;
  expect_ok(hf_array_set(array, -1, hf_int(5)));
  expect_ok(hf_array_get(array, LARGE_COUNT - 1, &value));
  expect_equal(value, hf_int(5));
}

struct hook {
  void (*fail_at)(size_t n);
  int (*has_failed)(void);
  bool may_refuse; /* the opening itself */
};

struct opened {
  bool has_failed;
  bool is_mapped; /* both are mapped */
};

/* Only the openings, which map, have a call that fails. */
static struct opened open_and_use(hf_conn *conn, const struct hook *hook, size_t n) {
  hf_cell *cell = NULL;
  hf_array *array = NULL;
  hook->fail_at(n);
  hf_status of_cell = hf_cell_open(conn, NULL, 'q', hf_none(), &cell);
  hf_status of_array = hf_raw_array_open(conn, NULL, 'i', LARGE_COUNT, NULL, &array);
  struct opened opened = {.has_failed = hook->has_failed()};
  hook->fail_at(0);
  if (!hook->may_refuse || !opened.has_failed) {
    expect_ok(of_cell);
    expect_ok(of_array);
  }
  if (of_cell == HF_OK) {
    use_value(conn, cell);
  }
  if (of_array == HF_OK) {
    use_array(array);
  }
  opened.is_mapped = cell != NULL && hf_cell_data(cell) && array != NULL && hf_array_data(array);
  hf_cell_close(cell);
  hf_array_close(array);
  return opened;
}

/* out remote_count: how many of the failures kept something out of reach */
static size_t sweep(const struct hook *hook, size_t *remote_count) {
  const uint64_t objects = object_count();
  struct opened opened = {.has_failed = true};
  size_t n = 0;
  *remote_count = 0;
  while (opened.has_failed) {
    const struct left before = what_is_there();
    hf_conn *conn = connect_again(0);
    opened = open_and_use(conn, hook, ++n);
    *remote_count += !opened.is_mapped;
    assert_true(opened.is_mapped || opened.has_failed);
    assert_true(open_and_use(conn, hook, 0).is_mapped);
    hf_close(conn);
    expect_as_before(before);
  }
  await_objects(objects);
  return n - 1;
}

static void test_attach_any_call_may_fail(void **state) {
  (void)state;
  const struct hook hook = {memory_hook_fail, memory_hook_has_failed, false};
  size_t remote_count, count = sweep(&hook, &remote_count);
  print_message("%zu calls failed, one each time; %zu times over calls\n", count, remote_count);
  assert_true(remote_count >= 3); /* mapping the server's life and two segments */
}

static void test_attach_any_allocation_may_fail(void **state) {
  (void)state;
  const struct hook hook = {malloc_hook_fail, malloc_hook_has_failed, true};
  size_t remote_count, count = sweep(&hook, &remote_count);
  print_message("%zu allocations failed, one each time; %zu times over calls\n", count,
                remote_count);
  assert_true(remote_count >= 3); /* what the library keeps of a segment */
}

/* Connecting maps the rings, or goes on over the socket, or is refused. */
static size_t sweep_connecting(const struct hook *hook) {
  bool has_failed = true;
  size_t n = 0;
  while (has_failed) {
    const struct left before = what_is_there();
    hf_conn *conn = NULL;
    hook->fail_at(++n);
    hf_status status = hf_connect(world.daemon.ipc_url, NULL, &conn);
    has_failed = hook->has_failed();
    hook->fail_at(0);
    assert_true(has_failed || status == HF_OK);
    if (status == HF_OK) {
      expect_ok(hf_ping(conn, NULL));
      hf_close(conn);
    }
    expect_as_before(before);
  }
  return n - 1;
}

static void test_attach_connecting_leaves_nothing_behind(void **state) {
  (void)state;
  const struct hook calls = {memory_hook_fail, memory_hook_has_failed, false};
  const struct hook allocations = {malloc_hook_fail, malloc_hook_has_failed, true};
  size_t calls_count = sweep_connecting(&calls);
  size_t allocations_count = sweep_connecting(&allocations);
  print_message("%zu calls and %zu allocations failed\n", calls_count, allocations_count);
  assert_true(calls_count >= 1 && allocations_count >= 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_attach_connecting_leaves_nothing_behind),
    cmocka_unit_test(test_attach_any_call_may_fail),
    cmocka_unit_test(test_attach_any_allocation_may_fail),
};

WORLD_MAIN("attach", tests)
