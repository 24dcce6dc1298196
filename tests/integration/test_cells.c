/* Values and arrays in shared memory, among processes of this machine and one that, though it runs
 * here too, reaches the server over tcp only.
 *
 *   test_cells local [--count N]      N increments by each of three processes, 20,000 by default
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/world.h"

static int64_t increments_count = 20000;

/* A connection that gets nothing of the shared memory. */
static hf_conn *connect_remote(void) {
  const struct hf_options options = {.client = "far", .grace_ms = 100};
  hf_conn *conn = NULL;
  setenv("HOLDFAST_LOCAL", "off", 1);
  hf_status status = hf_connect(world.daemon.tcp_url, &options, &conn);
  setenv("HOLDFAST_LOCAL", "on", 1);
  expect_ok(status);
  return conn;
}

static hf_cell *open_value(hf_conn *conn, const char *name) {
  hf_cell *cell = NULL;
  expect_ok(hf_cell_open(conn, name, 'q', hf_int(0), &cell));
  return cell;
}

/* Both ends of the same Value. */
static struct {
  hf_conn *remote_conn;
  hf_cell *mapped, *remote;
} pair;

static int set_up(void **state) {
  (void)state;
  pair.remote_conn = connect_remote();
  pair.mapped = open_value(world.conn, "pair");
  pair.remote = open_value(pair.remote_conn, "pair");
  assert_non_null(hf_cell_data(pair.mapped));
  assert_null(hf_cell_data(pair.remote));
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  hf_cell_close(pair.mapped);
  hf_cell_close(pair.remote);
  hf_close(pair.remote_conn);
  expect_ok(hf_delete(world.conn, "pair"));
  return 0;
}

static int64_t get(hf_cell *cell) {
  int64_t integer = 0;
  expect_ok(hf_cell_get_int(cell, &integer));
  return integer;
}

/* ---- one cell */

static void test_cells_both_see_what_either_writes(void **state) {
  (void)state;
  expect_ok(hf_cell_set(pair.mapped, hf_int(41)));
  expect_ok(hf_cell_add(pair.remote, hf_int(1), NULL));
  assert_int_equal(get(pair.mapped), 42);
  *(int64_t *)hf_cell_data(pair.mapped) = 43;
  assert_int_equal(get(pair.remote), 43);
}

static void test_cells_errors_are_the_same(void **state) {
  (void)state;
  hf_cell *cells[] = {pair.mapped, pair.remote};
  for (int i = 0; i < 2; i++) {
    hf_value found;
    bool swapped;
    expect_ok(hf_cell_set(cells[i], hf_int(INT64_MAX)));
    expect_fails(hf_cell_add(cells[i], hf_int(1), NULL), OUT_OF_RANGE, OVERFLOW);
    expect_fails(hf_cell_set(cells[i], hf_float(1.5)), INVALID_ARGUMENT, WRONG_TYPE);
    expect_fails(hf_cell_set(cells[i], hf_text("1")), INVALID_ARGUMENT, WRONG_TYPE);
    expect_fails(hf_cell_wait(cells[i], hf_int(INT64_MAX), 1, &found), DEADLINE_EXCEEDED,
                 NOT_CHANGED);
    expect_fails(hf_cell_wait(cells[i], hf_int(INT64_MAX), -2, &found), INVALID_ARGUMENT,
                 NEGATIVE_TIMEOUT);
    expect_fails(hf_cell_lock(cells[i], -2), INVALID_ARGUMENT, NEGATIVE_TIMEOUT);
    expect_fails(hf_cell_unlock(cells[i]), FAILED_PRECONDITION, NOT_OWNER);
    expect_ok(hf_cell_compare_and_set(cells[i], hf_float(0.5), hf_int(1), &swapped, &found));
    assert_false(swapped);
    expect_ok(hf_cell_exchange(cells[i], hf_int(7), &found));
    expect_equal(found, hf_int(INT64_MAX));
    expect_ok(hf_cell_compare_and_set(cells[i], hf_int(7), hf_int(8), &swapped, &found));
    assert_true(swapped);
  }
}

static void test_cells_every_type_is_the_same_from_both_sides(void **state) {
  (void)state;
  const char typecodes[] = "cbB?hHiIlLqQfd";
  for (const char *code = typecodes; *code; code++) {
    hf_cell *mapped, *remote;
    hf_value from_mapped, from_remote;
    expect_ok(hf_raw_cell_open(world.conn, "typed", *code, hf_none(), &mapped));
    expect_ok(hf_raw_cell_open(pair.remote_conn, "typed", *code, hf_none(), &remote));
    expect_ok(hf_cell_set(remote, hf_int(1)));
    expect_ok(hf_cell_get(mapped, &from_mapped));
    expect_ok(hf_cell_get(remote, &from_remote));
    assert_int_equal(from_mapped.type, from_remote.type);
    assert_true(hf_value_equal(from_mapped, from_remote));
    hf_value_clear(&from_mapped);
    hf_value_clear(&from_remote);
    hf_cell_close(mapped);
    hf_cell_close(remote);
    expect_ok(hf_delete(world.conn, "typed"));
  }
}

static void test_cells_arrays_and_slices(void **state) {
  (void)state;
  hf_array *mapped, *remote;
  hf_value *values;
  size_t count;
  expect_ok(hf_array_open(world.conn, "slices", 'i', 100000, NULL, &mapped)); /* its own segment */
  expect_ok(hf_array_open(pair.remote_conn, "slices", 'i', 100000, NULL, &remote));
  int *elements = hf_array_data(mapped);
  assert_non_null(elements);
  elements[99999] = 9;
  expect_ok(hf_array_set(remote, 0, hf_int(1)));
  expect_ok(hf_array_set_slice(mapped, (struct hf_slice){1, 4, HF_OMITTED},
                               (hf_value[]){hf_int(2), hf_int(3), hf_int(4)}, 3));
  expect_ok(hf_array_get_slice(remote, (struct hf_slice){3, HF_OMITTED, -1}, &values, &count));
  EXPECT_INTS(values, count, 4, 3, 2, 1);
  expect_ok(hf_array_get_slice(mapped, (struct hf_slice){99998, HF_OMITTED, HF_OMITTED}, &values,
                               &count));
  EXPECT_INTS(values, count, 0, 9);
  expect_fails(hf_array_set_slice(mapped, (struct hf_slice){0, 2, HF_OMITTED},
                                  (hf_value[]){hf_int(5), hf_float(0.5)}, 2),
               INVALID_ARGUMENT, WRONG_TYPE);
  assert_int_equal(elements[0], 1);
  expect_fails(hf_array_get(mapped, 100000, values), OUT_OF_RANGE, BAD_INDEX);
  hf_array_close(mapped);
  hf_array_close(remote);
  expect_ok(hf_delete(world.conn, "slices"));
}

static void test_cells_numbers(void **state) {
  (void)state;
  hf_conn *conns[] = {world.conn, pair.remote_conn};
  for (int i = 0; i < 2; i++) {
    hf_cell *cell, *real;
    hf_array *array;
    int64_t number, previous;
    double f64 = 0;
    int32_t i32 = 0;
    expect_ok(hf_raw_cell_open(conns[i], NULL, 'q', hf_int(5), &cell));
    expect_ok(hf_raw_cell_open(conns[i], NULL, 'd', hf_float(0.5), &real));
    expect_ok(hf_raw_array_open(conns[i], NULL, 'i', 3, NULL, &array));
    expect_ok(hf_cell_add_int(cell, 2, &number));
    assert_int_equal(number, 7);
    expect_ok(hf_cell_store_i64(cell, 6));
    expect_ok(hf_cell_add_i64(cell, 4, &number));
    assert_int_equal(number, 10);
    expect_ok(hf_cell_exchange_i64(cell, INT64_MAX, &previous));
    assert_int_equal(previous, 10);
    expect_fails(hf_cell_add_i64(cell, 1, &number), OUT_OF_RANGE, OVERFLOW);
    expect_ok(hf_cell_load_i64(cell, &number));
    assert_int_equal(number, INT64_MAX);
    expect_fails(hf_cell_load_i32(cell, &i32), OUT_OF_RANGE, OVERFLOW);
    expect_fails(hf_cell_load_i64(real, &number), INVALID_ARGUMENT, WRONG_TYPE);
    expect_ok(hf_cell_load_f64(real, &f64));
    assert_true(f64 == 0.5);
    expect_ok(hf_array_store_i32(array, 2, 7));
    expect_ok(hf_array_add_i32(array, 2, 1, &i32));
    assert_int_equal(i32, 8);
    expect_fails(hf_array_load_i32(array, 3, &i32), OUT_OF_RANGE, BAD_INDEX);
    expect_fails(hf_array_load_i32(array, SIZE_MAX, &i32), OUT_OF_RANGE, BAD_INDEX);
    expect_fails(hf_array_store_i32(array, SIZE_MAX, 1), OUT_OF_RANGE, BAD_INDEX);
    expect_fails(hf_array_add_i32(array, SIZE_MAX, 1, &i32), OUT_OF_RANGE, BAD_INDEX);
    hf_cell_close(cell);
    hf_cell_close(real);
    hf_array_close(array);
  }
}

/* ---- the lock */

static int add_mapped(void *unused) {
  (void)unused;
  for (int64_t i = 0; i < increments_count; i++) {
    if (hf_cell_add(pair.mapped, hf_int(1), NULL) != HF_OK) {
      return 1;
    }
  }
  return 0;
}

static int add_remote(void *unused) {
  (void)unused;
  for (int64_t i = 0; i < increments_count; i++) {
    if (hf_cell_add(pair.remote, hf_int(1), NULL) != HF_OK) {
      return 1;
    }
  }
  return 0;
}

/* Not with one call: by a plain store under the lock. */
static int lock_and_add(void *unused) {
  (void)unused;
  for (int64_t i = 0; i < increments_count; i++) {
    if (hf_cell_lock(pair.mapped, HF_FOREVER) != HF_OK) {
      return 1;
    }
    ++*(volatile int64_t *)hf_cell_data(pair.mapped);
    if (hf_cell_unlock(pair.mapped) != HF_OK) {
      return 2;
    }
  }
  return 0;
}

static void test_cells_increments_from_mapped_and_remote_add_up(void **state) {
  (void)state;
  uint64_t began_ms = now_ms();
  pid_t children[] = {child_start(add_mapped, NULL), child_start(lock_and_add, NULL),
                      child_start(add_remote, NULL)};
  for (int i = 0; i < 3; i++) {
    assert_int_equal(child_end(children[i]), 0);
  }
  assert_int_equal(get(pair.mapped), 3 * increments_count);
  printf("%lld increments each: %llu ms\n", (long long)increments_count,
         (unsigned long long)(now_ms() - began_ms));
}

static void *lock_remote(void *unused) {
  (void)unused;
  expect_ok(hf_cell_lock(pair.remote, 5000));
  return NULL;
}

static void test_cells_mapped_lock_keeps_remote_ones_out(void **state) {
  (void)state;
  pthread_t thread;
  expect_ok(hf_cell_lock(pair.mapped, HF_FOREVER));
  struct hf_object_info info;
  expect_ok(hf_object_info((hf_object *)pair.remote, &info));
  assert_true(info.locked);
  expect_fails(hf_cell_lock(pair.remote, 0), DEADLINE_EXCEEDED, LOCK_HELD);
  expect_fails(hf_cell_lock(pair.remote, 30), DEADLINE_EXCEEDED, LOCK_HELD);
  pthread_create(&thread, NULL, lock_remote, NULL);
  await_waiting(1);
  expect_ok(hf_cell_add(pair.mapped, hf_int(1), NULL)); /* its own lock, though others wait */
  assert_int_equal(waiting_count(), 1);
  expect_ok(hf_cell_unlock(pair.mapped));
  pthread_join(thread, NULL);
  expect_fails(hf_cell_lock(pair.mapped, 30), DEADLINE_EXCEEDED, LOCK_HELD);
}

static void *add_one_mapped(void *unused) {
  (void)unused;
  expect_ok(hf_cell_add(pair.mapped, hf_int(1), NULL));
  return NULL;
}

static void test_cells_remote_lock_keeps_mapped_ones_out(void **state) {
  (void)state;
  pthread_t thread;
  struct hf_grant grant;
  expect_ok(hf_cell_lock(pair.remote, 0));
  expect_fails(hf_cell_lock(pair.mapped, 0), DEADLINE_EXCEEDED, LOCK_HELD);
  expect_fails(hf_cell_lock(pair.mapped, 30), DEADLINE_EXCEEDED, LOCK_HELD);
  pthread_create(&thread, NULL, add_one_mapped, NULL);
  await_waiting(1); /* in the server's queue, like all others */
  assert_int_equal(get(pair.remote), 0);
  expect_ok(hf_cell_unlock(pair.remote));
  pthread_join(thread, NULL);
  expect_ok(hf_cell_lock_with(pair.mapped, 5000, &grant));
  assert_false(grant.owner_died);
  assert_int_equal(get(pair.mapped), 1);
  expect_ok(hf_cell_unlock(pair.mapped));
}

static int lock_and_stay(void *mapped) {
  hf_conn *conn = mapped ? child_connect() : connect_remote();
  hf_cell *cell = open_value(conn, "pair");
  if (hf_cell_lock(cell, 1000) != HF_OK || hf_cell_set(cell, hf_int(99)) != HF_OK) {
    return 1;
  }
  pause();
  return 2;
}

static void await_value(int64_t wanted) {
  while (*(volatile int64_t *)hf_cell_data(pair.mapped) != wanted) {
    sleep_ms(1);
  }
}

static void *try_elsewhere(void *unused) {
  assert_false(hf_cell_try_lock(pair.mapped));
  assert_false(hf_cell_is_owned(pair.mapped));
  return unused;
}

static void test_cells_try_lock_takes_only_what_is_free_here(void **state) {
  (void)state;
  pthread_t thread;
  struct hf_grant grant;
  assert_false(hf_cell_try_lock(pair.remote)); /* not mapped */
  assert_false(hf_cell_is_owned(pair.mapped));
  assert_true(hf_cell_try_lock(pair.mapped));
  assert_true(hf_cell_try_lock(pair.mapped));
  assert_true(hf_cell_is_owned(pair.mapped));
  pthread_create(&thread, NULL, try_elsewhere, NULL);
  pthread_join(thread, NULL);
  expect_fails(hf_cell_lock(pair.remote, 0), DEADLINE_EXCEEDED, LOCK_HELD);
  expect_ok(hf_cell_unlock(pair.mapped));
  expect_fails(hf_cell_lock(pair.remote, 0), DEADLINE_EXCEEDED, LOCK_HELD);
  expect_ok(hf_cell_unlock(pair.mapped));
  assert_false(hf_cell_is_owned(pair.mapped));
  expect_ok(hf_cell_lock(pair.remote, 0));
  assert_false(hf_cell_is_owned(pair.remote)); /* not mapped */
  assert_false(hf_cell_try_lock(pair.mapped)); /* the server owns it */
  expect_ok(hf_cell_unlock(pair.remote));
  /* A death is left to be reported by the next lock. */
  pid_t child = child_start(lock_and_stay, pair.mapped);
  await_value(99);
  child_kill(child);
  assert_false(hf_cell_try_lock(pair.mapped));
  expect_ok(hf_cell_lock_with(pair.mapped, 5000, &grant));
  assert_true(grant.owner_died);
  expect_ok(hf_cell_unlock(pair.mapped));
  assert_true(hf_cell_try_lock(pair.mapped));
  assert_int_equal(hf_pipeline_begin(world.conn, 0), HF_OK);
  assert_false(hf_cell_try_lock(pair.mapped));
  assert_false(hf_cell_is_owned(pair.mapped));
  expect_ok(hf_pipeline_end(world.conn, NULL));
  assert_true(hf_cell_is_owned(pair.mapped));
  expect_ok(hf_cell_unlock(pair.mapped));
}

static void test_cells_lock_is_taken_along_into_a_pipeline(void **state) {
  (void)state;
  hf_value sum;
  expect_ok(hf_cell_lock(pair.mapped, 0));
  expect_ok(hf_cell_lock(pair.mapped, 0));
  expect_ok(hf_pipeline_begin(world.conn, 0));
  expect_ok(hf_cell_add(pair.mapped, hf_int(1), NULL));
  expect_ok(hf_cell_add(pair.mapped, hf_int(1), &sum));
  expect_ok(hf_cell_unlock(pair.mapped));
  expect_ok(hf_pipeline_end(world.conn, NULL));
  expect_equal(sum, hf_int(2));
  expect_fails(hf_cell_lock(pair.remote, 0), DEADLINE_EXCEEDED, LOCK_HELD);
  expect_ok(hf_cell_unlock(pair.mapped));
  expect_ok(hf_cell_lock(pair.remote, 0));
  expect_ok(hf_cell_unlock(pair.remote));
}

static void test_cells_closed_handle_leaves_the_lock_to_the_session(void **state) {
  (void)state;
  hf_cell *again = open_value(world.conn, "pair");
  expect_ok(hf_cell_lock(again, 0));
  hf_cell_close(again);
  expect_fails(hf_cell_lock(pair.remote, 30), DEADLINE_EXCEEDED, LOCK_HELD);
  expect_ok(hf_cell_unlock(pair.mapped));
  expect_ok(hf_cell_lock(pair.remote, 0));
  expect_ok(hf_cell_unlock(pair.remote));
}

/* ---- deaths */

static void test_cells_death_is_reported_once_to_the_next_owner(void **state) {
  (void)state;
  hf_cell *cells[] = {pair.mapped, pair.remote};
  for (int is_mapped = 0; is_mapped < 2; is_mapped++) {
    for (int next = 0; next < 2; next++) {
      struct hf_grant grant;
      pid_t child = child_start(lock_and_stay, is_mapped ? pair.mapped : NULL);
      await_value(99);
      child_kill(child);
      expect_ok(hf_cell_lock_with(cells[next], 5000, &grant));
      assert_true(grant.owner_died);
      assert_int_equal(get(cells[next]), 99);
      expect_ok(hf_cell_set(cells[next], hf_int(0)));
      expect_ok(hf_cell_unlock(cells[next]));
      for (int i = 0; i < 2; i++) {
        expect_ok(hf_cell_lock_with(cells[i], 5000, &grant));
        assert_false(grant.owner_died);
        expect_ok(hf_cell_unlock(cells[i]));
      }
    }
  }
}

static void test_cells_stopped_owner_delays_others_until_their_timeout_only(void **state) {
  (void)state;
  hf_cell *cells[] = {pair.mapped, pair.remote};
  pid_t child = child_start(lock_and_stay, pair.mapped);
  await_value(99);
  kill(child, SIGSTOP);
  for (int i = 0; i < 2; i++) {
    uint64_t began_ms = now_ms();
    expect_fails(hf_cell_lock(cells[i], 100), DEADLINE_EXCEEDED, LOCK_HELD);
    assert_in_range(now_ms() - began_ms, 90, 2000);
    expect_ok(hf_ping(pair.remote_conn, NULL));
  }
  kill(child, SIGKILL);
  child_end(child);
  expect_ok(hf_cell_set(pair.remote, hf_int(0)));
}

/* ---- changes */

static void *wait_remote(void *seen) {
  hf_value value;
  expect_ok(hf_cell_wait(pair.remote, hf_int(0), 5000, &value));
  *(int64_t *)seen = value.integer;
  return NULL;
}

static void *wait_mapped(void *seen) {
  hf_value value;
  expect_ok(hf_cell_wait(pair.mapped, hf_int(0), 5000, &value));
  *(int64_t *)seen = value.integer;
  return NULL;
}

static void test_cells_change_on_one_side_wakes_the_other(void **state) {
  (void)state;
  void *(*const waits[])(void *) = {wait_remote, wait_mapped, wait_mapped};
  hf_cell *const writers[] = {pair.mapped, pair.remote, pair.mapped};
  for (int i = 0; i < 3; i++) {
    uint64_t total_ms = 0;
    for (int round = 0; round < 10; round++) {
      int64_t seen = 0;
      pthread_t thread;
      expect_ok(hf_cell_set(pair.mapped, hf_int(0)));
      pthread_create(&thread, NULL, waits[i], &seen);
      sleep_ms(5);
      uint64_t began_ms = now_ms();
      expect_ok(hf_cell_set(writers[i], hf_int(5)));
      pthread_join(thread, NULL);
      total_ms += now_ms() - began_ms;
      assert_int_equal(seen, 5);
    }
    assert_in_range(total_ms, 0, 200); /* by polling every 50 ms it would be 250 on average */
  }
}

static void *cancel_soon(void *unused) {
  (void)unused;
  sleep_ms(30);
  hf_cancel(world.conn);
  return NULL;
}

static void *store_soon(void *unused) {
  sleep_ms(20);
  expect_ok(hf_cell_lock(pair.mapped, 1000));
  *(volatile int64_t *)hf_cell_data(pair.mapped) += 1;
  hf_cell_changed(pair.mapped);
  expect_ok(hf_cell_unlock(pair.mapped));
  hf_cell_changed(pair.remote); /* not mapped */
  return unused;
}

/* Without it a wait would notice up to 50 ms later: the shortest of several. */
static void test_cells_change_through_the_pointer_is_noticed_at_once(void **state) {
  (void)state;
  hf_cell *waiting[] = {pair.mapped, pair.remote};
  for (size_t i = 0; i < 2; i++) {
    uint64_t shortest_ms = UINT64_MAX;
    for (int round = 0; round < 5; round++) {
      pthread_t thread;
      hf_value value;
      int64_t known = get(pair.mapped);
      uint64_t began_ms = now_ms();
      pthread_create(&thread, NULL, store_soon, NULL);
      expect_ok(hf_cell_wait(waiting[i], hf_int(known), 5000, &value));
      expect_equal(value, hf_int(known + 1));
      uint64_t took_ms = now_ms() - began_ms;
      shortest_ms = took_ms < shortest_ms ? took_ms : shortest_ms;
      pthread_join(thread, NULL);
    }
    assert_in_range(shortest_ms, 20, 40);
  }
}

static void test_cells_cancel_ends_a_wait_here(void **state) {
  (void)state;
  pthread_t thread;
  hf_value value;
  pthread_create(&thread, NULL, cancel_soon, NULL);
  expect_fails(hf_cell_wait(pair.mapped, hf_int(0), HF_FOREVER, &value), CANCELLED, CANCELLED);
  pthread_join(thread, NULL);
  expect_fails(hf_cell_wait(pair.mapped, hf_int(0), 60, &value), DEADLINE_EXCEEDED, NOT_CHANGED);
  hf_cancel(world.conn);
  expect_fails(hf_cell_wait(pair.mapped, hf_int(0), HF_FOREVER, &value), CANCELLED, CANCELLED);
}

/* ---- lives */

static int use_inherited(void *expected) {
  int64_t integer, *data = expected;
  if (*data != 5 || hf_cell_add(pair.mapped, hf_int(1), NULL) != HF_OK ||
      hf_cell_data(pair.mapped) != data || hf_cell_get_int(pair.mapped, &integer) != HF_OK) {
    return 1;
  }
  return integer == 6 ? 0 : 2;
}

static void test_cells_child_has_the_parents_mapping(void **state) {
  (void)state;
  expect_ok(hf_cell_set(pair.mapped, hf_int(5)));
  assert_int_equal(child_end(child_start(use_inherited, hf_cell_data(pair.mapped))), 0);
  assert_int_equal(get(pair.mapped), 6);
}

static void test_cells_handle_from_a_reference_is_within_reach(void **state) {
  (void)state;
  hf_list *list;
  hf_value value;
  hf_object *object;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  expect_ok(hf_list_append(list, hf_reference((hf_object *)pair.mapped)));
  expect_ok(hf_list_get(list, 0, &value));
  expect_ok(hf_reference_open(world.conn, &value, &object));
  assert_ptr_equal(hf_cell_data((hf_cell *)object), hf_cell_data(pair.mapped));
  hf_object_close(object);
  hf_list_close(list);
}

static void test_cells_deleted_ones_are_gone_for_everybody(void **state) {
  (void)state;
  hf_cell *cell = open_value(world.conn, "short lived"), *raw;
  expect_ok(hf_raw_cell_open(world.conn, "short lived too", 'i', hf_none(), &raw));
  expect_ok(hf_delete(pair.remote_conn, "short lived"));
  expect_ok(hf_delete(pair.remote_conn, "short lived too"));
  expect_fails(hf_cell_add(cell, hf_int(1), NULL), NOT_FOUND, NO_SUCH_OBJECT);
  expect_fails(hf_cell_lock(cell, 0), NOT_FOUND, NO_SUCH_OBJECT);
  expect_fails(hf_cell_set(raw, hf_int(1)), NOT_FOUND, NO_SUCH_OBJECT);
  hf_cell_close(cell);
  hf_cell_close(raw);
}

/* ---- the last: the server ends */

static void test_cells_dead_server_is_noticed(void **state) {
  (void)state;
  hf_conn *conn = connect_again(500);
  hf_cell *cell = open_value(conn, "orphan"), *raw;
  expect_ok(hf_raw_cell_open(conn, NULL, 'i', hf_none(), &raw));
  assert_non_null(hf_cell_data(cell));
  daemon_kill(&world.daemon);
  expect_fails(hf_cell_add(cell, hf_int(1), NULL), UNAVAILABLE, NOT_CONNECTED);
  expect_fails(hf_cell_set(raw, hf_int(1)), UNAVAILABLE, NOT_CONNECTED);
  daemon_restart(&world.daemon, NULL);
  expect_fails(hf_cell_add(cell, hf_int(1), NULL), FAILED_PRECONDITION, SESSION_ENDED);
  hf_cell_close(cell);
  hf_cell_close(raw);
  hf_close(conn);
}

#define PAIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    PAIR(test_cells_both_see_what_either_writes),
    PAIR(test_cells_errors_are_the_same),
    PAIR(test_cells_every_type_is_the_same_from_both_sides),
    PAIR(test_cells_arrays_and_slices),
    PAIR(test_cells_numbers),
    PAIR(test_cells_increments_from_mapped_and_remote_add_up),
    PAIR(test_cells_mapped_lock_keeps_remote_ones_out),
    PAIR(test_cells_remote_lock_keeps_mapped_ones_out),
    PAIR(test_cells_try_lock_takes_only_what_is_free_here),
    PAIR(test_cells_lock_is_taken_along_into_a_pipeline),
    PAIR(test_cells_closed_handle_leaves_the_lock_to_the_session),
    PAIR(test_cells_death_is_reported_once_to_the_next_owner),
    PAIR(test_cells_stopped_owner_delays_others_until_their_timeout_only),
    PAIR(test_cells_change_on_one_side_wakes_the_other),
    PAIR(test_cells_change_through_the_pointer_is_noticed_at_once),
    PAIR(test_cells_cancel_ends_a_wait_here),
    PAIR(test_cells_child_has_the_parents_mapping),
    PAIR(test_cells_handle_from_a_reference_is_within_reach),
    PAIR(test_cells_deleted_ones_are_gone_for_everybody),
    cmocka_unit_test(test_cells_dead_server_is_noticed),
};

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[2], "--count") == 0) {
    increments_count = strtoll(argv[3], NULL, 0);
    argc = 2;
  }
  return world_main(argc, argv, "cells", tests, sizeof tests / sizeof *tests);
}
