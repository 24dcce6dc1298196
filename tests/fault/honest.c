/* See honest.h. */
#include "tests/fault/honest.h"

#include "tests/fault/hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define ACCOUNTS "honest-accounts"
#define COUNTER "honest-counter"
#define QUEUE "honest-queue"
#define TOTAL 1000
#define ANSWER_TIMEOUT_MS 10000
#define END_TIMEOUT_MS 20000

/* ---- calls */

static Holdfast__Response *call(struct honest *honest, Holdfast__Request *request) {
  Holdfast__Response *response = NULL;
  uint32_t id = 0;
  request->sequence = ++honest->sequence;
  request->acked = honest->sequence - 1;
  request->wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
  request->timeout_ms = ANSWER_TIMEOUT_MS;
  uint32_t sent = attacker_send_request(&honest->attacker, request);
  if (!sent || !attacker_receive(&honest->attacker, ANSWER_TIMEOUT_MS, &id, &response)) {
    fail_msg("an honest client is not answered: operation %d", (int)request->operation_case);
    abort(); /* fail_msg does not return, which the analyzer does not know */
  }
  assert_int_equal(id, sent);
  if (response->status != HF_OK) {
    fail_msg("an honest client is refused: operation %d, %.*s", (int)request->operation_case,
             (int)response->message.len, (const char *)response->message.data);
  }
  return response;
}

static void call_and_forget(struct honest *honest, Holdfast__Request *request) {
  holdfast__response__free_unpacked(call(honest, request), NULL);
}

static Holdfast__Value text_of(const char *text) {
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  value.kind_case = HOLDFAST__VALUE__KIND_TEXT;
  value.text = hostile_data(text);
  return value;
}

static Holdfast__Value integer_of(int64_t integer) {
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  value.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  value.integer = integer;
  return value;
}

static void set(struct honest *honest, const char *dict, const char *key, int64_t amount) {
  Holdfast__Value key_value = text_of(key), value = integer_of(amount);
  Holdfast__DictSet set = HOLDFAST__DICT_SET__INIT;
  Holdfast__Request request = hostile_request(dict);
  set.key = &key_value;
  set.value = &value;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_DICT_SET;
  request.dict_set = &set;
  call_and_forget(honest, &request);
}

static int64_t get(struct honest *honest, const char *dict, const char *key) {
  Holdfast__Value key_value = text_of(key);
  Holdfast__DictGet get = HOLDFAST__DICT_GET__INIT;
  Holdfast__Request request = hostile_request(dict);
  get.key = &key_value;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_DICT_GET;
  request.dict_get = &get;
  Holdfast__Response *response = call(honest, &request);
  assert_int_equal(response->value->kind_case, HOLDFAST__VALUE__KIND_INTEGER);
  int64_t found = response->value->integer;
  holdfast__response__free_unpacked(response, NULL);
  return found;
}

/* ---- work */

/* An addition to an entry, for a transaction. */
struct addition {
  Holdfast__Value key, amount;
  Holdfast__DictAdd add;
  Holdfast__Request request;
};

static Holdfast__Request *fill_addition(struct addition *addition, const char *dict,
                                        const char *key, int64_t amount) {
  addition->key = text_of(key);
  addition->amount = integer_of(amount);
  holdfast__dict_add__init(&addition->add);
  addition->add.key = &addition->key;
  addition->add.amount = &addition->amount;
  addition->request = hostile_request(dict);
  addition->request.operation_case = HOLDFAST__REQUEST__OPERATION_DICT_ADD;
  addition->request.dict_add = &addition->add;
  return &addition->request;
}

static void transfer(struct honest *honest, int64_t amount) {
  struct addition additions[3];
  Holdfast__Request *operations[] = {
      fill_addition(&additions[0], ACCOUNTS, "from", -amount),
      fill_addition(&additions[1], ACCOUNTS, "to", amount),
      fill_addition(&additions[2], COUNTER, "transfers", 1),
  };
  Holdfast__Transaction transaction = HOLDFAST__TRANSACTION__INIT;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  transaction.operations = operations;
  transaction.n_operations = 3;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_TRANSACTION;
  request.transaction = &transaction;
  call_and_forget(honest, &request);
  honest->transfers++;
}

static void put(struct honest *honest) {
  Holdfast__Value value = integer_of((int64_t)honest->put++);
  Holdfast__QueuePut put = HOLDFAST__QUEUE_PUT__INIT;
  Holdfast__Request request = hostile_request(QUEUE);
  put.value = &value;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_PUT;
  request.queue_put = &put;
  call_and_forget(honest, &request);
}

static void take(struct honest *honest) {
  Holdfast__QueueGet get = HOLDFAST__QUEUE_GET__INIT;
  Holdfast__Request request = hostile_request(QUEUE);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_GET;
  request.queue_get = &get;
  Holdfast__Response *response = call(honest, &request);
  assert_int_equal(response->value->integer, (int64_t)honest->taken++);
  holdfast__response__free_unpacked(response, NULL);
}

void honest_begin(struct honest *honest) {
  *honest = (struct honest){0};
  hostile_open(&honest->attacker);
  Holdfast__OpenSession open = HOLDFAST__OPEN_SESSION__INIT;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OPEN_SESSION;
  request.open_session = &open;
  attacker_expect_request(&honest->attacker, &request, HF_OK, "");
  hostile_open_object(&honest->attacker, HOLDFAST__KIND__DICT, ACCOUNTS, 0);
  hostile_open_object(&honest->attacker, HOLDFAST__KIND__DICT, COUNTER, 0);
  hostile_open_object(&honest->attacker, HOLDFAST__KIND__QUEUE, QUEUE, 0);
  set(honest, ACCOUNTS, "from", TOTAL);
  set(honest, ACCOUNTS, "to", 0);
  set(honest, COUNTER, "transfers", 0);
  for (int i = 0; i < 20; i++) {
    put(honest);
  }
}

void honest_work(struct honest *honest) {
  transfer(honest, (int64_t)honest->transfers % 7);
  take(honest);
  put(honest);
  int64_t from = get(honest, ACCOUNTS, "from"), to = get(honest, ACCOUNTS, "to");
  assert_int_equal(from + to, TOTAL);
  assert_int_equal(get(honest, COUNTER, "transfers"), (int64_t)honest->transfers);
}

/* ---- the end */

static void delete_object(struct honest *honest, uint64_t object) {
  Holdfast__ObjectDelete delete = HOLDFAST__OBJECT_DELETE__INIT;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  request.target_case = HOLDFAST__REQUEST__TARGET_OBJECT;
  request.object = object;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE;
  request.object_delete = &delete;
  /* One that another's end has freed is as good as deleted. */
  Holdfast__Response *response = NULL;
  uint32_t id;
  request.sequence = ++honest->sequence;
  assert_true(attacker_send_request(&honest->attacker, &request) != 0);
  assert_true(attacker_receive(&honest->attacker, ANSWER_TIMEOUT_MS, &id, &response));
  assert_true(response->status == HF_OK || response->status == HF_NOT_FOUND);
  holdfast__response__free_unpacked(response, NULL);
}

/* The first page of objects is deleted. false: there was none. */
static bool delete_some(struct honest *honest) {
  Holdfast__ObjectList list = HOLDFAST__OBJECT_LIST__INIT;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  list.anonymous = true;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_LIST;
  request.object_list = &list;
  Holdfast__Response *response = call(honest, &request);
  size_t count = response->objects->n_items;
  for (size_t i = 0; i < count; i++) {
    delete_object(honest, response->objects->items[i]->id);
  }
  holdfast__response__free_unpacked(response, NULL);
  return count > 0;
}

/* Sessions of attackers end with their grace time, and then their objects. */
static bool is_empty(struct honest *honest, uint64_t *memory_bytes) {
  Holdfast__ServerInfo info = HOLDFAST__SERVER_INFO__INIT;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_SERVER_INFO;
  request.server_info = &info;
  Holdfast__Response *response = call(honest, &request);
  const Holdfast__Server *server = response->server;
  bool empty = server->objects == 0 && server->waiting == 0 && server->sessions == 1;
  *memory_bytes = server->memory_bytes;
  holdfast__response__free_unpacked(response, NULL);
  return empty;
}

void honest_end(struct honest *honest) {
  int64_t begun_ms = attacker_now_ms();
  uint64_t memory_bytes = 0;
  while (delete_some(honest) || !is_empty(honest, &memory_bytes)) {
    if (attacker_now_ms() - begun_ms > END_TIMEOUT_MS) {
      fail_msg("something is left on the server that nobody has");
    }
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  assert_true(memory_bytes < 64 * 1024); /* of this session and its window */
  attacker_close(&honest->attacker);
}
