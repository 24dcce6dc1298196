/* Value, Array and their raw kinds through the client library. */
#include <pthread.h>

#include "tests/integration/world.h"

static void test_value_each_typecode_keeps_its_range(void **state) {
  static const struct {
    char typecode;
    int64_t least, most;
  } ranges[] = {{'b', -128, 127},
                {'B', 0, 255},
                {'h', -32768, 32767},
                {'H', 0, 65535},
                {'i', INT32_MIN, INT32_MAX},
                {'I', 0, UINT32_MAX},
                {'l', INT64_MIN, INT64_MAX},
                {'q', INT64_MIN, INT64_MAX},
                {'L', 0, INT64_MAX},
                {'Q', 0, INT64_MAX}};
  (void)state;
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
    hf_cell *cell;
    int64_t integer;
    expect_ok(hf_cell_open(world.conn, NULL, ranges[i].typecode, hf_none(), &cell));
    expect_ok(hf_cell_get_int(cell, &integer));
    assert_int_equal(integer, 0);
    expect_ok(hf_cell_set(cell, hf_int(ranges[i].least)));
    expect_ok(hf_cell_set(cell, hf_int(ranges[i].most)));
    if (ranges[i].most < INT64_MAX) {
      expect_fails(hf_cell_set(cell, hf_int(ranges[i].most + 1)), OUT_OF_RANGE, OVERFLOW);
    }
    if (ranges[i].least > INT64_MIN) {
      expect_fails(hf_cell_set(cell, hf_int(ranges[i].least - 1)), OUT_OF_RANGE, OVERFLOW);
    }
    expect_fails(hf_cell_set(cell, hf_text("1")), INVALID_ARGUMENT, WRONG_TYPE);
    expect_ok(hf_cell_get_int(cell, &integer));
    assert_int_equal(integer, ranges[i].most);
    hf_cell_close(cell);
  }
}

static void test_value_of_floats_bools_and_chars(void **state) {
  hf_cell *real, *flag, *letter, *none;
  hf_value value;
  double number;
  (void)state;
  expect_ok(hf_cell_open(world.conn, NULL, 'd', hf_float(0.0), &real));
  expect_ok(hf_cell_set(real, hf_float(3.1415927)));
  expect_ok(hf_cell_get_float(real, &number));
  assert_true(number == 3.1415927);
  expect_ok(hf_raw_cell_open(world.conn, NULL, '?', hf_bool(true), &flag));
  expect_ok(hf_cell_get(flag, &value));
  expect_equal(value, hf_bool(true));
  expect_ok(hf_cell_open(world.conn, NULL, 'c', hf_bytes("z", 1), &letter));
  expect_ok(hf_cell_get(letter, &value));
  expect_equal(value, hf_bytes("z", 1));
  expect_fails(hf_cell_open(world.conn, NULL, 'x', hf_none(), &none), INVALID_ARGUMENT,
               BAD_TYPECODE);
  hf_cell_close(real);
  hf_cell_close(flag);
  hf_cell_close(letter);
}

static void test_value_add_compare_and_wait(void **state) {
  hf_cell *cell;
  hf_value value;
  bool swapped;
  (void)state;
  expect_ok(hf_cell_open(world.conn, NULL, 'i', hf_int(40), &cell));
  expect_ok(hf_cell_add(cell, hf_int(2), &value));
  expect_equal(value, hf_int(42));
  expect_ok(hf_cell_add(cell, hf_int(-2), NULL));
  expect_fails(hf_cell_add(cell, hf_int(INT64_MAX), NULL), OUT_OF_RANGE, OVERFLOW);
  expect_ok(hf_cell_compare_and_set(cell, hf_int(40), hf_int(1), &swapped, &value));
  assert_true(swapped);
  expect_equal(value, hf_int(40));
  expect_ok(hf_cell_compare_and_set(cell, hf_int(40), hf_int(2), &swapped, NULL));
  assert_false(swapped);
  expect_fails(hf_cell_wait(cell, hf_int(1), 20, &value), DEADLINE_EXCEEDED, NOT_CHANGED);
  expect_ok(hf_cell_wait(cell, hf_int(0), HF_FOREVER, &value));
  expect_equal(value, hf_int(1));
  hf_cell_close(cell);
}

static void *read_cell(void *argument) {
  int64_t integer;
  return (void *)(intptr_t)(hf_cell_get_int(argument, &integer) == HF_OK ? integer : -1);
}

/* A thread waits for the cell's lock: queued at the server, or in shared memory, where nothing
 * shows it. */
static void await_blocked(hf_cell *cell) {
  if (hf_cell_data(cell) != NULL) {
    sleep_ms(50);
  } else {
    await_waiting(1);
  }
}

static void test_value_lock_is_recursive_and_holds_others_up(void **state) {
  hf_cell *cell, *raw;
  pthread_t thread;
  void *seen;
  (void)state;
  expect_ok(hf_cell_open(world.conn, NULL, 'i', hf_int(1), &cell));
  expect_ok(hf_cell_lock(cell, HF_FOREVER));
  expect_ok(hf_cell_lock(cell, 0));
  assert_int_equal(pthread_create(&thread, NULL, read_cell, cell), 0);
  await_blocked(cell);
  expect_ok(hf_cell_set(cell, hf_int(2)));
  expect_ok(hf_cell_unlock(cell));
  expect_ok(hf_cell_unlock(cell));
  pthread_join(thread, &seen);
  assert_int_equal((intptr_t)seen, 2);
  expect_fails(hf_cell_unlock(cell), FAILED_PRECONDITION, NOT_OWNER);
  expect_ok(hf_raw_cell_open(world.conn, NULL, 'i', hf_none(), &raw));
  expect_fails(hf_cell_lock(raw, 0), INVALID_ARGUMENT, WRONG_KIND);
  hf_cell_close(raw);
  hf_cell_close(cell);
}

static void test_array_squares_by_index_and_slice(void **state) {
  hf_value initial[10], value, *values;
  hf_array *array;
  size_t count;
  uint64_t len;
  (void)state;
  for (int i = 0; i < 10; i++) {
    initial[i] = hf_int(i);
  }
  expect_ok(hf_array_open(world.conn, NULL, 'i', 10, initial, &array));
  expect_ok(hf_array_len(array, &len));
  assert_int_equal(len, 10);
  for (int64_t i = 0; i < 10; i++) {
    expect_ok(hf_array_get(array, i, &value));
    expect_ok(hf_array_set(array, i - 10, hf_int(value.integer * value.integer)));
  }
  expect_ok(hf_array_get_slice(array, HF_SLICE_ALL, &values, &count));
  EXPECT_INTS(values, count, 0, 1, 4, 9, 16, 25, 36, 49, 64, 81);
  expect_ok(hf_array_set_slice(array, (struct hf_slice){0, 2, HF_OMITTED}, initial + 5, 2));
  expect_fails(hf_array_set_slice(array, (struct hf_slice){0, 2, HF_OMITTED}, initial, 3),
               INVALID_ARGUMENT, BAD_SLICE);
  expect_ok(hf_array_add(array, 0, hf_int(10), &value));
  expect_equal(value, hf_int(15));
  expect_fails(hf_array_get(array, 10, &value), OUT_OF_RANGE, BAD_INDEX);
  expect_fails(hf_array_set(array, 0, hf_int(INT64_MAX)), OUT_OF_RANGE, OVERFLOW);
  expect_ok(hf_array_lock(array, 0));
  expect_ok(hf_array_unlock(array));
  hf_array_close(array);
}

static void test_array_raw_is_zeros_and_has_a_shape(void **state) {
  hf_array *array, *other;
  hf_value value;
  (void)state;
  expect_ok(hf_raw_array_open(world.conn, "zeros", 'd', 1000, NULL, &array));
  expect_ok(hf_array_get(array, 999, &value));
  expect_equal(value, hf_float(0.0));
  expect_fails(hf_raw_array_open(world.conn, "zeros", 'd', 999, NULL, &other), INVALID_ARGUMENT,
               WRONG_SHAPE);
  expect_fails(hf_array_lock(array, 0), INVALID_ARGUMENT, WRONG_KIND);
  hf_array_close(array);
  expect_ok(hf_delete(world.conn, "zeros"));
}

/* An index that the compiler knows is checked as any other. */
static void test_array_without_elements_has_none_at_zero(void **state) {
  (void)state;
  hf_array *array;
  int64_t number = 0;
  expect_ok(hf_raw_array_open(world.conn, NULL, 'q', 0, NULL, &array));
  expect_fails(hf_array_load_i64(array, 0, &number), OUT_OF_RANGE, BAD_INDEX);
  expect_fails(hf_array_store_i64(array, 0, 1), OUT_OF_RANGE, BAD_INDEX);
  expect_fails(hf_array_add_i64(array, 0, 1, &number), OUT_OF_RANGE, BAD_INDEX);
  hf_array_close(array);
}

static void test_array_len_needs_no_server(void **state) {
  (void)state;
  hf_conn *conn = connect_again(200);
  hf_array *arrays[2];
  uint64_t lens[2] = {0};
  expect_ok(hf_array_open(conn, NULL, 'd', 7, NULL, &arrays[0]));
  expect_ok(hf_raw_array_open(conn, NULL, 'i', 0, NULL, &arrays[1]));
  server_stop();
  hf_status status = hf_array_len(arrays[0], &lens[0]);
  hf_status of_raw = hf_array_len(arrays[1], &lens[1]);
  server_continue();
  expect_ok(status);
  expect_ok(of_raw);
  assert_int_equal(lens[0], 7);
  assert_int_equal(lens[1], 0);
  hf_array_close(arrays[0]);
  hf_array_close(arrays[1]);
  hf_close(conn);
}

static void test_array_len_of_a_handle_from_a_reference(void **state) {
  (void)state;
  hf_array *array;
  hf_list *list;
  hf_value value;
  hf_object *again;
  uint64_t len = 0;
  expect_ok(hf_array_open(world.conn, NULL, 'q', 9, NULL, &array));
  expect_ok(hf_list_open(world.conn, NULL, &list));
  expect_ok(hf_list_append(list, hf_reference((hf_object *)array)));
  expect_ok(hf_list_get(list, 0, &value));
  expect_ok(hf_reference_open(world.conn, &value, &again));
  expect_ok(hf_array_len((hf_array *)again, &len));
  assert_int_equal(len, 9);
  hf_object_close(again);
  hf_array_close(array);
  hf_list_close(list);
}

static void expect_million(char typecode, const hf_value *values, size_t count) {
  hf_array *array, *again;
  hf_value value;
  uint64_t len;
  expect_ok(hf_array_open(world.conn, "million", typecode, count, values, &array));
  expect_ok(hf_array_open(world.conn, "million", typecode, count, values, &again));
  hf_array_close(again);
  expect_ok(hf_array_len(array, &len));
  assert_int_equal(len, count);
  for (size_t i = 0; i < count; i += count / 7) {
    expect_ok(hf_array_get(array, (int64_t)i, &value));
    assert_true(hf_value_equal(value, values[i]));
    hf_value_clear(&value);
  }
  expect_ok(hf_object_delete(HF_AS_OBJECT(array)));
  hf_array_close(array);
}

static void test_array_of_a_million_initial_values(void **state) {
  enum { COUNT = 1000000 };
  hf_value *values = calloc(COUNT, sizeof *values);
  hf_array *array;
  (void)state;
  assert_non_null(values);
  for (int64_t i = 0; i < COUNT; i++) {
    values[i] = hf_float((double)i / 2);
  }
  expect_million('d', values, COUNT);
  for (int64_t i = 0; i < COUNT; i++) {
    values[i] = hf_int(i % 256 - 128);
  }
  expect_million('b', values, COUNT);
  expect_million('q', values, COUNT);
  values[COUNT - 1] = hf_int(128);
  expect_fails(hf_array_open(world.conn, NULL, 'b', COUNT, values, &array), OUT_OF_RANGE, OVERFLOW);
  values[0] = hf_text("a");
  expect_fails(hf_array_open(world.conn, NULL, 'b', COUNT, values, &array), INVALID_ARGUMENT,
               WRONG_TYPE);
  expect_fails(hf_array_open(world.conn, NULL, 'x', COUNT, values, &array), INVALID_ARGUMENT,
               BAD_TYPECODE);
  free(values);
}

static void test_array_of_bools_and_bytes_begins_with_them(void **state) {
  const hf_value bools[] = {hf_bool(true), hf_bool(false), hf_int(1)};
  const hf_value bytes[] = {hf_bytes("a", 1), hf_int(98)};
  hf_array *array;
  hf_value value;
  (void)state;
  expect_ok(hf_raw_array_open(world.conn, NULL, '?', 3, bools, &array));
  expect_ok(hf_array_get(array, 2, &value));
  expect_equal(value, hf_bool(true));
  hf_array_close(array);
  expect_ok(hf_array_open(world.conn, NULL, 'c', 2, bytes, &array));
  expect_ok(hf_array_get(array, 1, &value));
  expect_equal(value, hf_bytes("b", 1));
  hf_array_close(array);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_array_without_elements_has_none_at_zero),
    cmocka_unit_test(test_array_len_needs_no_server),
    cmocka_unit_test(test_array_len_of_a_handle_from_a_reference),
    cmocka_unit_test(test_value_each_typecode_keeps_its_range),
    cmocka_unit_test(test_value_of_floats_bools_and_chars),
    cmocka_unit_test(test_value_add_compare_and_wait),
    cmocka_unit_test(test_array_of_a_million_initial_values),
    cmocka_unit_test(test_array_of_bools_and_bytes_begins_with_them),
    cmocka_unit_test(test_value_lock_is_recursive_and_holds_others_up),
    cmocka_unit_test(test_array_squares_by_index_and_slice),
    cmocka_unit_test(test_array_raw_is_zeros_and_has_a_shape),
};

WORLD_MAIN("value_array", tests)
