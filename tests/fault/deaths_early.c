/* A victim whose first request is read only after its death. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/limits.h"
#include "proto/machine.h"
#include "proto/sp.h"
#include "tests/fault/attacker.h"
#include "tests/fault/deaths.h"

static int end_at_once(const char *url, int idx, void *arg) {
  (void)url;
  (void)idx;
  (void)arg;
  return CROWD_DONE;
}

/* In the name of a process that has ended. */
void test_death_before_the_session_is_open(void **state) {
  (void)state;
  uint8_t machine[HF_MACHINE_BYTES_MAX];
  struct attacker attacker;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__OpenSession open = HOLDFAST__OPEN_SESSION__INIT;
  pid_t pid = crowd_start(end_at_once, NULL, 0, NULL);
  assert_int_equal(crowd_wait(pid, DEATHS_CALL_TIMEOUT_MS), CROWD_DONE);
  open.machine.data = machine;
  open.machine.len = machine_id(machine, sizeof(machine));
  open.process = (uint64_t)pid;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OPEN_SESSION;
  request.open_session = &open;
  assert_true(attacker_open(&attacker, deaths.server.tcp_port, SP_REQ));
  attacker_expect_request(&attacker, &request, HF_OK, "");
  attacker_close(&attacker);
  deaths_expect_session_gone();
}
