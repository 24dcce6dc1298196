/* What is refused before it has changed anything is in no journal, however often it comes and however large it is:
 * a full disk stays as it is, and what frees memory goes on. */
#include "server/engine/sessions.h"
#include "tests/support/durable.h"
#include "tests/support/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TIMES 1000
#define FEWER_TIMES 100 /* for each of several reasons */
#define LARGE_BYTES ((size_t)1 << 20)
#define GROWN_BYTES_MAX ((uint64_t)1 << 20)
#define READS "reads."
#define RATE 5

static struct durable durable;
static uint8_t *large; /* malloc */
static uint64_t bytes_before, sequence;

static struct user_right rights[] = {
    {.prefix = {.data = (const uint8_t *)READS, .len = 6}, .access = ACCESS_READ},
    {.prefix = {.data = (const uint8_t *)"d", .len = 1}, .access = ACCESS_READ | ACCESS_WRITE}};
static struct user_settings rows[] = {
    {.name = {.data = (const uint8_t *)"reader", .len = 6}, .rights = rights, .rights_count = 1},
    {.name = {.data = (const uint8_t *)"slow", .len = 4},
     .rights = rights + 1,
     .rights_count = 1,
     .limits = {.requests_per_s = RATE}}};
static const struct users_settings users = {.users = rows, .count = 2};

static Holdfast__Value *large_value(void) {
  static Holdfast__Value value;
  value = (Holdfast__Value){.base = PROTOBUF_C_MESSAGE_INIT(&holdfast__value__descriptor),
                            .kind_case = HOLDFAST__VALUE__KIND_BYTES,
                            .bytes = {LARGE_BYTES, large}};
  return &value;
}

static hf_reason call(uint64_t connection, Holdfast__Request *request) {
  return durable_ask(&durable, connection, request);
}

/* Of the session of connection 1. */
static hf_reason call_numbered(Holdfast__Request *request) {
  request->sequence = ++sequence;
  request->acked = sequence - 1;
  return call(1, request);
}

#define SET_SMALL IN("d", DICT_SET, DictSet, dict_set, .key = TEXT("k"), .value = INT(5))
#define SET_LARGE IN("d", DICT_SET, DictSet, dict_set, .key = TEXT("k"), .value = large_value())

static int set_up(void **state) {
  (void)state;
  large = calloc(1, LARGE_BYTES);
  assert_non_null(large);
  sequence = 0;
  durable_begin(&durable, &users);
  durable_connect(&durable, 1, false, "");
  assert_int_equal(call(1, REQUEST(OPEN_SESSION, OpenSession, open_session)), HF_REASON_NONE);
  assert_int_equal(call_numbered(REQUEST(OBJECT_OPEN, ObjectOpen, object_open,
                                         .kind = HOLDFAST__KIND__DICT, .name = DATA("d"))),
                   HF_REASON_NONE);
  assert_int_equal(call_numbered(SET_SMALL), HF_REASON_NONE);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  durable_end(&durable);
  free(large);
  return 0;
}

static void fill_disk(bool is_full) {
  dispatch_set_disk_full(durable.dispatch, is_full);
  assert_int_equal(call(1, REQUEST(PING, Ping, ping)), HF_REASON_NONE);
  bytes_before = durable_report(&durable).journal_bytes;
}

static void expect_no_growth(const char *what) {
  uint64_t bytes = durable_report(&durable).journal_bytes;
  print_message("  %s: the journal has grown by %llu bytes\n", what,
                (unsigned long long)(bytes - bytes_before));
  assert_true(bytes - bytes_before < GROWN_BYTES_MAX);
}

/* Commits, so that what would be in the journal is in it. */
static void expect_service(void) {
  assert_int_equal(call_numbered(IN("d", DICT_GET, DictGet, dict_get, .key = TEXT("k"))),
                   HF_REASON_NONE);
  assert_int_equal(call_numbered(IN("d", DICT_DELETE, DictDelete, dict_delete, .key = TEXT("k"))),
                   HF_REASON_NONE);
  assert_int_equal(call_numbered(REQUEST(CLOSE_SESSION, CloseSession, close_session)),
                   HF_REASON_NONE);
}

static void test_a_full_disk_stays_as_it_is(void **state) {
  (void)state;
  fill_disk(true);
  for (size_t i = 0; i < TIMES; i++) {
    assert_int_equal(call_numbered(SET_LARGE), HF_REASON_JOURNAL_FULL);
  }
  expect_service();
  expect_no_growth("1,000 stores of 1 MiB");
}

/* Also what has the stores in it, and what makes objects. */
static void test_lists_and_new_objects_are_refused_as_a_whole(void **state) {
  (void)state;
  fill_disk(true);
  for (size_t i = 0; i < FEWER_TIMES; i++) {
    assert_int_equal(
        call_numbered(REQUEST(
            TRANSACTION, Transaction, transaction, .n_operations = 2,
            .operations = LIST_OF(Request, IN("d", DICT_LEN, DictLen, dict_len), SET_LARGE))),
        HF_REASON_JOURNAL_FULL);
    assert_int_equal(
        call_numbered(REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__LIST,
                              .name = DATA("new"), .n_initial = 1,
                              .initial = LIST_OF(Value, large_value()))),
        HF_REASON_JOURNAL_FULL);
  }
  assert_int_equal(call_numbered(REQUEST(OBJECT_OPEN, ObjectOpen, object_open,
                                         .kind = HOLDFAST__KIND__DICT, .name = DATA("d"))),
                   HF_REASON_NONE);
  expect_service();
  expect_no_growth("200 lists and new objects of 1 MiB");
}

static void test_users_without_a_right_write_nothing(void **state) {
  (void)state;
  durable_connect(&durable, 2, false, "reader");
  fill_disk(false);
  for (size_t i = 0; i < FEWER_TIMES; i++) {
    assert_int_equal(call(2, SET_LARGE), HF_REASON_NO_RIGHT);
    assert_int_equal(call(2, REQUEST(OBJECT_OPEN, ObjectOpen, object_open,
                                     .kind = HOLDFAST__KIND__LIST, .name = DATA(READS "list"),
                                     .n_initial = 1, .initial = LIST_OF(Value, large_value()))),
                     HF_REASON_NO_RIGHT);
    assert_int_equal(call(2, REQUEST(TRANSACTION, Transaction, transaction, .n_operations = 1,
                                     .operations = LIST_OF(Request, SET_LARGE))),
                     HF_REASON_NO_RIGHT);
  }
  expect_service();
  expect_no_growth("300 of 1 MiB without a right");
}

static void test_too_many_a_second_write_nothing(void **state) {
  (void)state;
  size_t refused = 0;
  durable_connect(&durable, 2, false, "slow");
  for (size_t i = 0; i < RATE; i++) {
    (void)call(2, REQUEST(PING, Ping, ping));
  }
  fill_disk(false);
  for (size_t i = 0; i < FEWER_TIMES; i++) {
    refused += call(2, SET_LARGE) == HF_REASON_TOO_FAST;
  }
  print_message("  %zu of %d were too fast\n", refused, FEWER_TIMES);
  assert_true(refused > FEWER_TIMES - 2 * RATE);
  uint64_t served_bytes = (FEWER_TIMES - refused) * 3 * LARGE_BYTES;
  expect_service();
  bytes_before += served_bytes;
  if (durable_report(&durable).journal_bytes > bytes_before) {
    expect_no_growth("beyond what was served");
  }
}

static void test_senseless_requests_write_nothing(void **state) {
  (void)state;
  static uint8_t nobody[HF_SESSION_BYTES] = "no session at a";
  Holdfast__Request *request;
  fill_disk(false);
  for (size_t i = 0; i < FEWER_TIMES; i++) {
    uint64_t before = durable.replies;
    durable_send_bytes(&durable, 1, bytes_of(large, LARGE_BYTES));
    durable_await(&durable, before + 1);
    request = SET_LARGE;
    request->session = (ProtobufCBinaryData){sizeof nobody, nobody};
    assert_int_equal(call(1, request), HF_REASON_SESSION_ENDED);
    request = IN("none", DICT_SET, DictSet, dict_set, .key = TEXT("k"), .value = large_value());
    assert_int_equal(call_numbered(request), HF_REASON_NO_SUCH_OBJECT);
    request = SET_LARGE;
    request->sequence = 1; /* acknowledged long ago */
    assert_int_equal(call(1, request), HF_REASON_BAD_SEQUENCE);
  }
  expect_service();
  expect_no_growth("400 of 1 MiB that make no sense");
}

/* The connection that a session was bound to before is not answered any more. */
static void test_a_former_connection_writes_nothing(void **state) {
  (void)state;
  Holdfast__Request *request = REQUEST(RESUME_SESSION, ResumeSession, resume_session, .attempt = 1);
  request->session = (ProtobufCBinaryData){HF_SESSION_BYTES, durable.session};
  durable_connect(&durable, 2, false, "");
  assert_int_equal(call(2, request), HF_REASON_NONE);
  assert_int_equal(call(2, REQUEST(PING, Ping, ping)), HF_REASON_NONE);
  bytes_before = durable_report(&durable).journal_bytes;
  for (size_t i = 0; i < FEWER_TIMES; i++) {
    durable_send(&durable, 1, SET_LARGE);
    durable_send(&durable, 77, SET_LARGE);
  }
  request = IN("d", DICT_DELETE, DictDelete, dict_delete, .key = TEXT("k"));
  request->sequence = ++sequence;
  assert_int_equal(call(2, request), HF_REASON_NONE);
  expect_no_growth("200 of 1 MiB on connections that are none");
}

/* Replies that were kept go, as far as the refused request says; it says so once. */
static void test_a_refused_request_acknowledges(void **state) {
  (void)state;
  const uint64_t base = sequence;
  for (size_t i = 0; i < 4; i++) {
    Holdfast__Request *request = SET_SMALL;
    request->sequence = ++sequence;
    assert_int_equal(call(1, request), HF_REASON_NONE);
  }
  fill_disk(true);
  const struct session *session =
      core_find_session(durable.recovered.engine, bytes_of(durable.session, HF_SESSION_BYTES));
  assert_non_null(session);
  assert_int_equal(session->window.count, 5);
  for (uint64_t i = 0; i < FEWER_TIMES; i++) {
    uint64_t also[] = {base + 3 - i % 2, base + 4};
    Holdfast__Request *request = SET_LARGE;
    request->sequence = ++sequence;
    request->acked_also = also;
    request->n_acked_also = 2;
    assert_int_equal(call(1, request), HF_REASON_JOURNAL_FULL);
    assert_int_equal(session->window.count, i == 0 ? 3 : 2);
  }
  expect_service();
  expect_no_growth("100 stores of 1 MiB that acknowledge");
}

/* Each has failed: that is known of it, and no more. */
static void test_one_way_stores_fail_without_their_bodies(void **state) {
  (void)state;
  durable_connect(&durable, 2, true, "");
  fill_disk(true);
  for (uint64_t i = 1; i <= FEWER_TIMES; i++) {
    Holdfast__Request *store = SET_LARGE;
    Holdfast__Request *list = REQUEST(TRANSACTION, Transaction, transaction, .n_operations = 1,
                                      .operations = LIST_OF(Request, SET_LARGE));
    Holdfast__Request *request = i % 2 ? store : list;
    request->session = (ProtobufCBinaryData){HF_SESSION_BYTES, durable.session};
    request->sequence = i < FEWER_TIMES / 2 ? i : i + 1; /* then some was lost */
    durable_send(&durable, 2, request);
  }
  assert_int_equal(call_numbered(REQUEST(FLUSH, Flush, flush, .through = 1)), HF_REASON_NONE);
  const struct session *session =
      core_find_session(durable.recovered.engine, bytes_of(durable.session, HF_SESSION_BYTES));
  assert_int_equal(session->one_way_received, FEWER_TIMES / 2 - 1);
  assert_int_equal(durable.flushed, FEWER_TIMES / 2 - 1);
  assert_int_equal(durable.failed, FEWER_TIMES / 2 - 1);
  expect_service();
  expect_no_growth("100 one-way stores of 1 MiB");
}

/* It was not carried out, and nothing is known of it: sent again it is. */
static void test_what_was_refused_is_served_when_there_is_room(void **state) {
  (void)state;
  Holdfast__Request *request = SET_LARGE;
  fill_disk(true);
  assert_int_equal(call_numbered(request), HF_REASON_JOURNAL_FULL);
  fill_disk(false);
  assert_int_equal(call(1, request), HF_REASON_NONE);
  assert_int_equal(call(1, request), HF_REASON_NONE); /* from the window */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_a_full_disk_stays_as_it_is, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_lists_and_new_objects_are_refused_as_a_whole, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_users_without_a_right_write_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_too_many_a_second_write_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_senseless_requests_write_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_a_former_connection_writes_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_a_refused_request_acknowledges, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_one_way_stores_fail_without_their_bodies, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_what_was_refused_is_served_when_there_is_room, set_up,
                                      tear_down),
  };
  return cmocka_run_group_tests_name("unit.journal_refusals", tests, NULL, NULL);
}
