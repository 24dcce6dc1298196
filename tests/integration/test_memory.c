/* Calls of the client library while any one of their allocations fails: each fails as a whole or is
 * done, nothing leaks here, no reference stays on the server, and the next call works. */
#include "tests/integration/world.h"
#include "tests/support/malloc_hook.h"

/* The library's strdup is free'd by the wrapped free. */
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text) {
  size_t size = strlen(text) + 1;
  char *copy = malloc(size);
  return copy == NULL ? NULL : memcpy(copy, text, size);
}

#define ITEMS_COUNT 3
#define SLOTS_COUNT 16
#define LATE_COUNT 20000

struct scene {
  hf_dict *dict;
  hf_queue *never;
  hf_list *list;
  hf_lock *lock;
  hf_queue *items;
  hf_pipe *ends[2];
};

static hf_value pair(hf_value items[2]) {
  items[0] = hf_text("some text");
  items[1] = hf_int(1);
  return hf_tuple(items, 2);
}

/* ---------------------------------------------------------------- what is swept; frees all it got */

static hf_status transact(struct scene *scene) {
  hf_value items[2], got = hf_none(), popped = hf_none();
  const hf_value tuple = pair(items);
  hf_status status = hf_transaction_begin(world.conn);
  hf_status made = status;
  if (status != HF_OK) {
    return status;
  }
  made |= hf_require_equal(scene->dict, tuple, NULL);
  made |= hf_dict_set(scene->dict, tuple, hf_reference(HF_AS_OBJECT(scene->list)));
  made |= hf_dict_get(scene->dict, tuple, &got);
  for (int i = 0; i < 20; i++) {
    made |= hf_dict_add(scene->dict, hf_text("n"), hf_int(1), NULL);
  }
  made |= hf_dict_pop(scene->dict, tuple, NULL, &popped);
  status = hf_transaction_commit(world.conn, 0, NULL);
  hf_value_clear(&got);
  hf_value_clear(&popped);
  return made == HF_OK || status != HF_OK ? status : HF_UNKNOWN;
}

static hf_status wait_for_first(struct scene *scene) {
  hf_value value, got = hf_none();
  hf_status status = hf_wait_any_begin(world.conn);
  if (status != HF_OK) {
    return status;
  }
  hf_status made = hf_queue_get(scene->never, 0, &value);
  made |= hf_dict_wait(scene->dict, hf_text("a"), NULL, 0, &got);
  status = hf_wait_any_end(world.conn, 0, NULL);
  hf_value_clear(&got);
  return made == HF_OK || status != HF_OK ? status : HF_UNKNOWN;
}

static hf_status get_values(struct scene *scene) {
  hf_value *values;
  size_t count;
  hf_status status = hf_list_get_slice(scene->list, HF_SLICE_ALL, &values, &count);
  if (status == HF_OK) {
    hf_values_free(values, count);
  }
  return status;
}

static hf_status get_entries(struct scene *scene) {
  struct hf_entry *entries;
  size_t count;
  hf_status status = hf_dict_items(scene->dict, &entries, &count);
  if (status == HF_OK) {
    hf_entries_free(entries, count);
  }
  return status;
}

static hf_status list_locks(struct scene *scene) {
  struct hf_lock_info *locks;
  size_t count;
  (void)scene;
  hf_status status = hf_list_locks(world.conn, &locks, &count);
  if (status == HF_OK) {
    hf_locks_free(locks, count);
  }
  return status;
}

/* ---------------------------------------------------------------- items; what was taken goes back */

/* One allocation fails at most. */
static void put_back(struct scene *scene, const hf_value *value) {
  if (hf_queue_put(scene->items, *value, 0) != HF_OK) {
    expect_ok(hf_queue_put(scene->items, *value, 0));
  }
}

static hf_status get_item(struct scene *scene) {
  hf_value value;
  hf_status status = hf_queue_get(scene->items, 0, &value);
  if (status == HF_OK) {
    put_back(scene, &value);
    hf_value_clear(&value);
  }
  return status;
}

static hf_status get_items(struct scene *scene) {
  hf_value *values;
  size_t count;
  hf_status status = hf_queue_get_many(scene->items, 10, 0, &values, &count);
  if (status == HF_OK) {
    assert_int_equal(count, ITEMS_COUNT);
    for (size_t i = 0; i < count; i++) {
      put_back(scene, &values[i]);
    }
    hf_values_free(values, count);
  }
  return status;
}

static hf_status get_first_item(struct scene *scene) {
  hf_value value, other;
  hf_status status = hf_wait_any_begin(world.conn);
  if (status != HF_OK) {
    return status;
  }
  hf_kept(hf_queue_get(scene->never, 0, &other));
  hf_kept(hf_queue_get(scene->items, 0, &value));
  status = hf_wait_any_end(world.conn, 0, NULL);
  if (status == HF_OK) {
    put_back(scene, &value);
    hf_value_clear(&value);
  }
  return status;
}

static hf_status reserve_item(struct scene *scene) {
  struct hf_reservation item;
  hf_status status = hf_queue_reserve(scene->items, 0, 0, &item);
  if (status == HF_OK) {
    if (hf_queue_return(scene->items, item.id, 0) != HF_OK) {
      expect_ok(hf_queue_return(scene->items, item.id, 0));
    }
    hf_value_clear(&item.value);
  }
  return status;
}

static hf_status receive_message(struct scene *scene) {
  hf_value value;
  hf_status status = hf_pipe_recv(scene->ends[0], 0, &value);
  if (status == HF_OK) {
    if (hf_pipe_send(scene->ends[1], value, 0) != HF_OK) {
      expect_ok(hf_pipe_send(scene->ends[1], value, 0));
    }
    hf_value_clear(&value);
  }
  return status;
}

/* ---------------------------------------------------------------- the sweep */

static uint64_t references_of(hf_object *object) {
  struct hf_object_info info;
  expect_ok(hf_object_info(object, &info));
  return info.references;
}

static uint64_t all_references(struct scene *scene) {
  return references_of(HF_AS_OBJECT(scene->list)) + references_of(HF_AS_OBJECT(scene->never));
}

static void sweep(struct scene *scene, const char *name, hf_status (*work)(struct scene *scene)) {
  uint64_t references = 0;
  for (int i = 0; i < 10; i++) { /* buffers that are kept are there then */
    expect_ok(work(scene));
    references = all_references(scene);
  }
  size_t bytes = malloc_hook_live_bytes();
  size_t count = 0, failed_count = 0;
  for (bool failed = true; failed; count++) {
    malloc_hook_fail(count + 1);
    hf_status status = work(scene);
    failed = malloc_hook_has_failed();
    malloc_hook_fail(0);
    if (status != HF_OK) {
      world_expect(status, HF_RESOURCE_EXHAUSTED, "NO_MEMORY", name, __FILE__, __LINE__);
      failed_count++;
    }
    expect_ok(work(scene));
    assert_int_equal(all_references(scene), references);
    assert_int_equal(malloc_hook_live_bytes(), bytes);
  }
  print_message("%s: %zu allocations, %zu failures\n", name, count - 1, failed_count);
  assert_true(failed_count > 0);
}

/* So many calls under way at once: their buffers are kept. */
static void use_slots(struct scene *scene) {
  uint64_t size;
  expect_ok(hf_pipeline_begin(world.conn, SLOTS_COUNT));
  for (int i = 0; i < SLOTS_COUNT; i++) {
    expect_ok(hf_queue_size(scene->never, &size));
  }
  expect_ok(hf_pipeline_end(world.conn, NULL));
}

static void scene_open(struct scene *scene) {
  hf_value items[2];
  expect_ok(hf_dict_open(world.conn, NULL, &scene->dict));
  expect_ok(hf_queue_open(world.conn, NULL, 0, &scene->never));
  expect_ok(hf_list_open(world.conn, NULL, &scene->list));
  expect_ok(hf_lock_open(world.conn, NULL, &scene->lock));
  expect_ok(hf_lock_acquire(scene->lock, 0, NULL));
  expect_ok(hf_list_append(scene->list, pair(items)));
  expect_ok(hf_list_append(scene->list, hf_reference(HF_AS_OBJECT(scene->never))));
  expect_ok(hf_list_append(scene->list, hf_text("more")));
  expect_ok(hf_dict_set(scene->dict, hf_text("a"), hf_reference(HF_AS_OBJECT(scene->list))));
  expect_ok(hf_dict_set(scene->dict, hf_text("b"), pair(items)));
  expect_ok(hf_queue_open(world.conn, NULL, 0, &scene->items));
  expect_ok(hf_pipe_new(world.conn, true, scene->ends));
  items[1] = hf_reference(HF_AS_OBJECT(scene->list));
  for (int i = 0; i < ITEMS_COUNT; i++) {
    expect_ok(hf_queue_put(scene->items, hf_tuple(items, 2), 0));
  }
  expect_ok(hf_pipe_send(scene->ends[1], hf_tuple(items, 2), 0));
  use_slots(scene);
}

static void scene_close(struct scene *scene) {
  hf_pipe_close(scene->ends[0]);
  hf_pipe_close(scene->ends[1]);
  hf_queue_close(scene->items);
  hf_lock_close(scene->lock);
  hf_list_close(scene->list);
  hf_queue_close(scene->never);
  hf_dict_close(scene->dict);
}

static void test_memory_fails_for_a_list_of_results(void **state) {
  struct scene scene;
  (void)state;
  scene_open(&scene);
  sweep(&scene, "values", get_values);
  sweep(&scene, "entries", get_entries);
  sweep(&scene, "locks", list_locks);
  scene_close(&scene);
}

static void test_memory_fails_in_a_batch(void **state) {
  struct scene scene;
  (void)state;
  scene_open(&scene);
  sweep(&scene, "transaction", transact);
  sweep(&scene, "first", wait_for_first);
  scene_close(&scene);
}

static void test_memory_fails_for_what_is_taken(void **state) {
  struct scene scene;
  (void)state;
  scene_open(&scene);
  sweep(&scene, "get", get_item);
  sweep(&scene, "get many", get_items);
  sweep(&scene, "get first", get_first_item);
  sweep(&scene, "reserve", reserve_item);
  sweep(&scene, "recv", receive_message);
  scene_close(&scene);
}

/* An answer comes when its call was given up, and can't be read: the item goes back, and the calls
 * after it are not mixed up with it. */
static void test_memory_fails_for_a_late_answer(void **state) {
  static hf_value numbers[LATE_COUNT];
  hf_conn *impatient = connect_again(300);
  hf_queue *queue, *same;
  hf_value value;
  uint64_t size;
  (void)state;
  expect_ok(hf_queue_open(world.conn, "late", 0, &queue));
  expect_ok(hf_queue_open(impatient, "late", 0, &same));
  for (int i = 0; i < LATE_COUNT; i++) {
    numbers[i] = hf_int(i);
  }
  expect_ok(hf_queue_put(queue, hf_tuple(numbers, LATE_COUNT), 0));
  for (size_t n = 1; n <= 6; n++) {
    server_stop();
    expect_fails(hf_queue_get(same, 0, &value), UNAVAILABLE, NOT_CONNECTED);
    malloc_hook_fail(n);
    server_continue();
    hf_status status = hf_queue_size(same, &size);
    malloc_hook_fail(0);
    assert_true(status == HF_OK || status == HF_RESOURCE_EXHAUSTED);
    expect_ok(hf_pipeline_begin(impatient, 0));
    for (int i = 0; i < SLOTS_COUNT; i++) {
      expect_ok(hf_queue_size(same, &size));
    }
    expect_ok(hf_pipeline_end(impatient, NULL));
    assert_int_equal(size, 1);
  }
  hf_queue_close(queue);
  hf_queue_close(same);
  expect_ok(hf_delete(world.conn, "late"));
  hf_close(impatient);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_memory_fails_for_a_late_answer),
    cmocka_unit_test(test_memory_fails_for_what_is_taken),
    cmocka_unit_test(test_memory_fails_for_a_list_of_results),
    cmocka_unit_test(test_memory_fails_in_a_batch),
};

WORLD_MAIN("memory", tests)
