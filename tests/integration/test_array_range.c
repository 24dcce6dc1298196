/* Ranges of arrays from and to C arrays. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/integration/world.h"

#define LARGE_COUNT 300000 /* doubles: more than one request takes */

static hf_array *open_array(char typecode, size_t length) {
  hf_array *array;
  expect_ok(hf_raw_array_open(world.conn, NULL, typecode, length, NULL, &array));
  return array;
}

/* Each element's bytes are its own number, at offsets where words of the copy begin and end
 * anywhere. */
static void test_range_each_typecode_is_copied_byte_by_byte(void **state) {
  static const struct {
    char typecode;
    size_t bytes;
  } types[] = {{'c', 1}, {'b', 1}, {'B', 1}, {'h', 2}, {'H', 2}, {'i', 4}, {'I', 4},
               {'l', 8}, {'L', 8}, {'q', 8}, {'Q', 8}, {'f', 4}, {'d', 8}};
  enum { LENGTH = 37 };
  (void)state;
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    uint8_t written[LENGTH * 8], read[LENGTH * 8 + 1];
    hf_array *array = open_array(types[t].typecode, LENGTH);
    for (size_t start = 0; start < 9; start++) {
      size_t count = LENGTH - 3 * start, size = count * types[t].bytes;
      for (size_t i = 0; i < size; i++) {
        written[i] = (uint8_t)(i + start + t);
      }
      expect_ok(hf_array_write(array, start, count, written));
      memset(read, 0, sizeof read);
      expect_ok(hf_array_read(array, start, count, read));
      assert_memory_equal(read, written, size);
      assert_int_equal(read[size], 0);
    }
    hf_array_close(array);
  }
}

static void test_range_and_single_values_are_the_same_elements(void **state) {
  const int32_t written[] = {-1, INT32_MAX, 7};
  int32_t read[3];
  hf_value value, *values;
  size_t count;
  hf_array *array = open_array('i', 5);
  (void)state;
  expect_ok(hf_array_write(array, 1, 3, written));
  expect_ok(hf_array_get_slice(array, HF_SLICE_ALL, &values, &count));
  EXPECT_INTS(values, count, 0, -1, INT32_MAX, 7, 0);
  expect_ok(hf_array_set(array, -1, hf_int(9)));
  expect_ok(hf_array_read(array, 2, 3, read));
  assert_memory_equal(read, ((const int32_t[]){INT32_MAX, 7, 9}), sizeof read);
  expect_ok(hf_array_get(array, 1, &value));
  expect_equal(value, hf_int(-1));
  hf_array_close(array);
}

static void test_range_of_bools_has_ones(void **state) {
  const uint8_t written[] = {0, 1, 2, 255, 0, 0, 0, 0, 128};
  uint8_t read[sizeof written];
  hf_array *array = open_array('?', sizeof written);
  (void)state;
  expect_ok(hf_array_write(array, 0, sizeof written, written));
  expect_ok(hf_array_read(array, 0, sizeof written, read));
  assert_memory_equal(read, "\0\1\1\1\0\0\0\0\1", sizeof read);
  hf_array_close(array);
}

static void test_range_beyond_the_length_writes_nothing(void **state) {
  const double written[] = {1, 2, 3};
  double read[3];
  hf_array *array = open_array('d', 3);
  (void)state;
  expect_ok(hf_array_read(array, 3, 0, read));
  expect_ok(hf_array_write(array, 0, 0, written));
  expect_fails(hf_array_write(array, 1, 3, written), OUT_OF_RANGE, BAD_INDEX);
  expect_fails(hf_array_read(array, 4, 0, read), OUT_OF_RANGE, BAD_INDEX);
  expect_fails(hf_array_read(array, 1, SIZE_MAX, read), OUT_OF_RANGE, BAD_INDEX);
  expect_ok(hf_array_read(array, 0, 3, read));
  assert_memory_equal(read, ((const double[]){0, 0, 0}), sizeof read);
  hf_array_close(array);
}

static double *make_numbers(double first) {
  double *numbers = malloc(LARGE_COUNT * sizeof *numbers);
  assert_non_null(numbers);
  for (size_t i = 0; i < LARGE_COUNT; i++) {
    numbers[i] = first + (double)i;
  }
  return numbers;
}

static void test_range_larger_than_a_request(void **state) {
  double *written = make_numbers(0.5), *read = make_numbers(0);
  hf_array *array = open_array('d', LARGE_COUNT + 2);
  (void)state;
  expect_ok(hf_array_write(array, 1, LARGE_COUNT, written));
  expect_ok(hf_array_read(array, 1, LARGE_COUNT, read));
  assert_memory_equal(read, written, LARGE_COUNT * sizeof *read);
  expect_ok(hf_array_read(array, 0, 1, read));
  assert_true(read[0] == 0);
  expect_ok(hf_array_read(array, LARGE_COUNT + 1, 1, read));
  assert_true(read[0] == 0);
  hf_array_close(array);
  free(written);
  free(read);
}

/* ---------------------------------------------------------------- an Array's range is one access */

#define WRITES 12
#define NAME "ranges of two threads"

static void *write_in_turn(void *argument) {
  hf_conn *conn = connect_again(0);
  hf_array *array;
  expect_ok(hf_array_open(conn, NAME, 'd', LARGE_COUNT, NULL, &array));
  double *numbers = malloc(LARGE_COUNT * sizeof *numbers);
  assert_non_null(numbers);
  for (int round = 0; round < WRITES; round++) {
    for (size_t i = 0; i < LARGE_COUNT; i++) {
      numbers[i] = *(const double *)argument + round;
    }
    expect_ok(hf_array_write(array, 0, LARGE_COUNT, numbers));
  }
  free(numbers);
  hf_array_close(array);
  hf_close(conn);
  return NULL;
}

static void test_range_of_an_array_is_read_and_written_as_a_whole(void **state) {
  double firsts[] = {100, 200}, *numbers = make_numbers(0);
  pthread_t writers[2];
  hf_array *array;
  (void)state;
  expect_ok(hf_array_open(world.conn, NAME, 'd', LARGE_COUNT, NULL, &array));
  for (int i = 0; i < 2; i++) {
    pthread_create(&writers[i], NULL, write_in_turn, &firsts[i]);
  }
  for (int round = 0; round < WRITES; round++) {
    expect_ok(hf_array_read(array, 0, LARGE_COUNT, numbers));
    for (size_t i = 1; i < LARGE_COUNT; i++) {
      assert_true(numbers[i] == numbers[0]);
    }
  }
  for (int i = 0; i < 2; i++) {
    pthread_join(writers[i], NULL);
  }
  expect_ok(hf_object_delete(HF_AS_OBJECT(array)));
  hf_array_close(array);
  free(numbers);
}

/* ---------------------------------------------------------------- reads that are disturbed */

#define DISTURBED_READS 40
#define STRETCH_MAX 128
#define DESCRIPTORS 64

struct trouble {
  hf_conn *conn;
  bool is_own[DESCRIPTORS]; /* descriptors from before the connection, which are let be */
  bool cuts;
  atomic_uint reads; /* that returned */
  atomic_bool is_over;
};

static bool is_socket(int fd) {
  int type;
  socklen_t len = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
}

/* The pauses between cuts double while no read returns: a handshake and one part of a read may take
 * longer than one pause, and the server delays the handshakes of an address whose handshakes fail. */
static void *disturb(void *argument) {
  struct trouble *trouble = argument;
  long stretch = 1;
  for (long round = 0; !atomic_load(&trouble->is_over); round++) {
    unsigned before = atomic_load(&trouble->reads);
    sleep_ms((3 + round % 7) * stretch);
    bool gets_on = !trouble->cuts || atomic_load(&trouble->reads) != before;
    stretch = gets_on ? 1 : stretch < STRETCH_MAX ? stretch * 2 : stretch;
    for (int fd = 3; trouble->cuts && fd < DESCRIPTORS; fd++) {
      if (!trouble->is_own[fd] && is_socket(fd)) {
        shutdown(fd, SHUT_RDWR);
      }
    }
    for (int i = 0; !trouble->cuts && i < 2; i++) {
      hf_cancel(trouble->conn); /* the second makes the call give up what is under way */
    }
  }
  return NULL;
}

/* Each read into memory of its own, which is gone when the call has ended. */
static unsigned read_disturbed(hf_array *array, const double *written, struct trouble *trouble) {
  unsigned completed = 0;
  for (int round = 0; round < DISTURBED_READS; round++) {
    double *read = make_numbers(0);
    hf_status status = hf_array_read(array, 0, LARGE_COUNT, read);
    atomic_fetch_add(&trouble->reads, 1);
    if (status == HF_OK) {
      assert_memory_equal(read, written, LARGE_COUNT * sizeof *read);
      completed++;
    } else {
      assert_int_equal(status, HF_CANCELLED);
    }
    free(read);
  }
  return completed;
}

static unsigned read_with(bool cuts) {
  struct trouble trouble = {.cuts = cuts};
  double *written = make_numbers(0.5);
  pthread_t thread;
  hf_array *array;
  for (int fd = 3; fd < DESCRIPTORS; fd++) {
    trouble.is_own[fd] = is_socket(fd);
  }
  trouble.conn = connect_again(0);
  expect_ok(hf_raw_array_open(trouble.conn, NULL, 'd', LARGE_COUNT, NULL, &array));
  expect_ok(hf_array_write(array, 0, LARGE_COUNT, written));
  pthread_create(&thread, NULL, disturb, &trouble);
  unsigned completed = read_disturbed(array, written, &trouble);
  atomic_store(&trouble.is_over, true);
  pthread_join(thread, NULL);
  unsigned undisturbed = read_disturbed(array, written, &trouble);
  assert_in_range(undisturbed, DISTURBED_READS - 1, DISTURBED_READS); /* a cancel may be left */
  hf_array_close(array);
  hf_close(trouble.conn);
  free(written);
  return completed;
}

static void test_range_is_read_whole_over_links_that_are_cut(void **state) {
  (void)state;
  assert_int_equal(read_with(true), DISTURBED_READS);
}

static void test_range_that_is_given_up_writes_nothing_more(void **state) {
  (void)state;
  assert_in_range(read_with(false), 0, DISTURBED_READS);
}

/* ---------------------------------------------------------------- its lock */

struct writing {
  hf_array *array;
  const double *numbers;
  hf_status status;
};

static void *write_range(void *argument) {
  struct writing *writing = argument;
  writing->status = hf_array_write(writing->array, 0, LARGE_COUNT, writing->numbers);
  return NULL;
}

static void await_requests(uint64_t count) {
  struct hf_server_info info = {0};
  for (uint64_t asked = 0; info.requests < count + asked; asked++) {
    expect_ok(hf_server_info(world.conn, &info));
  }
}

/* The server answers neither the parts nor the release of the lock: that is sent all the same, once it
 * does again. */
static void test_range_that_is_cut_off_leaves_no_lock(void **state) {
  enum { ROUNDS = 50, CUT_OFF = 3 };
  (void)state;
  if (strcmp(world.path, "shared memory") == 0) {
    skip(); /* there the lock needs no request */
  }
  hf_conn *conn = connect_again(300), *other = connect_again(0);
  double *numbers = make_numbers(0);
  struct writing writing = {.numbers = numbers};
  hf_array *others;
  int cut_off = 0, round = 0;
  expect_ok(hf_array_open(conn, "cut off", 'd', LARGE_COUNT, NULL, &writing.array));
  expect_ok(hf_array_open(other, "cut off", 'd', LARGE_COUNT, NULL, &others));
  for (; round < ROUNDS && cut_off < CUT_OFF; round++) {
    struct hf_server_info info;
    pthread_t thread;
    expect_ok(hf_server_info(world.conn, &info));
    pthread_create(&thread, NULL, write_range, &writing);
    await_requests(info.requests + 2); /* the lock's, a part's */
    server_stop();
    for (int fd = 3; fd < DESCRIPTORS; fd++) {
      syscall(SYS_shutdown, fd, SHUT_RDWR);
    }
    pthread_join(thread, NULL);
    server_continue();
    cut_off += writing.status != HF_OK;
    assert_true(writing.status == HF_OK || writing.status == HF_UNAVAILABLE);
    expect_ok(hf_ping(conn, NULL));
    expect_ok(hf_array_lock(others, 5000));
    expect_ok(hf_array_unlock(others));
    expect_ok(hf_ping(other, NULL)); /* what it has sent is performed, and counted */
  }
  print_message("cut off in %d of %d rounds\n", cut_off, round);
  assert_int_equal(cut_off, CUT_OFF);
  hf_array_close(others);
  hf_array_close(writing.array);
  hf_close(other);
  hf_close(conn);
  free(numbers);
}

/* ---------------------------------------------------------------- call modes */

static void test_range_in_a_pipeline_and_one_way(void **state) {
  const int64_t written[] = {1, 2, 3};
  int64_t read[3] = {0};
  struct hf_flush_result flushed;
  double *numbers = make_numbers(0);
  hf_array *array = open_array('q', LARGE_COUNT);
  (void)state;
  expect_ok(hf_pipeline_begin(world.conn, 0));
  expect_ok(hf_array_write(array, 0, 3, written));
  expect_ok(hf_array_read(array, 0, 3, read));
  expect_fails(hf_array_read(array, 0, LARGE_COUNT, numbers), RESOURCE_EXHAUSTED, REQUEST_TOO_BIG);
  expect_ok(hf_pipeline_end(world.conn, NULL));
  assert_memory_equal(read, written, sizeof read);
  expect_ok(hf_oneway_begin(world.conn));
  expect_ok(hf_array_write(array, 3, 3, written));
  expect_fails(hf_array_read(array, 0, 3, read), UNIMPLEMENTED, NOT_ONE_WAY);
  expect_ok(hf_oneway_end(world.conn));
  expect_ok(hf_flush(world.conn, HF_FOREVER, &flushed));
  assert_int_equal(flushed.failed, 0);
  expect_ok(hf_array_read(array, 3, 3, read));
  assert_memory_equal(read, written, sizeof read);
  hf_array_close(array);
  free(numbers);
}

/* What a large range does within the library leaves the thread's own pipeline's failures to be asked
 * for. */
static void test_range_keeps_the_failures_of_a_pipeline(void **state) {
  double *numbers = make_numbers(0);
  hf_array *array = open_array('d', LARGE_COUNT);
  hf_value value;
  (void)state;
  expect_ok(hf_pipeline_begin(world.conn, 0));
  expect_ok(hf_array_get(array, LARGE_COUNT, &value));
  assert_int_equal(hf_pipeline_end(world.conn, NULL), HF_OUT_OF_RANGE);
  expect_ok(hf_array_write(array, 0, LARGE_COUNT, numbers));
  assert_int_equal(hf_pipeline_status(world.conn, 0), HF_OUT_OF_RANGE);
  hf_array_close(array);
  free(numbers);
}

static void test_range_of_a_handle_from_a_reference(void **state) {
  const int16_t written[] = {5, -6};
  int16_t read[2];
  hf_array *array = open_array('h', 2);
  hf_list *list;
  hf_value value;
  hf_object *object;
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  expect_ok(hf_list_append(list, hf_reference(HF_AS_OBJECT(array))));
  expect_ok(hf_list_get(list, 0, &value));
  expect_ok(hf_reference_open(world.conn, &value, &object));
  expect_ok(hf_array_write((hf_array *)object, 0, 2, written));
  expect_ok(hf_array_read(array, 0, 2, read));
  assert_memory_equal(read, written, sizeof read);
  hf_object_close(object);
  hf_list_close(list);
  hf_array_close(array);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_range_each_typecode_is_copied_byte_by_byte),
    cmocka_unit_test(test_range_and_single_values_are_the_same_elements),
    cmocka_unit_test(test_range_of_bools_has_ones),
    cmocka_unit_test(test_range_beyond_the_length_writes_nothing),
    cmocka_unit_test(test_range_larger_than_a_request),
    cmocka_unit_test(test_range_of_an_array_is_read_and_written_as_a_whole),
    cmocka_unit_test(test_range_is_read_whole_over_links_that_are_cut),
    cmocka_unit_test(test_range_that_is_given_up_writes_nothing_more),
    cmocka_unit_test(test_range_that_is_cut_off_leaves_no_lock),
    cmocka_unit_test(test_range_in_a_pipeline_and_one_way),
    cmocka_unit_test(test_range_keeps_the_failures_of_a_pipeline),
    cmocka_unit_test(test_range_of_a_handle_from_a_reference),
};

WORLD_MAIN("array_range", tests)
