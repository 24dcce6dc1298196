/* The client keeps time: whatever a server does, a call ends at its deadline, with the right status
 * and a sentence.
 *
 * usage: client_time [tcp | ipc]
 */
#include <holdfast/holdfast.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/holdfast_fields.h"
#include "proto/wire_field.h"
#include "tests/fault/attacker.h"
#include "tests/fault/impostor.h"

#define CALL_TIMEOUT_MS 300
/* A busy machine may be late by that much. */
#define LATE_MS 1200

static bool is_ipc;
static char ipc_path[108];

#define RESPONSE(CASE, field, content)                                                     \
  (&(Holdfast__Response){.base = PROTOBUF_C_MESSAGE_INIT(&holdfast__response__descriptor), \
                         .result_case = HOLDFAST__RESPONSE__RESULT_##CASE,                 \
                         .field = (content)})
#define NOTHING (&(Holdfast__Response)HOLDFAST__RESPONSE__INIT)

static hf_conn *open_impostor_within(struct impostor *impostor, int64_t call_timeout_ms) {
  const struct hf_options options = {.call_timeout_ms = call_timeout_ms};
  char url[160];
  hf_conn *conn = NULL;
  impostor->ipc_path = is_ipc ? ipc_path : NULL;
  impostor_start(impostor);
  if (is_ipc) {
    snprintf(url, sizeof url, "ipc://%s", ipc_path);
  } else {
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", (unsigned)impostor->port);
  }
  hf_status status = hf_connect(url, &options, &conn);
  if (status != HF_OK) {
    fail_msg("connect: %s", hf_last_error()->message);
  }
  return conn;
}

static hf_conn *open_impostor(struct impostor *impostor) {
  return open_impostor_within(impostor, CALL_TIMEOUT_MS);
}

static void close_impostor(hf_conn *conn, struct impostor *impostor) {
  int64_t begun_ms = attacker_now_ms();
  hf_close(conn);
  assert_in_range(attacker_now_ms() - begun_ms, 0, CALL_TIMEOUT_MS + LATE_MS);
  impostor_stop(impostor);
}

static void expect_failure(hf_status got, hf_status status, const char *reason) {
  if (got != status || strcmp(hf_last_error()->reason, reason) != 0) {
    fail_msg("%s %s \"%s\" instead of %s %s", hf_status_name(got), hf_last_error()->reason,
             hf_last_error()->message, hf_status_name(status), reason);
  }
  assert_true(strlen(hf_last_error()->message) > 20);
}

/* ---------------------------------------------------------------- servers */

static bool hang_up(struct impostor_peer *peer, uint32_t id, const Holdfast__Request *request) {
  (void)peer, (void)id, (void)request;
  return false;
}

static bool say_nothing(struct impostor_peer *peer, uint32_t id, const Holdfast__Request *request) {
  (void)peer, (void)id, (void)request;
  return true;
}

static bool send_frame_head(struct impostor_peer *peer, uint64_t body_len) {
  uint8_t prefix[SP_PREFIX_BYTES_MAX];
  size_t len = sp_prefix_write(is_ipc ? SP_IPC : SP_TCP, prefix, body_len);
  return impostor_send(peer, prefix, len);
}

static bool promise_too_much(struct impostor_peer *peer, uint32_t id,
                             const Holdfast__Request *request) {
  (void)id, (void)request;
  return send_frame_head(peer, UINT64_C(1) << 63);
}

static bool promise_just_too_much(struct impostor_peer *peer, uint32_t id,
                                  const Holdfast__Request *request) {
  (void)id, (void)request;
  return send_frame_head(peer, HF_REPLY_BYTES_MAX + 5);
}

static bool send_no_id(struct impostor_peer *peer, uint32_t id, const Holdfast__Request *request) {
  (void)id, (void)request;
  return send_frame_head(peer, 3) && impostor_send(peer, "abc", 3);
}

static bool send_empty(struct impostor_peer *peer, uint32_t id, const Holdfast__Request *request) {
  (void)id, (void)request;
  return send_frame_head(peer, 0);
}

static bool drip(struct impostor_peer *peer, uint32_t id, const Holdfast__Request *request) {
  const struct timespec pause = {.tv_nsec = 50000000};
  (void)id, (void)request;
  bool goes_on = send_frame_head(peer, 100);
  while (goes_on && !atomic_load(&peer->impostor->is_over)) {
    nanosleep(&pause, NULL);
    goes_on = impostor_send(peer, "x", 1);
  }
  return goes_on;
}

static bool answer_another(struct impostor_peer *peer, uint32_t id,
                           const Holdfast__Request *request) {
  return impostor_reply(peer, id, request->sequence + 1000, NOTHING);
}

/* What it answers brings the call no further. */
static bool put_off(struct impostor_peer *peer, uint32_t id, const Holdfast__Request *request) {
  (void)request;
  for (int i = 0; i < 100; i++) {
    if (!impostor_reply(peer, id ^ 0x55, 1, NOTHING)) {
      return false;
    }
  }
  return true;
}

static const struct unanswering {
  const char *name;
  impostor_answer *answer;
} unanswering[] = {
    {"hangs up", hang_up},
    {"says nothing", say_nothing},
    {"promises 2^63 bytes", promise_too_much},
    {"promises a byte too much", promise_just_too_much},
    {"sends a message without an id", send_no_id},
    {"sends empty messages", send_empty},
    {"sends a byte now and then", drip},
    {"answers another request", answer_another},
    {"answers what nobody asked", put_off},
};
enum { UNANSWERING_COUNT = sizeof unanswering / sizeof *unanswering };

/* ---------------------------------------------------------------- calls */

static hf_status ping(hf_conn *conn) {
  return hf_ping(conn, NULL);
}

static hf_status wait_a_little(hf_conn *conn) {
  hf_queue *queue;
  return hf_queue_open(conn, "q", 0, &queue);
}

static hf_status pipeline(hf_conn *conn) {
  struct hf_server_info infos[50];
  hf_status status = hf_pipeline_begin(conn, 8);
  for (int i = 0; i < 50; i++) {
    hf_kept(hf_server_info(conn, &infos[i]));
  }
  hf_status end = hf_pipeline_end(conn, NULL);
  return status == HF_OK ? end : status;
}

static hf_status list(hf_conn *conn) {
  struct hf_object_info *infos;
  size_t count;
  return hf_list_objects(conn, "", HF_ANY, &infos, &count);
}

static const struct {
  const char *name;
  hf_status (*make)(hf_conn *conn);
} calls[] = {{"ping", ping}, {"open", wait_a_little}, {"pipeline", pipeline}, {"list", list}};

static void test_client_time_a_call_ends_whatever_the_server_does(void **state) {
  (void)state;
  for (int i = 0; i < UNANSWERING_COUNT; i++) {
    struct impostor impostor = {.answer = unanswering[i].answer};
    hf_conn *conn = open_impostor(&impostor);
    for (size_t k = 0; k < sizeof calls / sizeof *calls; k++) {
      int64_t begun_ms = attacker_now_ms();
      hf_status status = calls[k].make(conn);
      int64_t took_ms = attacker_now_ms() - begun_ms;
      expect_failure(status, HF_UNAVAILABLE, "NOT_CONNECTED");
      if (took_ms > CALL_TIMEOUT_MS + LATE_MS) {
        fail_msg("a server that %s: %s took %lld ms", unanswering[i].name, calls[k].name,
                 (long long)took_ms);
      }
    }
    print_message("a server that %s: %u connections\n", unanswering[i].name,
                  atomic_load(&impostor.connections));
    close_impostor(conn, &impostor);
  }
}

/* Waits without limit end too, when there is a server only ever for a moment. */
static void test_client_time_a_wait_without_limit_needs_a_server_that_answers(void **state) {
  struct impostor impostor = {.answer = hang_up};
  hf_conn *conn = open_impostor(&impostor);
  size_t index;
  (void)state;
  int64_t begun_ms = attacker_now_ms();
  expect_failure(hf_transaction_begin(conn) == HF_OK
                     ? hf_transaction_commit(conn, HF_FOREVER, &index)
                     : HF_UNKNOWN,
                 HF_UNAVAILABLE, "NOT_CONNECTED");
  assert_in_range(attacker_now_ms() - begun_ms, 0, CALL_TIMEOUT_MS + LATE_MS);
  assert_non_null(strstr(hf_last_error()->message, "again and again"));
  close_impostor(conn, &impostor);
}

/* Exponential up to 64 ms, any part of it: 300 ms have room for about 14, and for hundreds without. */
static void test_client_time_retries_back_off(void **state) {
  struct impostor impostor = {.answer = hang_up};
  hf_conn *conn = open_impostor(&impostor);
  (void)state;
  expect_failure(hf_ping(conn, NULL), HF_UNAVAILABLE, "NOT_CONNECTED");
  assert_in_range(atomic_load(&impostor.connections), 4, 35);
  close_impostor(conn, &impostor);
}

/* ---------------------------------------------------------------- pages */

enum listing { LIST_NOTHING, LIST_THE_SAME, LIST_BACKWARDS, LIST_FOR_EVER };

static bool list_more(struct impostor_peer *peer, uint32_t id, const Holdfast__Request *request) {
  const enum listing *listing = peer->impostor->ctx;
  unsigned long long number = *listing == LIST_THE_SAME    ? 1
                              : *listing == LIST_BACKWARDS ? 1000000 - peer->count
                                                           : peer->count;
  char name[32];
  Holdfast__Object item = HOLDFAST__OBJECT__INIT, *items[] = {&item};
  Holdfast__Objects objects = HOLDFAST__OBJECTS__INIT;
  int len = snprintf(name, sizeof name, "%020llu", number);
  item.name = (ProtobufCBinaryData){(size_t)len, (uint8_t *)name};
  objects.items = items;
  objects.n_items = *listing == LIST_NOTHING ? 0 : 1;
  objects.more = true;
  return impostor_reply(peer, id, request->sequence, RESPONSE(OBJECTS, objects, &objects));
}

static void test_client_time_a_listing_that_leads_nowhere_is_none(void **state) {
  (void)state;
  for (enum listing listing = LIST_NOTHING; listing < LIST_FOR_EVER; listing++) {
    struct impostor impostor = {.answer = list_more, .ctx = &listing};
    hf_conn *conn = open_impostor(&impostor);
    expect_failure(list(conn), HF_INTERNAL, "BAD_REPLY");
    close_impostor(conn, &impostor);
  }
}

/* Each page is an honest one; there is no end to them. */
static void test_client_time_a_listing_without_end_ends(void **state) {
  enum listing listing = LIST_FOR_EVER;
  struct impostor impostor = {.answer = list_more, .ctx = &listing};
  hf_conn *conn = open_impostor(&impostor);
  (void)state;
  int64_t begun_ms = attacker_now_ms();
  expect_failure(list(conn), HF_UNAVAILABLE, "NOT_CONNECTED");
  print_message("%u pages\n", atomic_load(&impostor.requests));
  assert_in_range(attacker_now_ms() - begun_ms, CALL_TIMEOUT_MS, 20 * CALL_TIMEOUT_MS);
  close_impostor(conn, &impostor);
}

static bool scan_for_ever(struct impostor_peer *peer, uint32_t id,
                          const Holdfast__Request *request) {
  const bool *moves = peer->impostor->ctx;
  Holdfast__Object object = HOLDFAST__OBJECT__INIT;
  Holdfast__Page page = HOLDFAST__PAGE__INIT;
  object.id = 5;
  object.kind = HOLDFAST__KIND__DICT;
  page.cursor = *moves ? peer->count : 7;
  return impostor_reply(peer, id, request->sequence,
                        request->operation_case == HOLDFAST__REQUEST__OPERATION_DICT_SCAN
                            ? RESPONSE(PAGE, page, &page)
                            : RESPONSE(OBJECT, object, &object));
}

static void test_client_time_a_scan_of_empty_pages_ends(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    bool moves = i == 1;
    struct impostor impostor = {.answer = scan_for_ever, .ctx = &moves};
    struct hf_dict_scan scan = {0};
    const struct hf_entry *entry;
    hf_dict *dict;
    hf_conn *conn = open_impostor(&impostor);
    assert_int_equal(hf_dict_open(conn, "d", &dict), HF_OK);
    int64_t begun_ms = attacker_now_ms();
    hf_status status = hf_dict_next(dict, &scan, &entry);
    expect_failure(status, moves ? HF_UNAVAILABLE : HF_INTERNAL,
                   moves ? "NOT_CONNECTED" : "BAD_REPLY");
    assert_in_range(attacker_now_ms() - begun_ms, 0, CALL_TIMEOUT_MS + LATE_MS);
    hf_dict_scan_stop(&scan);
    hf_dict_close(dict);
    close_impostor(conn, &impostor);
  }
}

/* ---------------------------------------------------------------- memory */

/* 2 bytes each on the wire: locks and their waiters without anything in them. */
static bool send_hollow(struct impostor_peer *peer, uint32_t id, const Holdfast__Request *request) {
  const size_t count = 4u << 20, waiters_bytes = 2 * count;
  uint8_t *payload = malloc(waiters_bytes + 64), *to = payload;
  if (request->operation_case != HOLDFAST__REQUEST__OPERATION_LOCK_LIST) {
    free(payload);
    return impostor_reply(peer, id, request->sequence, NOTHING);
  }
  to = wire_write_head(to, HF_FIELD_RESPONSE_LOCKS, waiters_bytes + 5); /* the next head */
  to = wire_write_head(to, HF_FIELD_LOCKS_ITEMS, waiters_bytes);
  for (size_t i = 0; i < count; i++) {
    to = wire_write_head(to, HF_FIELD_LOCK_WAITERS, 0);
  }
  bool is_sent = impostor_send_payload(peer, id, payload, (size_t)(to - payload));
  free(payload);
  return is_sent;
}

static uint64_t resident_peak_kib(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (uint64_t)usage.ru_maxrss;
}

/* What a reply may unpack to is a multiple of what was sent. */
static void test_client_time_a_hollow_reply_is_refused(void **state) {
  struct impostor impostor = {.answer = send_hollow};
  hf_conn *conn = open_impostor_within(&impostor, 20000);
  struct hf_lock_info *locks;
  size_t count;
  (void)state;
  uint64_t before_kib = resident_peak_kib();
  expect_failure(hf_list_locks(conn, &locks, &count), HF_RESOURCE_EXHAUSTED, "REPLY_TOO_BIG");
  uint64_t grown_kib = resident_peak_kib() - before_kib;
  print_message("8 MiB on the wire: %llu KiB resident\n", (unsigned long long)grown_kib);
  assert_true(grown_kib < (8u << 10) * (HF_REPLY_UNPACK_RATIO + 6));
  close_impostor(conn, &impostor);
}

int main(int argc, char **argv) {
  is_ipc = argc > 1 && strcmp(argv[1], "ipc") == 0;
  snprintf(ipc_path, sizeof ipc_path, "/tmp/hf-impostor-%ld.sock", (long)getpid());
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_client_time_a_hollow_reply_is_refused),
      cmocka_unit_test(test_client_time_a_call_ends_whatever_the_server_does),
      cmocka_unit_test(test_client_time_a_wait_without_limit_needs_a_server_that_answers),
      cmocka_unit_test(test_client_time_retries_back_off),
      cmocka_unit_test(test_client_time_a_listing_that_leads_nowhere_is_none),
      cmocka_unit_test(test_client_time_a_listing_without_end_ends),
      cmocka_unit_test(test_client_time_a_scan_of_empty_pages_ends),
  };
  return cmocka_run_group_tests_name("fault.client_time", tests, NULL, NULL);
}
