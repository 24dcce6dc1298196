/* Transactions and wait-any that are submitted as one asynchronous call. */
#include "tests/integration/async_loop.h"
#include "tests/integration/world.h"

static hf_dict *open_accounts(void) {
  hf_dict *accounts;
  expect_ok(hf_dict_open(world.conn, NULL, &accounts));
  expect_ok(hf_dict_set(accounts, hf_text("a"), hf_int(100)));
  expect_ok(hf_dict_set(accounts, hf_text("b"), hf_int(0)));
  return accounts;
}

static void expect_balances(hf_dict *accounts, int64_t a, int64_t b) {
  hf_value value;
  expect_ok(hf_dict_get(accounts, hf_text("a"), &value));
  assert_int_equal(value.integer, a);
  expect_ok(hf_dict_get(accounts, hf_text("b"), &value));
  assert_int_equal(value.integer, b);
}

/* Submits a transfer of 10, if `from` has the balance `expected`. */
static void submit_transfer(hf_async *async, hf_dict *accounts, const char *from, const char *to,
                            int64_t expected, int64_t timeout_ms, size_t *part) {
  hf_value balance = hf_int(expected);
  expect_ok(hf_async_begin(async, part));
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(hf_require_equal(accounts, hf_text(from), &balance));
  expect_ok(hf_dict_add(accounts, hf_text(from), hf_int(-10), NULL));
  expect_ok(hf_dict_add(accounts, hf_text(to), hf_int(10), NULL));
  expect_ok(hf_transaction_commit(world.conn, timeout_ms, part));
  hf_async_end(async);
}

static void test_async_batches_a_transaction_is_one_call(void **state) {
  hf_async *async = open_async(world.conn);
  hf_dict *accounts = open_accounts();
  size_t part = 99, waiting_part = 99;
  (void)state;
  submit_transfer(async, accounts, "a", "b", 100, 0, &part);
  assert_int_equal(next_of(async).status, HF_OK);
  assert_int_equal(part, 99); /* only set on an error */
  expect_balances(accounts, 90, 10);

  submit_transfer(async, accounts, "b", "a", 20, LONG_MS, &waiting_part);
  submit_transfer(async, accounts, "a", "b", 100, 0, &part);
  struct hf_completion done = next_of(async);
  assert_ptr_equal(done.data, &part);
  assert_int_equal(done.status, HF_ABORTED);
  assert_string_equal(done.reason, "CONDITION_NOT_MET");
  assert_int_equal(part, 1);

  submit_transfer(async, accounts, "a", "b", 90, 0, &part); /* what the other waits for */
  for (int i = 0; i < 2; i++) {
    assert_int_equal(next_of(async).status, HF_OK);
  }
  expect_balances(accounts, 90, 10);
  hf_async_close(async);
  hf_dict_close(accounts);
}

static void test_async_batches_errors_are_those_of_the_part(void **state) {
  hf_async *async = open_async(world.conn);
  hf_dict *accounts = open_accounts();
  hf_value missing;
  size_t part = 99;
  (void)state;
  expect_ok(hf_async_begin(async, NULL));
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(hf_dict_set(accounts, hf_text("a"), hf_int(0)));
  expect_ok(hf_dict_get(accounts, hf_text("missing"), &missing));
  expect_ok(hf_transaction_commit(world.conn, 0, &part));

  expect_ok(hf_transaction_begin(world.conn));
  expect_fails(hf_transaction_begin(world.conn), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_fails(hf_dict_set(accounts, hf_int(1), (hf_value){.type = (hf_type)99}), INVALID_ARGUMENT,
               BAD_VALUE);
  expect_fails(hf_transaction_commit(world.conn, 0, NULL), INVALID_ARGUMENT, BAD_VALUE);
  hf_async_end(async);

  struct hf_completion done = next_of(async);
  assert_int_equal(done.status, HF_NOT_FOUND);
  assert_string_equal(done.reason, "NO_SUCH_KEY");
  assert_int_equal(part, 2);
  expect_none_for(async, SHORT_MS); /* the second was not submitted */
  expect_balances(accounts, 100, 0);
  hf_async_close(async);
  hf_dict_close(accounts);
}

/* Handles are opened beside an open batch, each as a call of its own. */
static void expect_opens_all(hf_async *async, hf_dict *accounts, bool is_transaction) {
  hf_dict *dict = NULL;
  hf_object *object = NULL, *named = NULL;
  hf_pipe *pipe = NULL, *ends[2] = {NULL, NULL};
  hf_value item, sum, reference = hf_reference(HF_AS_OBJECT(accounts));
  size_t index = 99;
  expect_ok(hf_dict_set(accounts, hf_text("tuple"), hf_tuple(&reference, 1)));
  expect_ok(hf_dict_get(accounts, hf_text("tuple"), &item));
  expect_ok(hf_async_begin(async, NULL));
  expect_ok(is_transaction ? hf_transaction_begin(world.conn) : hf_wait_any_begin(world.conn));
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  expect_ok(hf_object_open(world.conn, hf_object_id(HF_AS_OBJECT(accounts)), HF_DICT, &object));
  expect_ok(hf_pipe_open(world.conn, "beside a batch", 0, &pipe));
  expect_ok(hf_open(world.conn, "beside a batch", HF_PIPE, &named));
  expect_ok(hf_pipe_new(world.conn, true, ends));
  hf_object *opened = object;
  expect_fails(hf_reference_open(world.conn, (hf_value *)item.items, &opened), FAILED_PRECONDITION,
               ALREADY_OPEN);
  if (is_transaction) {
    expect_ok(hf_dict_add(accounts, hf_text("b"), hf_int(1), &sum));
    expect_ok(hf_transaction_commit(world.conn, 0, NULL));
  } else {
    expect_ok(hf_dict_wait(accounts, hf_text("b"), NULL, HF_FOREVER, &sum));
    expect_ok(hf_wait_any_end(world.conn, 0, &index));
  }
  hf_async_end(async);
  for (int i = 0; i < 6; i++) {
    assert_int_equal(next_of(async).status, HF_OK);
  }
  expect_equal(sum, hf_int(1));
  expect_ok(hf_dict_set(dict, hf_int(1), hf_int(1)));
  expect_ok(hf_dict_add((hf_dict *)object, hf_text("a"), hf_int(1), NULL));
  expect_fails(hf_pipe_attach(pipe, 1), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_ok(hf_pipe_attach((hf_pipe *)named, 1));
  expect_ok(hf_pipe_send((hf_pipe *)named, hf_int(5), 0));
  expect_ok(hf_pipe_recv(pipe, 0, &sum));
  expect_equal(sum, hf_int(5));
  hf_value_clear(&item);
  hf_dict_close(dict);
  hf_object_close(object);
  expect_ok(hf_object_delete(named));
  hf_pipe_close((hf_pipe *)named);
  hf_pipe_close(pipe);
  hf_pipe_close(ends[0]);
  hf_pipe_close(ends[1]);
}

static void test_async_batches_open_handles(void **state) {
  hf_async *async = open_async(world.conn);
  hf_dict *accounts = open_accounts();
  (void)state;
  expect_opens_all(async, accounts, true);
  expect_opens_all(async, accounts, false);
  expect_balances(accounts, 102, 1);
  hf_async_close(async);
  hf_dict_close(accounts);
}

/* One is in flight when the loop is closed, one has completed and is not collected. */
static void test_async_batches_that_nobody_collects(void **state) {
  hf_async *async = open_async(world.conn);
  hf_dict *accounts = open_accounts();
  size_t part;
  (void)state;
  submit_transfer(async, accounts, "a", "b", -1, HF_FOREVER, &part);
  submit_transfer(async, accounts, "a", "b", 100, 0, &part);
  submit_transfer(async, accounts, "a", "b", 90, 0, &part);
  assert_int_equal(next_of(async).status, HF_OK);
  hf_async_close(async);
  hf_dict_close(accounts);
}

static void test_async_batches_a_wait_any_is_one_call(void **state) {
  hf_async *async = open_async(world.conn);
  hf_queue *queues[2];
  hf_value values[2] = {0};
  size_t index = 99;
  (void)state;
  for (int i = 0; i < 2; i++) {
    expect_ok(hf_queue_open(world.conn, NULL, 0, &queues[i]));
  }
  expect_ok(hf_async_begin(async, NULL));
  for (int round = 0; round < 2; round++) {
    expect_ok(hf_wait_any_begin(world.conn));
    expect_ok(hf_queue_get(queues[0], HF_FOREVER, &values[0]));
    expect_ok(hf_queue_get(queues[1], HF_FOREVER, &values[1]));
    expect_ok(hf_wait_any_end(world.conn, round == 0 ? LONG_MS : SHORT_MS, &index));
  }
  hf_async_end(async);
  struct hf_completion done = next_of(async);
  assert_int_equal(done.id, 2);
  assert_int_equal(done.status, HF_DEADLINE_EXCEEDED);
  assert_int_equal(index, 99);
  expect_ok(hf_queue_put(queues[1], hf_int(7), 0));
  assert_int_equal(next_of(async).status, HF_OK);
  assert_int_equal(index, 1);
  assert_int_equal(values[1].integer, 7);
  hf_async_close(async);
  for (int i = 0; i < 2; i++) {
    hf_queue_close(queues[i]);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_async_batches_a_transaction_is_one_call),
    cmocka_unit_test(test_async_batches_errors_are_those_of_the_part),
    cmocka_unit_test(test_async_batches_open_handles),
    cmocka_unit_test(test_async_batches_that_nobody_collects),
    cmocka_unit_test(test_async_batches_a_wait_any_is_one_call),
};

WORLD_MAIN("async_batches", tests)
