/* Pipes through the client library. */
#include "tests/integration/world.h"

static void expect_recv(hf_pipe *pipe, const char *expected) {
  hf_value value;
  expect_ok(hf_pipe_recv(pipe, 1000, &value));
  expect_equal(value, hf_text(expected));
}

static void test_pipe_duplex_carries_both_ways(void **state) {
  hf_pipe *ends[2];
  bool readable;
  (void)state;
  expect_ok(hf_pipe_new(world.conn, true, ends));
  expect_ok(hf_pipe_poll(ends[1], 0, &readable));
  assert_false(readable);
  expect_ok(hf_pipe_send(ends[0], hf_text("there"), 0));
  expect_ok(hf_pipe_send(ends[1], hf_text("back"), 0));
  expect_ok(hf_pipe_poll(ends[1], 1000, &readable));
  assert_true(readable);
  expect_recv(ends[1], "there");
  expect_recv(ends[0], "back");
  hf_pipe_close(ends[0]);
  hf_pipe_close(ends[1]);
}

static void test_pipe_closed_end_is_end_of_file_after_the_rest(void **state) {
  hf_pipe *ends[2];
  hf_value value;
  bool readable;
  (void)state;
  expect_ok(hf_pipe_new(world.conn, true, ends));
  expect_ok(hf_pipe_send(ends[0], hf_text("last words"), 0));
  hf_pipe_close(ends[0]);
  expect_recv(ends[1], "last words");
  expect_fails(hf_pipe_recv(ends[1], HF_FOREVER, &value), OUT_OF_RANGE, END_OF_FILE);
  expect_ok(hf_pipe_poll(ends[1], 0, &readable));
  assert_true(readable);
  expect_fails(hf_pipe_send(ends[1], hf_none(), 0), FAILED_PRECONDITION, PIPE_CLOSED);
  hf_pipe_close(ends[1]);
}

static void test_pipe_one_way_refuses_the_wrong_direction(void **state) {
  hf_pipe *ends[2], *none;
  hf_value value;
  (void)state;
  expect_ok(hf_pipe_new(world.conn, false, ends));
  expect_ok(hf_pipe_send(ends[1], hf_text("down"), 0));
  expect_recv(ends[0], "down");
  expect_fails(hf_pipe_send(ends[0], hf_none(), 0), INVALID_ARGUMENT, BAD_END);
  expect_fails(hf_pipe_recv(ends[1], 0, &value), INVALID_ARGUMENT, BAD_END);
  expect_fails(hf_pipe_open(world.conn, NULL, 2, &none), INVALID_ARGUMENT, BAD_END);
  hf_pipe_close(ends[0]);
  hf_pipe_close(ends[1]);
}

static void test_pipe_empty_and_full_are_reported(void **state) {
  hf_pipe *ends[2];
  hf_value value;
  hf_status status = HF_OK;
  int sent = 0;
  (void)state;
  expect_ok(hf_pipe_new(world.conn, true, ends));
  expect_fails(hf_pipe_recv(ends[0], 0, &value), RESOURCE_EXHAUSTED, PIPE_EMPTY);
  expect_fails(hf_pipe_recv(ends[0], 20, &value), DEADLINE_EXCEEDED, PIPE_EMPTY);
  while (status == HF_OK && sent < 5000) {
    status = hf_pipe_send(ends[0], hf_int(sent), 0);
    sent += status == HF_OK;
  }
  assert_int_equal(status, HF_RESOURCE_EXHAUSTED);
  assert_string_equal(hf_last_error()->reason, "PIPE_FULL");
  expect_fails(hf_pipe_send(ends[0], hf_int(0), 20), DEADLINE_EXCEEDED, PIPE_FULL);
  hf_pipe_close(ends[0]);
  hf_pipe_close(ends[1]);
}

static void test_pipe_named_joins_two_sessions_and_ends_with_one(void **state) {
  hf_conn *conn = connect_again(0);
  hf_pipe *here, *there;
  hf_value value;
  (void)state;
  expect_ok(hf_pipe_open(world.conn, "line", 0, &here));
  expect_ok(hf_pipe_open(conn, "line", 1, &there));
  expect_ok(hf_pipe_send(there, hf_text("hello"), 0));
  expect_recv(here, "hello");
  hf_object_close(HF_AS_OBJECT(there));
  expect_fails(hf_pipe_recv(here, 1000, &value), OUT_OF_RANGE, END_OF_FILE);
  hf_close(conn);
  hf_pipe_close(here);
  expect_ok(hf_delete(world.conn, "line"));
}

static void test_pipe_opened_by_its_name_alone_is_attached_later(void **state) {
  hf_object *object;
  hf_pipe *here;
  hf_value value;
  (void)state;
  expect_ok(hf_pipe_open(world.conn, "attached", 0, &here));
  expect_ok(hf_open(world.conn, "attached", HF_PIPE, &object));
  hf_pipe *there = (hf_pipe *)object;
  expect_fails(hf_pipe_attach(there, 2), INVALID_ARGUMENT, BAD_END);
  expect_ok(hf_pipe_attach(there, 1));
  expect_fails(hf_pipe_attach(there, 1), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_ok(hf_pipe_send(there, hf_text("hello"), 0));
  expect_recv(here, "hello");
  hf_pipe_close(there);
  expect_fails(hf_pipe_recv(here, 1000, &value), OUT_OF_RANGE, END_OF_FILE);
  hf_pipe_close(here);
  expect_ok(hf_delete(world.conn, "attached"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_pipe_duplex_carries_both_ways),
    cmocka_unit_test(test_pipe_closed_end_is_end_of_file_after_the_rest),
    cmocka_unit_test(test_pipe_one_way_refuses_the_wrong_direction),
    cmocka_unit_test(test_pipe_empty_and_full_are_reported),
    cmocka_unit_test(test_pipe_named_joins_two_sessions_and_ends_with_one),
    cmocka_unit_test(test_pipe_opened_by_its_name_alone_is_attached_later),
};

WORLD_MAIN("pipe", tests)
