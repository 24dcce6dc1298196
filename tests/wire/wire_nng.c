/* Stock nng sockets are clients: req0 with many contexts, push0, and a device in between.
 *
 * usage: wire_nng tcp|ipc
 */
#include "proto/holdfast.pb-c.h"
#include "proto/status.h"
#include "tests/support/daemon.h"

#include <nng/nng.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/util/platform.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CONTEXTS_COUNT 200
#define PUSHED_COUNT 1000

static struct daemon server;
static const char *url;

#define expect_nng_ok(call) assert_int_equal(call, 0)

static nng_msg *message_of(const Holdfast__Request *request) {
  nng_msg *msg;
  expect_nng_ok(nng_msg_alloc(&msg, holdfast__request__get_packed_size(request)));
  holdfast__request__pack(request, nng_msg_body(msg));
  return msg;
}

static Holdfast__Response *response_of(nng_msg *msg) {
  Holdfast__Response *response =
      holdfast__response__unpack(NULL, nng_msg_len(msg), nng_msg_body(msg));
  assert_non_null(response);
  nng_msg_free(msg);
  return response;
}

static ProtobufCBinaryData data_of(const char *text) {
  return (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
}

static nng_msg *ping_of(const char *payload) {
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__Ping ping = HOLDFAST__PING__INIT;
  ping.payload = data_of(payload);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_PING;
  request.ping = &ping;
  return message_of(&request);
}

static void expect_pong(nng_msg *msg, const char *payload) {
  Holdfast__Response *response = response_of(msg);
  assert_int_equal(response->status, HF_OK);
  assert_int_equal(response->result_case, HOLDFAST__RESPONSE__RESULT_PAYLOAD);
  assert_int_equal(response->payload.len, strlen(payload));
  assert_memory_equal(response->payload.data, payload, strlen(payload));
  holdfast__response__free_unpacked(response, NULL);
}

static nng_socket open_req(const char *address) {
  nng_socket socket;
  expect_nng_ok(nng_req0_open(&socket));
  expect_nng_ok(nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, 10000));
  expect_nng_ok(nng_dial(socket, address, NULL, 0));
  return socket;
}

/* One request on a socket, and its reply. */
static Holdfast__Response *call(nng_socket socket, const Holdfast__Request *request) {
  nng_msg *msg;
  expect_nng_ok(nng_sendmsg(socket, message_of(request), 0));
  expect_nng_ok(nng_recvmsg(socket, &msg, 0));
  return response_of(msg);
}

static void open_dict(nng_socket socket, const char *name) {
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__ObjectOpen open = HOLDFAST__OBJECT_OPEN__INIT;
  open.kind = HOLDFAST__KIND__DICT;
  open.name = data_of(name);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN;
  request.object_open = &open;
  Holdfast__Response *response = call(socket, &request);
  assert_int_equal(response->status, HF_OK);
  holdfast__response__free_unpacked(response, NULL);
}

static int64_t dict_len(nng_socket socket, const char *name) {
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__DictLen len = HOLDFAST__DICT_LEN__INIT;
  request.target_case = HOLDFAST__REQUEST__TARGET_NAME;
  request.name = data_of(name);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_DICT_LEN;
  request.dict_len = &len;
  Holdfast__Response *response = call(socket, &request);
  assert_int_equal(response->status, HF_OK);
  int64_t count = response->count;
  holdfast__response__free_unpacked(response, NULL);
  return count;
}

static void test_nng_req_socket_is_answered(void **state) {
  (void)state;
  nng_socket socket = open_req(url);
  nng_msg *msg;
  for (int i = 0; i < 100; i++) {
    expect_nng_ok(nng_sendmsg(socket, ping_of("again"), 0));
    expect_nng_ok(nng_recvmsg(socket, &msg, 0));
    expect_pong(msg, "again");
  }
  expect_nng_ok(nng_close(socket));
}

static void test_nng_contexts_in_flight_get_their_own_replies(void **state) {
  (void)state;
  nng_socket socket = open_req(url);
  nng_ctx contexts[CONTEXTS_COUNT];
  char payload[32];
  for (int i = 0; i < CONTEXTS_COUNT; i++) {
    nng_aio *aio;
    expect_nng_ok(nng_aio_alloc(&aio, NULL, NULL));
    expect_nng_ok(nng_ctx_open(&contexts[i], socket));
    snprintf(payload, sizeof(payload), "payload %d", i);
    nng_aio_set_msg(aio, ping_of(payload));
    nng_ctx_send(contexts[i], aio);
    nng_aio_wait(aio);
    expect_nng_ok(nng_aio_result(aio));
    nng_aio_free(aio);
  }
  for (int i = CONTEXTS_COUNT - 1; i >= 0; i--) {
    nng_aio *aio;
    expect_nng_ok(nng_aio_alloc(&aio, NULL, NULL));
    nng_aio_set_timeout(aio, 10000);
    nng_ctx_recv(contexts[i], aio);
    nng_aio_wait(aio);
    expect_nng_ok(nng_aio_result(aio));
    snprintf(payload, sizeof(payload), "payload %d", i);
    expect_pong(nng_aio_get_msg(aio), payload);
    nng_aio_free(aio);
    expect_nng_ok(nng_ctx_close(contexts[i]));
  }
  expect_nng_ok(nng_close(socket));
}

static void push_entry(nng_socket push, const char *name, int64_t key_number) {
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__DictSet set = HOLDFAST__DICT_SET__INIT;
  Holdfast__Value key = HOLDFAST__VALUE__INIT;
  key.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  key.integer = key_number;
  set.key = &key;
  set.value = &key;
  request.target_case = HOLDFAST__REQUEST__TARGET_NAME;
  request.name = data_of(name);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_DICT_SET;
  request.dict_set = &set;
  expect_nng_ok(nng_sendmsg(push, message_of(&request), 0));
}

static void test_nng_push_socket_feeds_the_pipeline(void **state) {
  (void)state;
  nng_socket push;
  nng_socket socket = open_req(url);
  open_dict(socket, "pushed");
  expect_nng_ok(nng_push0_open(&push));
  expect_nng_ok(nng_dial(push, url, NULL, 0));
  for (int i = 0; i < PUSHED_COUNT; i++) {
    push_entry(push, "pushed", i);
  }
  int64_t len = 0;
  for (int tries = 0; tries < 500 && len < PUSHED_COUNT; tries++) {
    len = dict_len(socket, "pushed");
    nng_msleep(10);
  }
  assert_int_equal(len, PUSHED_COUNT);
  expect_nng_ok(nng_close(push));
  expect_nng_ok(nng_close(socket));
}

struct device {
  nng_socket front, back;
};

static void *run_device(void *arg) {
  struct device *device = arg;
  nng_device(device->front, device->back);
  return NULL;
}

/* client -- front [device] back -- server: each request arrives with a hop word before its id. */
static void test_nng_device_hop_is_carried_back(void **state) {
  (void)state;
  struct device device;
  pthread_t thread;
  char address[160];
  nng_msg *msg;
  snprintf(address, sizeof(address), "ipc://%s/device.sock", server.dir);
  expect_nng_ok(nng_rep0_open_raw(&device.front));
  expect_nng_ok(nng_req0_open_raw(&device.back));
  expect_nng_ok(nng_dial(device.back, url, NULL, 0));
  expect_nng_ok(nng_listen(device.front, address, NULL, 0));
  assert_int_equal(pthread_create(&thread, NULL, run_device, &device), 0);
  nng_socket socket = open_req(address);
  for (int i = 0; i < 20; i++) {
    expect_nng_ok(nng_sendmsg(socket, ping_of("through a device"), 0));
    expect_nng_ok(nng_recvmsg(socket, &msg, 0));
    expect_pong(msg, "through a device");
  }
  expect_nng_ok(nng_close(socket));
  expect_nng_ok(nng_close(device.front));
  expect_nng_ok(nng_close(device.back));
  assert_int_equal(pthread_join(thread, NULL), 0);
}

static int start_server(void **state) {
  (void)state;
  daemon_start(&server, NULL);
  return 0;
}

static int stop_server(void **state) {
  (void)state;
  daemon_stop(&server);
  return 0;
}

int main(int argc, char **argv) {
  url = argc > 1 && strcmp(argv[1], "ipc") == 0 ? server.ipc_url : server.tcp_url;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_nng_req_socket_is_answered),
      cmocka_unit_test(test_nng_contexts_in_flight_get_their_own_replies),
      cmocka_unit_test(test_nng_push_socket_feeds_the_pipeline),
      cmocka_unit_test(test_nng_device_hop_is_carried_back),
  };
  return cmocka_run_group_tests_name("wire.nng", tests, start_server, stop_server);
}
