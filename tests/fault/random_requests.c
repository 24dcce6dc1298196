/* Random requests of every operation and argument shape against a real server, and beside them honest
 * clients whose sums must hold.
 *
 * usage: random_requests [SEED [COUNT]]; HOLDFAST_SEED works too. Without a COUNT for 10 seconds, or
 * as many as HOLDFAST_RANDOM_SECONDS says. HOLDFASTD names another server, one with sanitizers say.
 *
 * What must hold:
 *   - each batch is got through; without a session each request with a short timeout is answered;
 *     with a status of the list, never INTERNAL
 *   - honest clients are served meanwhile: their account books balance, their queue keeps its order
 *   - when all objects are deleted and all sessions closed, the server counts none, and exits with 0
 */
#include "tests/fault/honest.h"
#include "tests/fault/hostile.h"
#include "tests/support/random.h"
#include "tests/support/request_maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PEERS_COUNT 4 /* the last but one has no session, the last is one-way */
#define BATCH_COUNT 64
#define BATCHES_PER_PEER 200
#define BATCHES_PER_SESSION 40
#define TIMED_MS_MAX 20 /* a request that waits no longer is owed an answer */
#define ANSWER_TIMEOUT_MS 10000

struct random_peer {
  struct attacker attacker;
  bool has_session, one_way;
  uint8_t session[HF_SESSION_BYTES];
  uint64_t sequence;
  size_t batches;
  size_t owed_count;
  uint32_t owed[8192]; /* ids of requests that must be answered soon */
};

static struct request_maker maker;
static struct random_peer peers[PEERS_COUNT];
static uint64_t requests_count; /* 0: until seconds are over */
static uint64_t sent_count;
static size_t counts[17];

static uint64_t below(uint64_t limit) {
  return random_below(&maker.random, limit);
}

/* ---- answers */

static void settle_debt(struct random_peer *peer, uint32_t id) {
  for (size_t i = 0; i < peer->owed_count; i++) {
    if (peer->owed[i] == id) {
      peer->owed[i] = peer->owed[--peer->owed_count];
      return;
    }
  }
}

static void learn(struct random_peer *peer, const Holdfast__Response *response) {
  if (response->result_case == HOLDFAST__RESPONSE__RESULT_OBJECT) {
    request_maker_learn(&maker, response->object->id);
  } else if (response->result_case == HOLDFAST__RESPONSE__RESULT_SESSION) {
    assert_int_equal(response->session->id.len, HF_SESSION_BYTES);
    memcpy(peer->session, response->session->id.data, HF_SESSION_BYTES);
    peer->has_session = true;
    peer->sequence = 0;
  }
}

/* The next answer. false: none within timeout_ms. */
static bool receive(struct random_peer *peer, int timeout_ms, uint32_t *id) {
  Holdfast__Response *response;
  if (!attacker_receive(&peer->attacker, timeout_ms, id, &response)) {
    return false;
  }
  assert_in_range(response->status, 0, 16);
  assert_int_not_equal(response->status, HF_INTERNAL);
  assert_int_equal(response->status == HF_OK, response->reason.len == 0);
  counts[response->status]++;
  settle_debt(peer, *id);
  learn(peer, response);
  holdfast__response__free_unpacked(response, NULL);
  return true;
}

static void receive_through(struct random_peer *peer, uint32_t last) {
  uint32_t id = 0;
  while (id != last) {
    if (!receive(peer, ANSWER_TIMEOUT_MS, &id)) {
      fail_msg("request %u is not answered, after %llu", last, (unsigned long long)sent_count);
    }
  }
}

static void collect_debts(struct random_peer *peer) {
  uint32_t id;
  while (peer->owed_count > 0) {
    if (!receive(peer, ANSWER_TIMEOUT_MS, &id)) {
      fail_msg("request %u should have been answered long ago", peer->owed[0]);
    }
  }
}

/* ---- requests */

static bool is_of_session(const Holdfast__Request *request) {
  return request->operation_case == HOLDFAST__REQUEST__OPERATION_OPEN_SESSION ||
         request->operation_case == HOLDFAST__REQUEST__OPERATION_RESUME_SESSION;
}

/* Two operations have no reply, and a condition's wait ends when its lock is to be had. */
static bool is_answered_in_time(const Holdfast__Request *request) {
  return request->operation_case != HOLDFAST__REQUEST__OPERATION_ACKNOWLEDGE &&
         request->operation_case != HOLDFAST__REQUEST__OPERATION_CELL_NOTIFY &&
         request->operation_case != HOLDFAST__REQUEST__OPERATION_CONDITION_WAIT;
}

/* Within a session it may be a repetition, which takes the answer away from the one before. */
static bool is_owed(const struct random_peer *peer, const Holdfast__Request *request) {
  return !peer->has_session && !peer->one_way && is_answered_in_time(request) &&
         request->wait_case == HOLDFAST__REQUEST__WAIT_TIMEOUT_MS && request->timeout_ms >= 0 &&
         request->timeout_ms <= TIMED_MS_MAX;
}

/* A peer without a session stays without; sessions end soon when they are left. */
static Holdfast__Request *make_request(const struct random_peer *peer) {
  Holdfast__Request *request;
  do {
    request = request_maker_make(&maker, below(request_maker_operations_count()));
  } while (!peer->has_session && is_of_session(request));
  if (request->operation_case == HOLDFAST__REQUEST__OPERATION_OPEN_SESSION) {
    request->open_session->grace_ms = 1 + (uint32_t)below(100);
  }
  return request;
}

/* Mostly as a library would, sometimes at the end of the range, or again. */
static void put_in_session(struct random_peer *peer, Holdfast__Request *request) {
  static uint64_t also[3];
  uint64_t choice = below(40);
  if (!peer->has_session || choice == 0) {
    return;
  }
  request->sequence = choice == 1   ? UINT64_MAX - below(3)
                      : choice == 2 ? peer->sequence - below(5)
                      : choice == 3 ? random_next(&maker.random)
                                    : ++peer->sequence;
  request->acked = below(300) == 0 ? UINT64_MAX - below(2) : peer->sequence - below(20);
  if (below(4) == 0) {
    for (size_t i = 0; i < 3; i++) {
      also[i] = below(10) ? request->acked + below(20) : UINT64_MAX - below(2);
    }
    request->acked_also = also;
    request->n_acked_also = 3;
  }
  if (choice == 4) {
    request->session = (ProtobufCBinaryData){HF_SESSION_BYTES, peer->session};
  }
}

static void put_frame(struct body *batch, struct random_peer *peer, uint32_t id,
                      const Holdfast__Request *request) {
  uint8_t head[SP_PREFIX_BYTES_MAX];
  struct sp_route route = sp_route_of(id);
  size_t route_len = peer->one_way ? 0 : route.len;
  size_t len = holdfast__request__get_packed_size(request);
  uint8_t *packed = malloc(len + 1);
  assert_non_null(packed);
  holdfast__request__pack(request, packed);
  body_put(batch, head, sp_prefix_write(SP_TCP, head, route_len + len));
  body_put(batch, route.words, route_len);
  body_put(batch, packed, len);
  free(packed);
}

static uint32_t add_request(struct body *batch, struct random_peer *peer,
                            Holdfast__Request *request) {
  uint32_t id = peer->attacker.next_id++;
  put_frame(batch, peer, id, request);
  if (is_owed(peer, request)) {
    assert_true(peer->owed_count < sizeof peer->owed / sizeof *peer->owed);
    peer->owed[peer->owed_count++] = id;
  }
  sent_count++;
  return id;
}

static void open_session(struct random_peer *peer) {
  struct body batch = {0};
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__OpenSession open = HOLDFAST__OPEN_SESSION__INIT;
  open.grace_ms = 1 + (uint32_t)below(100);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OPEN_SESSION;
  request.open_session = &open;
  uint32_t id = add_request(&batch, peer, &request);
  assert_true(attacker_send_bytes(&peer->attacker, batch.data, batch.len));
  body_free(&batch);
  receive_through(peer, id);
}

static void send_batch(struct random_peer *peer) {
  struct body batch = {0};
  Holdfast__Ping ping = HOLDFAST__PING__INIT;
  Holdfast__Request last = HOLDFAST__REQUEST__INIT;
  for (int i = 0; i < BATCH_COUNT; i++) {
    Holdfast__Request *request = make_request(peer);
    put_in_session(peer, request);
    add_request(&batch, peer, request);
  }
  last.operation_case = HOLDFAST__REQUEST__OPERATION_PING;
  last.ping = &ping;
  uint32_t last_id = peer->one_way ? 0 : add_request(&batch, peer, &last);
  bool sent = attacker_send_bytes(&peer->attacker, batch.data, batch.len);
  body_free(&batch);
  assert_true(sent || peer->one_way);
  if (!peer->one_way) {
    receive_through(peer, last_id);
  }
}

/* ---- peers */

static void open_peer(struct random_peer *peer, size_t idx) {
  *peer = (struct random_peer){.one_way = idx == PEERS_COUNT - 1};
  assert_true(
      attacker_open(&peer->attacker, hostile_server.tcp_port, peer->one_way ? SP_PUSH : SP_REQ));
  if (idx < PEERS_COUNT - 2) {
    peer->has_session = true;
    open_session(peer);
  }
}

static void close_peer(struct random_peer *peer) {
  if (!peer->one_way) {
    collect_debts(peer);
  }
  (below(2) ? attacker_reset : attacker_close)(&peer->attacker);
}

/* A one-way request that waits blocks its connection, so that peer is short-lived. */
static void work(struct random_peer *peer, size_t idx) {
  bool is_old = peer->batches >= (peer->one_way ? 1 : BATCHES_PER_PEER);
  if (is_old) {
    close_peer(peer);
    open_peer(peer, idx);
  } else if (peer->has_session && peer->batches % BATCHES_PER_SESSION == 0) {
    open_session(peer);
  }
  peer->batches++;
  send_batch(peer);
}

/* An object for each name that requests aim at; some were deleted. */
static void open_all(struct random_peer *peer) {
  struct body batch = {0};
  uint32_t id = 0;
  for (int kind = HOLDFAST__KIND__DICT; kind < (int)holdfast__kind__descriptor.n_values; kind++) {
    id = add_request(&batch, peer, request_maker_open(&maker, (Holdfast__Kind)kind));
  }
  assert_true(attacker_send_bytes(&peer->attacker, batch.data, batch.len));
  body_free(&batch);
  receive_through(peer, id);
}

static bool is_over(int64_t begun_ms) {
  const char *seconds = getenv("HOLDFAST_RANDOM_SECONDS");
  int64_t limit_ms = 1000 * (seconds ? strtol(seconds, NULL, 10) : 10);
  return requests_count ? sent_count >= requests_count : attacker_now_ms() - begun_ms > limit_ms;
}

static void test_random_requests_are_answered_and_leave_nothing(void **state) {
  (void)state;
  int64_t begun_ms = attacker_now_ms();
  struct honest honest;
  honest_begin(&honest);
  for (size_t i = 0; i < PEERS_COUNT; i++) {
    open_peer(&peers[i], i);
  }
  for (size_t round = 0; !is_over(begun_ms); round++) {
    open_all(&peers[PEERS_COUNT - 2]);
    for (size_t i = 0; i < PEERS_COUNT; i++) {
      work(&peers[i], i);
    }
    honest_work(&honest);
  }
  for (size_t i = 0; i < PEERS_COUNT; i++) {
    close_peer(&peers[i]);
  }
  honest_end(&honest);
  print_message("  %llu requests in %lld s;", (unsigned long long)sent_count,
                (long long)(attacker_now_ms() - begun_ms) / 1000);
  for (int status = 0; status < 17; status++) {
    if (counts[status] > 0) {
      print_message(" %s %zu", hf_status_name((hf_status)status), counts[status]);
    }
  }
  print_message("; honest: %llu transfers, %llu items in order\n",
                (unsigned long long)honest.transfers, (unsigned long long)honest.taken);
}

int main(int argc, char **argv) {
  static const char *const arguments[] = {"--memory-max", "64M", NULL};
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random_requests_are_answered_and_leave_nothing),
  };
  request_maker_init(&maker, random_seed(argc, argv));
  requests_count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
  hostile_arguments = arguments;
  int failed = cmocka_run_group_tests_name("fault.random", tests, hostile_start, hostile_stop);
  request_maker_deinit(&maker);
  return failed;
}
