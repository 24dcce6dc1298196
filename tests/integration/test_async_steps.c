/* Asynchronous calls of several operations: one completion each, whatever happens between two
 * operations. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/integration/async_loop.h"
#include "tests/integration/world.h"

#define LARGE_COUNT (3u << 20) /* bytes: more than one request takes */
#define LISTED_COUNT 2500      /* more than one page */

/* What a test does in one begin and end. */
#define SUBMIT(async, data, call)           \
  do {                                      \
    expect_ok(hf_async_begin(async, data)); \
    expect_ok(call);                        \
    hf_async_end(async);                    \
  } while (0)

static void expect_completion(hf_async *async, hf_status status, const char *reason) {
  struct hf_completion done = next_of(async);
  if (done.status != status) {
    print_message("%s: %s\n", done.reason, done.message);
  }
  assert_int_equal(done.status, status);
  assert_string_equal(done.reason, reason);
}

static uint8_t *make_bytes(uint8_t first) {
  uint8_t *bytes = malloc(LARGE_COUNT);
  assert_non_null(bytes);
  for (size_t i = 0; i < LARGE_COUNT; i++) {
    bytes[i] = (uint8_t)(first + i / 1000);
  }
  return bytes;
}

/* ---------------------------------------------------------------- results */

static void test_steps_calls_on_the_connection(void **state) {
  hf_async *async = open_async(world.conn);
  uint64_t round_trip_ns = 0;
  hf_dict *dict;
  hf_object *again = NULL, *none = NULL;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  uint64_t id = hf_object_id(HF_AS_OBJECT(dict));
  expect_ok(hf_async_begin(async, NULL));
  expect_ok(hf_ping(world.conn, &round_trip_ns));
  expect_ok(hf_object_open(world.conn, id, HF_DICT, &again));
  expect_ok(hf_object_open(world.conn, 987654321, HF_DICT, &none));
  expect_fails(hf_object_open(world.conn, id, HF_ANY, &none), INVALID_ARGUMENT, BAD_ARGUMENT);
  assert_int_equal(hf_async_last_id(async), 3);
  hf_async_end(async);
  expect_completion(async, HF_OK, "");
  expect_completion(async, HF_OK, "");
  expect_completion(async, HF_NOT_FOUND, "NO_SUCH_OBJECT");
  expect_none_for(async, SHORT_MS);
  assert_true(round_trip_ns > 0 && round_trip_ns < 1000000ull * LONG_MS);
  assert_int_equal(hf_object_id(again), id);
  assert_null(none);
  hf_dict_close(dict); /* the other handle has a reference of its own */
  expect_ok(hf_dict_set((hf_dict *)again, hf_int(1), hf_int(1)));
  hf_object_close(again);
  hf_async_close(async);
}

static void test_steps_pipes(void **state) {
  enum { PIPES = 20 };
  hf_async *async = open_async(world.conn);
  hf_pipe *ends[PIPES][2], *named = NULL, *found;
  hf_object *object;
  hf_value value;
  (void)state;
  expect_ok(hf_async_begin(async, NULL));
  for (int i = 0; i < PIPES; i++) {
    expect_ok(hf_pipe_new(world.conn, true, ends[i]));
  }
  expect_ok(hf_pipe_open(world.conn, "a pipe of the loop", 1, &named));
  expect_fails(hf_pipe_open(world.conn, "a pipe of the loop", 2, &named), INVALID_ARGUMENT,
               BAD_END);
  hf_async_end(async);
  for (int i = 0; i < PIPES + 1; i++) {
    expect_completion(async, HF_OK, "");
  }
  expect_ok(hf_open(world.conn, "a pipe of the loop", HF_PIPE, &object));
  found = (hf_pipe *)object;
  SUBMIT(async, NULL, hf_pipe_attach(found, 0));
  expect_completion(async, HF_OK, "");
  expect_fails(hf_pipe_attach(found, 0), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_ok(hf_pipe_send(named, hf_int(5), 0));
  expect_ok(hf_pipe_recv(found, 0, &value));
  expect_equal(value, hf_int(5));
  for (int i = 0; i < PIPES; i++) {
    expect_ok(hf_pipe_send(ends[i][0], hf_int(i), 0));
    expect_ok(hf_pipe_recv(ends[i][1], 0, &value));
    expect_equal(value, hf_int(i));
    hf_pipe_close(ends[i][0]);
    expect_fails(hf_pipe_recv(ends[i][1], 0, &value), OUT_OF_RANGE, END_OF_FILE);
    hf_pipe_close(ends[i][1]);
  }
  hf_pipe_close(named);
  hf_pipe_close(found);
  hf_async_close(async);
}

/* The second operation of a call fails: it has one completion, and leaves no handle. */
static void test_steps_later_operation_fails(void **state) {
  hf_async *async = open_async(world.conn);
  hf_pipe *keeper, *pipe = NULL;
  hf_object *object;
  (void)state;
  uint64_t before = object_count();
  expect_ok(hf_pipe_open(world.conn, "closed at one end", 0, &keeper));
  expect_ok(hf_open(world.conn, "closed at one end", HF_PIPE, &object));
  hf_pipe_close(keeper);
  SUBMIT(async, NULL, hf_pipe_open(world.conn, "closed at one end", 0, &pipe));
  expect_completion(async, HF_FAILED_PRECONDITION, "PIPE_CLOSED");
  assert_null(pipe);
  expect_ok(hf_object_delete(object));
  hf_object_close(object);
  hf_async_close(async);
  await_objects(before);
}

static void test_steps_dict_scan(void **state) {
  enum { COUNT = 25 };
  hf_async *async = open_async(world.conn);
  struct hf_dict_scan scan = {.page_count = 4};
  const struct hf_entry *entry = NULL;
  hf_dict *dict;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  for (int i = 0; i < COUNT; i++) {
    expect_ok(hf_dict_set(dict, hf_int(i), hf_int(i * i)));
  }
  for (int i = 0; i < COUNT; i++) {
    SUBMIT(async, NULL, hf_dict_next(dict, &scan, &entry));
    expect_completion(async, HF_OK, "");
    assert_int_equal(entry->key.integer, i);
    assert_int_equal(entry->value.integer, i * i);
  }
  SUBMIT(async, NULL, hf_dict_next(dict, &scan, &entry));
  expect_completion(async, HF_OK, "");
  assert_null(entry);
  struct hf_dict_scan strict = {.strict = true, .page_count = 2};
  for (int i = 0; i < 2; i++) {
    SUBMIT(async, NULL, hf_dict_next(dict, &strict, &entry));
    expect_completion(async, HF_OK, "");
  }
  expect_ok(hf_dict_delete(dict, hf_int(20)));
  SUBMIT(async, NULL, hf_dict_next(dict, &strict, &entry));
  expect_completion(async, HF_ABORTED, "SIZE_CHANGED");
  hf_dict_scan_stop(&strict);
  hf_async_close(async);
  hf_dict_close(dict);
}

static void open_listed(hf_conn *conn, hf_dict **dicts) {
  for (int i = 0; i < LISTED_COUNT; i++) {
    char name[32];
    snprintf(name, sizeof name, "listed %05d", i);
    expect_ok(hf_dict_open(conn, name, &dicts[i]));
  }
}

static void close_listed(hf_dict **dicts) {
  for (int i = 0; i < LISTED_COUNT; i++) {
    hf_dict_close(dicts[i]);
  }
}

static void expect_listed(const struct hf_object_info *infos, size_t count) {
  assert_int_equal(count, LISTED_COUNT);
  for (size_t i = 0; i < count; i++) {
    char name[32];
    snprintf(name, sizeof name, "listed %05zu", i);
    assert_string_equal(infos[i].name, name);
  }
}

static void test_steps_listings(void **state) {
  static hf_dict *dicts[LISTED_COUNT];
  hf_async *async = open_async(world.conn);
  struct hf_object_info *infos = NULL;
  struct hf_lock_info *locks = NULL;
  size_t count = 0, lock_count = 0;
  char prefix[] = "listed ";
  hf_lock *lock;
  (void)state;
  open_listed(world.conn, dicts);
  expect_ok(hf_lock_open(world.conn, NULL, &lock));
  expect_ok(hf_lock_acquire(lock, 0, NULL));
  expect_ok(hf_async_begin(async, NULL));
  expect_ok(hf_list_objects(world.conn, prefix, HF_DICT, &infos, &count));
  memset(prefix, 'x', sizeof prefix - 1); /* arguments are copied */
  expect_ok(hf_list_locks(world.conn, &locks, &lock_count));
  hf_async_end(async);
  expect_completion(async, HF_OK, ""); /* one page of locks */
  expect_completion(async, HF_OK, "");
  expect_listed(infos, count);
  assert_int_equal(lock_count, 1);
  assert_true(locks[0].owned);
  free(infos);
  hf_locks_free(locks, lock_count);
  expect_ok(hf_lock_release(lock));
  hf_lock_close(lock);
  close_listed(dicts);
  hf_async_close(async);
}

static void test_steps_exchange(void **state) {
  hf_async *async = open_async(world.conn);
  hf_cell *cell, *letters, *raw;
  hf_value previous = hf_none();
  int64_t number = 0, sum = 0;
  char letter[] = "b";
  (void)state;
  expect_ok(hf_cell_open(world.conn, NULL, 'q', hf_int(1), &cell));
  expect_ok(hf_cell_open(world.conn, NULL, 'c', hf_bytes("a", 1), &letters));
  expect_ok(hf_raw_cell_open(world.conn, NULL, 'd', hf_float(0.5), &raw));
  SUBMIT(async, NULL, hf_cell_exchange(cell, hf_int(2), &previous));
  expect_completion(async, HF_OK, "");
  expect_equal(previous, hf_int(1));
  SUBMIT(async, NULL, hf_cell_exchange_i64(cell, 3, &number));
  expect_completion(async, HF_OK, "");
  assert_int_equal(number, 2);
  SUBMIT(async, NULL, hf_cell_add_int(cell, 10, &sum));
  expect_completion(async, HF_OK, "");
  assert_int_equal(sum, 13);
  expect_ok(hf_async_begin(async, NULL));
  expect_ok(hf_cell_exchange(letters, hf_bytes(letter, 1), &previous));
  letter[0] = 'x';
  hf_async_end(async);
  expect_completion(async, HF_OK, "");
  expect_equal(previous, hf_bytes("a", 1));
  expect_ok(hf_cell_get(letters, &previous));
  expect_equal(previous, hf_bytes("b", 1));
  SUBMIT(async, NULL, hf_cell_exchange(raw, hf_text("no number"), &previous));
  expect_completion(async, HF_INVALID_ARGUMENT, "WRONG_TYPE");
  SUBMIT(async, NULL, hf_cell_exchange(cell, hf_float(0.5), &previous));
  expect_completion(async, HF_INVALID_ARGUMENT, "WRONG_TYPE");
  hf_cell_close(cell);
  hf_cell_close(letters);
  hf_cell_close(raw);
  hf_async_close(async);
}

static void test_steps_large_ranges(void **state) {
  (void)state;
  for (int is_raw = 0; is_raw < 2; is_raw++) {
    hf_async *async = open_async(world.conn);
    uint8_t *written = make_bytes(1), *expected = make_bytes(1), *read = make_bytes(99);
    hf_array *array;
    expect_ok((is_raw ? hf_raw_array_open : hf_array_open)(world.conn, NULL, 'B', LARGE_COUNT + 2,
                                                           NULL, &array));
    expect_ok(hf_async_begin(async, NULL));
    expect_ok(hf_array_write(array, 1, LARGE_COUNT, written));
    expect_fails(hf_array_write(array, 3, LARGE_COUNT, written), OUT_OF_RANGE, BAD_INDEX);
    hf_async_end(async);
    free(written); /* copied */
    expect_completion(async, HF_OK, "");
    SUBMIT(async, NULL, hf_array_read(array, 1, LARGE_COUNT, read));
    expect_completion(async, HF_OK, "");
    expect_none_for(async, SHORT_MS);
    assert_memory_equal(read, expected, LARGE_COUNT);
    expect_ok(hf_array_read(array, 0, 1, read));
    assert_int_equal(read[0], 0);
    expect_ok(hf_array_read(array, LARGE_COUNT + 1, 1, read));
    assert_int_equal(read[0], 0);
    hf_array_close(array);
    hf_async_close(async);
    free(expected);
    free(read);
  }
}

/* ---------------------------------------------------------------- one access */

#define SHARED_NAME "written as a whole"
#define WRITES 10

static void *write_in_turn(void *stop) {
  hf_conn *conn = connect_again(0);
  uint8_t *bytes = malloc(LARGE_COUNT);
  hf_array *array;
  assert_non_null(bytes);
  expect_ok(hf_array_open(conn, SHARED_NAME, 'B', LARGE_COUNT, NULL, &array));
  for (int i = 0; !atomic_load((atomic_bool *)stop); i++) {
    memset(bytes, i, LARGE_COUNT);
    expect_ok(hf_array_write(array, 0, LARGE_COUNT, bytes));
  }
  hf_array_close(array);
  hf_close(conn);
  free(bytes);
  return NULL;
}

/* Ranges that are submitted, and those of another connection, see each other as a whole. */
static void test_steps_a_range_is_one_access(void **state) {
  hf_async *async = open_async(world.conn);
  uint8_t *bytes = malloc(LARGE_COUNT);
  atomic_bool stop = false;
  pthread_t thread;
  hf_array *array;
  (void)state;
  assert_non_null(bytes);
  expect_ok(hf_array_open(world.conn, SHARED_NAME, 'B', LARGE_COUNT, NULL, &array));
  pthread_create(&thread, NULL, write_in_turn, &stop);
  for (int i = 0; i < WRITES; i++) {
    SUBMIT(async, NULL, hf_array_read(array, 0, LARGE_COUNT, bytes));
    expect_completion(async, HF_OK, "");
    for (size_t k = 1; k < LARGE_COUNT; k++) {
      assert_int_equal(bytes[k], bytes[0]);
    }
  }
  atomic_store(&stop, true);
  pthread_join(thread, NULL);
  hf_array_close(array);
  hf_async_close(async);
  free(bytes);
}

static void *lock_and_put(void *argument) {
  hf_conn *conn = connect_again(0);
  hf_array *array;
  hf_queue *queue;
  (void)argument;
  expect_ok(hf_array_open(conn, SHARED_NAME, 'B', LARGE_COUNT, NULL, &array));
  expect_ok(hf_queue_open(conn, "locked", 0, &queue));
  expect_ok(hf_array_lock(array, HF_FOREVER));
  expect_ok(hf_array_unlock(array));
  expect_ok(hf_queue_put(queue, hf_int(1), 0));
  hf_queue_close(queue);
  hf_array_close(array);
  hf_close(conn);
  return NULL;
}

/* The loop's thread waits in a call for somebody who waits for the lock of a range under way: the
 * steps are taken all the same. */
static void test_steps_are_taken_while_the_loop_waits(void **state) {
  hf_async *async = open_async(world.conn);
  uint8_t *bytes = make_bytes(1);
  pthread_t thread;
  hf_array *array;
  hf_queue *queue;
  hf_value value;
  (void)state;
  expect_ok(hf_array_open(world.conn, SHARED_NAME, 'B', LARGE_COUNT, NULL, &array));
  expect_ok(hf_queue_open(world.conn, "locked", 0, &queue));
  SUBMIT(async, NULL, hf_array_write(array, 0, LARGE_COUNT, bytes));
  pthread_create(&thread, NULL, lock_and_put, NULL);
  expect_ok(hf_queue_get(queue, LONG_MS, &value));
  pthread_join(thread, NULL);
  expect_completion(async, HF_OK, "");
  hf_queue_close(queue);
  hf_array_close(array);
  hf_async_close(async);
  free(bytes);
}

/* ---------------------------------------------------------------- cancelling */

/* A Value whose lock the first of two other connections has. They take it from the server, also where
 * cells are mapped. */
struct contended {
  hf_conn *conns[2];
  hf_async *asyncs[2];
  hf_cell *cells[2];
  hf_cell *own;
};

static void contended_open(struct contended *contended, const char *name) {
  expect_ok(hf_cell_open(world.conn, name, 'q', hf_int(1), &contended->own));
  for (int i = 0; i < 2; i++) {
    contended->conns[i] = connect_again(0);
    contended->asyncs[i] = open_async(contended->conns[i]);
    expect_ok(hf_cell_open(contended->conns[i], name, 'q', hf_int(1), &contended->cells[i]));
  }
  SUBMIT(contended->asyncs[0], NULL, hf_cell_lock(contended->cells[0], 0));
  expect_completion(contended->asyncs[0], HF_OK, "");
}

static void unlock(struct contended *contended, int idx) {
  SUBMIT(contended->asyncs[idx], NULL, hf_cell_unlock(contended->cells[idx]));
  expect_completion(contended->asyncs[idx], HF_OK, "");
}

/* An exchange whose first operation is answered, and whose second one waits for the lock. */
static void submit_between(struct contended *contended, hf_async *async, hf_value *previous) {
  SUBMIT(async, NULL, hf_cell_exchange(contended->own, hf_int(2), previous));
  await_waiting(1);
  SUBMIT(contended->asyncs[1], NULL, hf_cell_lock(contended->cells[1], HF_FOREVER));
  await_waiting(2);
  unlock(contended, 0);
  expect_completion(contended->asyncs[1], HF_OK, "");
  expect_none_for(async, SHORT_MS);
  await_waiting(1);
}

static void contended_close(struct contended *contended) {
  for (int i = 0; i < 2; i++) {
    hf_async_close(contended->asyncs[i]);
    hf_cell_close(contended->cells[i]);
    hf_close(contended->conns[i]);
  }
  hf_cell_close(contended->own);
}

static void expect_cell(hf_cell *cell, int64_t expected) {
  hf_value value;
  expect_ok(hf_cell_get(cell, &value));
  expect_equal(value, hf_int(expected));
}

static void test_steps_cancel_at_a_later_operation(void **state) {
  struct contended contended;
  hf_value previous = hf_int(77);
  (void)state;
  for (int is_all = 0; is_all < 2; is_all++) {
    hf_async *async = open_async(world.conn);
    contended_open(&contended, "cancelled later");
    submit_between(&contended, async, &previous);
    if (is_all) {
      hf_cancel(world.conn);
    } else {
      hf_async_cancel(async, hf_async_last_id(async));
    }
    expect_completion(async, HF_CANCELLED, "CANCELLED");
    expect_none_for(async, SHORT_MS);
    assert_int_equal(previous.integer, 77);
    unlock(&contended, 1);
    expect_cell(contended.own, 1);
    hf_async_close(async);
    contended_close(&contended);
  }
}

/* The call goes on over the next connection, at the operation that waits. */
static void cut_all_links(void) {
  for (int fd = 3; fd < 64; fd++) {
    /* The bare call, because thread sanitizers know which thread opened the socket. */
    syscall(SYS_shutdown, fd, SHUT_RDWR);
  }
}

static void test_steps_lost_connection_at_a_later_operation(void **state) {
  struct contended contended;
  hf_async *async = open_async(world.conn);
  hf_value previous = hf_none();
  (void)state;
  contended_open(&contended, "lost later");
  submit_between(&contended, async, &previous);
  for (int i = 0; i < 5; i++) {
    cut_all_links();
    expect_none_for(async, SHORT_MS);
  }
  unlock(&contended, 1);
  expect_completion(async, HF_OK, "");
  expect_equal(previous, hf_int(1));
  expect_cell(contended.own, 2);
  hf_async_close(async);
  contended_close(&contended);
}

/* Cancelled at any moment: the call completes once, and nobody has the Array's lock. */
static void test_steps_cancelled_range_leaves_no_lock(void **state) {
  enum { ROUNDS = 30 };
  hf_async *async = open_async(world.conn);
  hf_conn *other = connect_again(0);
  uint8_t *bytes = make_bytes(1);
  hf_array *array, *others;
  int cancelled = 0;
  (void)state;
  expect_ok(hf_array_open(world.conn, SHARED_NAME, 'B', LARGE_COUNT, NULL, &array));
  expect_ok(hf_array_open(other, SHARED_NAME, 'B', LARGE_COUNT, NULL, &others));
  for (int round = 0; round < ROUNDS; round++) {
    struct hf_completion done = {0};
    bool is_there = false;
    expect_ok(hf_async_begin(async, NULL));
    expect_ok(round % 2 == 0 ? hf_array_write(array, 0, LARGE_COUNT, bytes)
                             : hf_array_read(array, 0, LARGE_COUNT, bytes));
    hf_async_end(async);
    for (int i = 0; i < round / 3 && !is_there; i++) {
      (void)await_readable(async, SHORT_MS);
      is_there = hf_async_collect(async, &done);
    }
    hf_async_cancel(async, hf_async_last_id(async));
    done = is_there ? done : next_of(async);
    assert_true(done.status == HF_OK || done.status == HF_CANCELLED);
    cancelled += done.status == HF_CANCELLED;
    expect_ok(hf_ping(world.conn, NULL)); /* the link may not have taken the rest yet */
    expect_ok(hf_array_lock(others, LONG_MS));
    expect_ok(hf_array_unlock(others));
  }
  print_message("%d of %d ranges cancelled\n", cancelled, ROUNDS);
  assert_true(cancelled > 0);
  hf_array_close(others);
  hf_close(other);
  hf_array_close(array);
  hf_async_close(async);
  free(bytes);
}

/* Collects until the server has performed so many requests of the call, beside those made here. false: more,
 * and the call is complete. */
static bool collect_until_performed(hf_async *async, uint64_t before, uint64_t at_least,
                                    uint64_t at_most) {
  struct hf_completion done = {0};
  struct hf_server_info info;
  for (uint64_t asked = 1;; asked++) {
    (void)await_readable(async, SHORT_MS);
    expect_ok(hf_server_info(world.conn, &info));
    uint64_t performed = info.requests - before - asked;
    if (performed >= at_least && performed <= at_most) {
      return true;
    }
    if (performed > at_most) {
      expect_completion(async, HF_OK, "");
      return false;
    }
    if (hf_async_collect(async, &done)) {
      assert_int_equal(done.status, HF_OK);
      return false;
    }
  }
}

/* Whether a call completes within that time. */
static bool completes_within(hf_async *async, int ms) {
  struct hf_completion done = {0};
  bool is_there = false;
  for (uint64_t until_ms = now_ms() + (uint64_t)ms; !is_there && now_ms() < until_ms;) {
    (void)await_readable(async, ms);
    is_there = hf_async_collect(async, &done);
  }
  return is_there;
}

/* Submits calls that don't wait, until the window is full. Their count */
static int fill_window(hf_async *async, hf_queue *queue, uint64_t *size) {
  int count = 0;
  expect_ok(hf_async_begin(async, NULL));
  while (hf_queue_size(queue, size) == HF_OK) {
    count++;
  }
  assert_string_equal(hf_last_error()->reason, "IN_FLIGHT_FULL");
  hf_async_end(async);
  return count;
}

/* Without waiting for the server, which is stopped; then collects the calls that filled the window. */
static void cancel_at_once(hf_async *async, uint64_t id, int count) {
  hf_async_cancel(async, id);
  hf_async_cancel(async, id);
  expect_completion(async, HF_CANCELLED, "CANCELLED");
  server_continue();
  for (int i = 0; i < count; i++) {
    expect_completion(async, HF_OK, "");
  }
}

/* A range ends early while the window is full: its lock is released when there is room. */
static void test_steps_release_in_a_full_window(void **state) {
  enum { ROUNDS = 200, ENDED = 6, PART_BYTES = 512 << 10 };
  hf_conn *conn = connect_again(0), *other = connect_again(0);
  uint8_t *bytes = make_bytes(1);
  hf_array *array, *others;
  hf_queue *queue;
  uint64_t size;
  int ended = 0, round = 0;
  (void)state;
  expect_ok(hf_array_open(conn, SHARED_NAME, 'B', LARGE_COUNT, NULL, &array));
  expect_ok(hf_array_open(other, SHARED_NAME, 'B', LARGE_COUNT, NULL, &others));
  expect_ok(hf_queue_open(conn, NULL, 0, &queue));
  for (; round < ROUNDS && ended < ENDED; round++) {
    hf_async *async = open_async(conn);
    struct hf_server_info info;
    expect_ok(hf_server_info(world.conn, &info));
    SUBMIT(async, NULL, hf_array_write(array, 0, LARGE_COUNT, bytes));
    uint64_t id = hf_async_last_id(async);
    /* the lock's, and some parts' */
    if (collect_until_performed(async, info.requests, 2, LARGE_COUNT / PART_BYTES)) {
      server_stop();
      int count = fill_window(async, queue, &size);
      if (ended % 2 == 0) {
        cancel_at_once(async, id, count);
      }
      hf_async_close(async);
      server_continue();
      ended++;
    } else {
      hf_async_close(async);
    }
    expect_ok(hf_ping(conn, NULL));
    expect_ok(hf_array_lock(others, LONG_MS));
    expect_ok(hf_array_unlock(others));
    expect_ok(hf_ping(other, NULL)); /* what it has sent is performed, and counted */
  }
  print_message("ended early in %d of %d rounds\n", ended, round);
  assert_int_equal(ended, ENDED);
  hf_queue_close(queue);
  hf_array_close(others);
  hf_array_close(array);
  hf_close(conn);
  hf_close(other);
  free(bytes);
}

/* The last part of a range is answered while the link is full of other requests, and then the call is
 * given up: the lock's release, of which nothing is sent yet, is sent all the same. */
static void test_steps_unsent_release_outlives_its_call(void **state) {
  enum {
    ROUNDS = 200,
    GIVEN_UP = 3,
    PARTS = 3,
    PART_BYTES = 512 << 10,
    ITEMS = 8,
    ITEM_BYTES = 4 << 20
  };
  hf_conn *conn = connect_again(0), *other = connect_again(0);
  hf_async *async = open_async(conn);
  uint8_t *bytes = calloc(1, ITEM_BYTES);
  hf_array *array, *others;
  hf_queue *queue;
  int given_up = 0, round = 0;
  (void)state;
  assert_non_null(bytes);
  expect_ok(hf_array_open(conn, SHARED_NAME, 'B', LARGE_COUNT, NULL, &array));
  expect_ok(hf_array_open(other, SHARED_NAME, 'B', LARGE_COUNT, NULL, &others));
  expect_ok(hf_queue_open(conn, NULL, 0, &queue));
  for (; round < ROUNDS && given_up < GIVEN_UP; round++) {
    struct hf_server_info info;
    expect_ok(hf_server_info(world.conn, &info));
    SUBMIT(async, NULL, hf_array_write(array, 0, PARTS * PART_BYTES, bytes));
    uint64_t id = hf_async_last_id(async);
    if (!collect_until_performed(async, info.requests, 1 + PARTS,
                                 1 + PARTS)) { /* the lock's, and the parts' */
      continue;
    }
    server_stop();
    expect_ok(hf_async_begin(async, NULL));
    for (int i = 0; i < ITEMS; i++) {
      expect_ok(hf_queue_put(queue, hf_bytes(bytes, ITEM_BYTES), 0));
    }
    hf_async_end(async);
    if (!completes_within(async, SHORT_MS)) {
      hf_async_cancel(async, id);
      expect_completion(async, HF_CANCELLED, "CANCELLED");
      given_up++;
    }
    server_continue();
    for (int i = 0; i < ITEMS; i++) {
      expect_completion(async, HF_OK, "");
    }
    expect_ok(hf_array_lock(others, LONG_MS));
    expect_ok(hf_array_unlock(others));
    expect_ok(hf_ping(other, NULL));           /* what it has sent is performed, and counted */
    expect_ok(hf_queue_shutdown(queue, true)); /* drops the items */
    hf_queue_close(queue);
    expect_ok(hf_queue_open(conn, NULL, 0, &queue));
  }
  print_message("given up in %d of %d rounds\n", given_up, round);
  assert_true(given_up > 0);
  hf_queue_close(queue);
  hf_array_close(others);
  hf_array_close(array);
  hf_async_close(async);
  hf_close(other);
  hf_close(conn);
  free(bytes);
}

static uint64_t reference_count(hf_dict *dict) {
  struct hf_object_info info;
  expect_ok(hf_object_info(HF_AS_OBJECT(dict), &info));
  return info.references;
}

/* An object is opened for nobody: its reference is given back. */
static void test_steps_closed_while_an_object_is_opened(void **state) {
  hf_conn *conn = connect_again(0);
  hf_async *async = open_async(conn);
  hf_object *opened = NULL;
  hf_dict *dict;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  uint64_t before = reference_count(dict);
  SUBMIT(async, NULL, hf_object_open(conn, hf_object_id(HF_AS_OBJECT(dict)), HF_DICT, &opened));
  for (uint64_t until_ms = now_ms() + LONG_MS; reference_count(dict) == before;) {
    assert_true(now_ms() < until_ms);
  }
  hf_async_close(async);
  assert_null(opened);
  for (int i = 0; i < 2; i++) {
    expect_ok(hf_ping(conn, NULL)); /* receives the answer; takes the release along */
  }
  assert_int_equal(reference_count(dict), before);
  hf_dict_close(dict);
  hf_close(conn);
}

/* What was never sent has no reference to give back, and takes no place in the window. */
static void test_steps_closed_before_objects_are_opened(void **state) {
  enum { ROUNDS = 3, COUNT = 600 };
  hf_conn *conn = connect_again(0);
  hf_object *opened[COUNT] = {NULL};
  hf_dict *dict;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  uint64_t before = reference_count(dict), id = hf_object_id(HF_AS_OBJECT(dict));
  server_stop();
  cut_all_links();
  for (int round = 0; round < ROUNDS; round++) {
    hf_async *async = open_async(conn);
    expect_none_for(async, SHORT_MS); /* it notices */
    for (int i = 0; i < COUNT; i++) {
      SUBMIT(async, NULL, hf_object_open(conn, id, HF_DICT, &opened[i]));
    }
    hf_async_close(async);
  }
  server_continue();
  expect_ok(hf_ping(conn, NULL));
  assert_int_equal(reference_count(dict), before);
  hf_dict_close(dict);
  hf_close(conn);
}

/* With the hf_async go the call, its lock and its handles. */
static void test_steps_close_in_the_middle(void **state) {
  hf_conn *other = connect_again(0);
  uint8_t *bytes = make_bytes(1);
  hf_array *array, *others;
  (void)state;
  expect_ok(hf_array_open(world.conn, SHARED_NAME, 'B', LARGE_COUNT, NULL, &array));
  expect_ok(hf_array_open(other, SHARED_NAME, 'B', LARGE_COUNT, NULL, &others));
  uint64_t before = object_count();
  for (int round = 0; round < 20; round++) {
    hf_async *async = open_async(world.conn);
    struct hf_object_info *infos;
    struct hf_completion done = {0};
    hf_pipe *ends[2];
    size_t count;
    expect_ok(hf_async_begin(async, NULL));
    expect_ok(hf_array_write(array, 0, LARGE_COUNT, bytes));
    expect_ok(hf_pipe_new(world.conn, true, ends));
    expect_ok(hf_list_objects(world.conn, "", HF_ANY, &infos, &count));
    hf_async_end(async);
    for (int i = 0; i < round / 4; i++) {
      (void)await_readable(async, 1);
      if (hf_async_collect(async, &done) && done.id == 2 && done.status == HF_OK) {
        hf_pipe_close(ends[0]);
        hf_pipe_close(ends[1]);
      } else if (done.id == 3 && done.status == HF_OK) {
        free(infos);
      }
      done.id = 0;
    }
    hf_async_close(async);
    expect_ok(hf_ping(world.conn, NULL)); /* takes along what is to be given back */
    expect_ok(hf_array_lock(others, LONG_MS));
    expect_ok(hf_array_unlock(others));
  }
  await_objects(before);
  hf_array_close(others);
  hf_close(other);
  hf_array_close(array);
  free(bytes);
}

/* Attached for a completion that nobody collects: the other end sees the end of file all the same. */
static void test_steps_uncollected_end_is_closed(void **state) {
  hf_conn *other = connect_again(0);
  hf_async *async = open_async(world.conn);
  hf_pipe *ours = NULL, *theirs;
  hf_value value;
  (void)state;
  expect_ok(hf_pipe_open(other, "an uncollected pipe", 1, &theirs));
  SUBMIT(async, NULL, hf_pipe_open(world.conn, "an uncollected pipe", 0, &ours));
  for (int i = 0; i < 3; i++) {
    expect_ok(hf_ping(world.conn, NULL)); /* behind each of its operations */
  }
  hf_async_close(async);
  assert_null(ours);
  expect_ok(hf_ping(world.conn, NULL));
  expect_fails(hf_pipe_recv(theirs, LONG_MS, &value), OUT_OF_RANGE, END_OF_FILE);
  hf_pipe_close(theirs);
  expect_ok(hf_delete(other, "an uncollected pipe"));
  hf_close(other);
}

/* A call that is submitted behind the attach is of that end. */
static void test_steps_calls_behind_an_attach(void **state) {
  hf_async *async = open_async(world.conn);
  hf_pipe *opened, *attached;
  hf_object *object;
  hf_value value;
  (void)state;
  expect_ok(hf_pipe_open(world.conn, "a pipe of two ways", 0, &opened));
  expect_ok(hf_open(world.conn, "a pipe of two ways", HF_PIPE, &object));
  attached = (hf_pipe *)object;
  expect_ok(hf_async_begin(async, NULL));
  expect_ok(hf_pipe_attach(attached, 1));
  expect_ok(hf_pipe_send(attached, hf_int(7), 0));
  hf_async_end(async);
  assert_int_equal(next_of(async).status, HF_OK);
  assert_int_equal(next_of(async).status, HF_OK);
  expect_ok(hf_pipe_recv(opened, LONG_MS, &value));
  assert_int_equal(value.integer, 7);
  hf_pipe_close(attached);
  hf_pipe_close(opened);
  expect_ok(hf_delete(world.conn, "a pipe of two ways"));
  hf_async_close(async);
}

/* Calls under way: two that may complete, and one that waits. */
struct ended {
  hf_async *async;
  hf_pipe *ends[2];
  struct hf_object_info *infos;
};

static void collect_ended(struct ended *ended) {
  struct hf_completion done = {0};
  bool is_ok[4] = {false};
  int count = 0;
  for (; hf_async_collect(ended->async, &done); count++) {
    assert_in_range(done.id, 1, 3);
    is_ok[done.id] = done.status == HF_OK;
    assert_true(is_ok[done.id] || done.status == HF_CANCELLED);
  }
  assert_int_equal(count, 3);
  assert_false(is_ok[3]);
  if (is_ok[1]) {
    hf_pipe_close(ended->ends[0]);
    hf_pipe_close(ended->ends[1]);
  }
  if (is_ok[2]) {
    free(ended->infos);
  }
  hf_async_close(ended->async);
}

static int collect_in_child(void *argument) {
  collect_ended(argument);
  return 0;
}

static void test_steps_fork_and_close_in_the_middle(void **state) {
  struct contended contended;
  hf_conn *conn = connect_again(0);
  struct ended ended = {.async = open_async(conn)};
  hf_value previous;
  hf_cell *cell;
  size_t count;
  (void)state;
  contended_open(&contended, "locked for long");
  expect_ok(hf_cell_open(conn, "locked for long", 'q', hf_int(1), &cell));
  expect_ok(hf_async_begin(ended.async, NULL));
  expect_ok(hf_pipe_new(conn, true, ended.ends));
  expect_ok(hf_list_objects(conn, "", HF_ANY, &ended.infos, &count));
  expect_ok(hf_cell_exchange(cell, hf_int(2), &previous));
  hf_async_end(ended.async);
  assert_int_equal(child_end(child_start(collect_in_child, &ended)), 0);
  hf_cell_close(cell);
  hf_close(conn);
  collect_ended(&ended);
  unlock(&contended, 0);
  expect_cell(contended.own, 1);
  contended_close(&contended);
}

/* ---------------------------------------------------------------- deadlines, a full window */

/* The server stands still at each moment in turn: the call ends in time, once. */
static void test_steps_unanswered_operations_end_in_time(void **state) {
  enum { CALL_TIMEOUT_MS = 300, ROUNDS = 8 };
  static hf_dict *dicts[LISTED_COUNT];
  int unanswered = 0;
  (void)state;
  open_listed(world.conn, dicts);
  for (int round = 0; round < ROUNDS; round++) {
    hf_conn *conn = connect_again(CALL_TIMEOUT_MS);
    hf_async *async = open_async(conn);
    struct hf_completion done = {0};
    struct hf_object_info *infos = NULL;
    size_t count = 0;
    bool is_there = false;
    SUBMIT(async, NULL, hf_list_objects(conn, "listed ", HF_ANY, &infos, &count));
    for (int i = 0; i < round / 2 && !is_there; i++) {
      (void)await_readable(async, SHORT_MS);
      is_there = hf_async_collect(async, &done);
    }
    server_stop();
    uint64_t began_ms = now_ms();
    done = is_there ? done : next_of(async);
    uint64_t took_ms = now_ms() - began_ms;
    server_continue();
    if (done.status == HF_OK) {
      expect_listed(infos, count);
    } else {
      assert_int_equal(done.status, HF_UNAVAILABLE);
      assert_true(took_ms < 5 * CALL_TIMEOUT_MS);
      assert_null(infos);
      unanswered++;
    }
    free(infos);
    expect_none_for(async, 1);
    hf_async_close(async);
    hf_close(conn);
  }
  print_message("%d of %d listings unanswered\n", unanswered, ROUNDS);
  assert_true(unanswered >= 2);
  close_listed(dicts);
}

static void *wait_for_stop(void *queue) {
  hf_value value;
  expect_ok(hf_queue_get(queue, HF_FOREVER, &value));
  return NULL;
}

/* Calls that wait fill the window while a thread receives the replies: the operations of a call
 * have its place. */
static void test_steps_go_on_in_a_full_window(void **state) {
  enum { PLACES = 1100 };
  static hf_value values[PLACES];
  struct contended contended;
  hf_async *async = open_async(world.conn);
  hf_value previous = hf_none();
  hf_queue *queue, *stop;
  hf_dict *dict;
  hf_status status = HF_OK;
  pthread_t thread;
  int waiting = 0;
  (void)state;
  contended_open(&contended, "full");
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  expect_ok(hf_queue_open(world.conn, NULL, 0, &stop));
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  pthread_create(&thread, NULL, wait_for_stop, stop);
  await_waiting(1);
  SUBMIT(async, NULL, hf_cell_exchange(contended.own, hf_int(2), &previous));
  expect_ok(hf_async_begin(async, queue));
  while (status == HF_OK && waiting < PLACES) {
    status = hf_queue_get(queue, HF_FOREVER, &values[waiting]);
    waiting += status == HF_OK;
  }
  hf_async_end(async);
  expect_fails(status, RESOURCE_EXHAUSTED, IN_FLIGHT_FULL);
  await_waiting((uint64_t)waiting + 2);
  hf_dict_close(dict); /* its release wants a place too */
  unlock(&contended, 0);
  expect_completion(async, HF_OK, "");
  expect_equal(previous, hf_int(1));
  for (int i = 0; i < waiting; i++) {
    expect_ok(hf_queue_put(queue, hf_int(i), 0));
  }
  for (int i = 0; i < waiting; i++) {
    expect_completion(async, HF_OK, "");
  }
  expect_ok(hf_queue_put(stop, hf_int(0), 0));
  pthread_join(thread, NULL);
  hf_queue_close(stop);
  hf_queue_close(queue);
  hf_async_close(async);
  contended_close(&contended);
}

/* ---------------------------------------------------------------- lost connections */

static void *cut_until_stopped(void *stop) {
  for (long pause_ms = 20; !atomic_load((atomic_bool *)stop); pause_ms = pause_ms * 5 / 4) {
    sleep_ms(pause_ms > 300 ? 300 : pause_ms);
    cut_all_links();
  }
  return NULL;
}

#define EXCHANGES 400
#define IN_FLIGHT 8

/* Each number is put once, and comes back once. */
static void exchange_all(hf_async *async, hf_cell *cell) {
  static int64_t previous[EXCHANGES];
  static bool is_seen[EXCHANGES + 1];
  hf_value last;
  int submitted = 0;
  memset(is_seen, 0, sizeof is_seen);
  for (int collected = 0; collected < EXCHANGES; collected++) {
    expect_ok(hf_async_begin(async, NULL));
    for (; submitted < EXCHANGES && submitted - collected < IN_FLIGHT; submitted++) {
      expect_ok(hf_cell_exchange_i64(cell, submitted + 1, &previous[submitted]));
    }
    hf_async_end(async);
    expect_completion(async, HF_OK, "");
  }
  expect_ok(hf_cell_get(cell, &last));
  is_seen[last.integer] = true;
  for (int i = 0; i < EXCHANGES; i++) {
    assert_in_range(previous[i], 0, EXCHANGES);
    assert_false(is_seen[previous[i]]);
    is_seen[previous[i]] = true;
  }
}

static void test_steps_with_lost_connections_happen_once(void **state) {
  hf_async *async = open_async(world.conn);
  uint8_t *written = make_bytes(3), *read = make_bytes(0);
  atomic_bool stop = false;
  pthread_t thread;
  hf_array *array;
  hf_cell *cell;
  (void)state;
  uint64_t before = object_count();
  expect_ok(hf_array_open(world.conn, NULL, 'B', LARGE_COUNT, NULL, &array));
  expect_ok(hf_cell_open(world.conn, NULL, 'q', hf_int(0), &cell));
  pthread_create(&thread, NULL, cut_until_stopped, &stop);
  exchange_all(async, cell);
  for (int i = 0; i < 10; i++) {
    hf_pipe *ends[2];
    hf_value value;
    SUBMIT(async, NULL, hf_pipe_new(world.conn, true, ends));
    expect_completion(async, HF_OK, "");
    expect_ok(hf_pipe_send(ends[1], hf_int(i), 0));
    expect_ok(hf_pipe_recv(ends[0], 0, &value));
    expect_equal(value, hf_int(i));
    hf_pipe_close(ends[0]);
    hf_pipe_close(ends[1]);
    memset(read, 0, LARGE_COUNT);
    memset(written, i, 1);
    SUBMIT(async, NULL, hf_array_write(array, 0, LARGE_COUNT, written));
    expect_completion(async, HF_OK, "");
    SUBMIT(async, NULL, hf_array_read(array, 0, LARGE_COUNT, read));
    expect_completion(async, HF_OK, "");
    assert_memory_equal(read, written, LARGE_COUNT);
  }
  atomic_store(&stop, true);
  pthread_join(thread, NULL);
  hf_array_close(array);
  hf_cell_close(cell);
  hf_async_close(async);
  expect_ok(hf_ping(world.conn, NULL));
  await_objects(before);
  free(written);
  free(read);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_steps_calls_on_the_connection),
    cmocka_unit_test(test_steps_pipes),
    cmocka_unit_test(test_steps_later_operation_fails),
    cmocka_unit_test(test_steps_dict_scan),
    cmocka_unit_test(test_steps_listings),
    cmocka_unit_test(test_steps_exchange),
    cmocka_unit_test(test_steps_large_ranges),
    cmocka_unit_test(test_steps_a_range_is_one_access),
    cmocka_unit_test(test_steps_are_taken_while_the_loop_waits),
    cmocka_unit_test(test_steps_cancel_at_a_later_operation),
    cmocka_unit_test(test_steps_lost_connection_at_a_later_operation),
    cmocka_unit_test(test_steps_cancelled_range_leaves_no_lock),
    cmocka_unit_test(test_steps_release_in_a_full_window),
    cmocka_unit_test(test_steps_unsent_release_outlives_its_call),
    cmocka_unit_test(test_steps_closed_while_an_object_is_opened),
    cmocka_unit_test(test_steps_closed_before_objects_are_opened),
    cmocka_unit_test(test_steps_close_in_the_middle),
    cmocka_unit_test(test_steps_uncollected_end_is_closed),
    cmocka_unit_test(test_steps_calls_behind_an_attach),
    cmocka_unit_test(test_steps_fork_and_close_in_the_middle),
    cmocka_unit_test(test_steps_unanswered_operations_end_in_time),
    cmocka_unit_test(test_steps_go_on_in_a_full_window),
    cmocka_unit_test(test_steps_with_lost_connections_happen_once),
};

WORLD_MAIN("async_steps", tests)
