/* See hostile.h. */
#include "tests/fault/hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct daemon hostile_server;
const char *const *hostile_arguments;

int hostile_start(void **state) {
  (void)state;
  daemon_start(&hostile_server, hostile_arguments);
  return 0;
}

int hostile_stop(void **state) {
  (void)state;
  daemon_stop(&hostile_server);
  return 0;
}

int hostile_check(void **state) {
  (void)state;
  hostile_expect_healthy("afterwards");
  return 0;
}

int hostile_check_and_stop(void **state) {
  (void)hostile_check(state);
  return hostile_stop(state);
}

ProtobufCBinaryData hostile_data(const char *text) {
  return (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
}

void hostile_open(struct attacker *attacker) {
  assert_true(attacker_open(attacker, hostile_server.tcp_port, SP_REQ));
}

void hostile_expect_healthy(const char *when) {
  struct attacker honest;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__Ping ping = HOLDFAST__PING__INIT;
  ping.payload = hostile_data("honest");
  request.operation_case = HOLDFAST__REQUEST__OPERATION_PING;
  request.ping = &ping;
  int64_t begun_ms = attacker_now_ms();
  hostile_open(&honest);
  attacker_expect_request(&honest, &request, HF_OK, "");
  int64_t took_ms = attacker_now_ms() - begun_ms;
  attacker_close(&honest);
  uint64_t peak_bytes = daemon_resident_peak_bytes(&hostile_server);
  print_message("  %s: honest ping %lld ms, resident %llu KiB, peak %llu KiB\n", when,
                (long long)took_ms,
                (unsigned long long)daemon_resident_bytes(&hostile_server) >> 10,
                (unsigned long long)peak_bytes >> 10);
  assert_true(took_ms <= HONEST_PING_MS_MAX);
  assert_true(peak_bytes < RESIDENT_BYTES_MAX);
}

Holdfast__Request hostile_request(const char *name) {
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  request.target_case = HOLDFAST__REQUEST__TARGET_NAME;
  request.name = hostile_data(name);
  return request;
}

void hostile_open_object(struct attacker *attacker, Holdfast__Kind kind, const char *name,
                         int64_t maxsize) {
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__ObjectOpen open = HOLDFAST__OBJECT_OPEN__INIT;
  open.kind = kind;
  open.name = hostile_data(name);
  open.maxsize = maxsize;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN;
  request.object_open = &open;
  attacker_expect_request(attacker, &request, HF_OK, "");
}

size_t hostile_drain(struct attacker *attacker, size_t outstanding) {
  const int late_ms = 3000;
  Holdfast__Response *response;
  uint32_t id;
  size_t count = 0;
  while (count < outstanding && attacker_receive(attacker, late_ms, &id, &response)) {
    holdfast__response__free_unpacked(response, NULL);
    count++;
  }
  return count;
}
