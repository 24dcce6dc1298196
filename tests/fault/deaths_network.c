/* Victims that live on, behind a network that is gone: for the others that is a death, after the
 * grace time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/attacker.h"
#include "tests/fault/deaths.h"
#include "tests/fault/proxy.h"

#define GRACE_MS 200
#define ROUNDS_PER_KILLS 4 /* a round takes as long as the grace time */
#define CALL_TIMEOUT_MS 1000

/* Owns the lock until the test says that another process owns it. */
static int hold_unplugged(const char *url, int idx, void *arg) {
  struct ledger *ledger = arg;
  setenv("HOLDFAST_LOCAL", "off", 1); /* there would be no network to be gone */
  hf_conn *conn = crowd_connect(url, GRACE_MS, CALL_TIMEOUT_MS);
  hf_lock *lock;
  struct hf_grant grant;
  if (hf_lock_open(conn, "far", &lock) != HF_OK ||
      hf_lock_acquire(lock, DEATHS_CALL_TIMEOUT_MS, &grant) != HF_OK) {
    return crowd_fail("acquire", idx);
  }
  atomic_store(&ledger->token, grant.token);
  atomic_store(&ledger->state, VICTIM_HOLDING);
  while (atomic_load(&ledger->state) == VICTIM_HOLDING) {
    usleep(100);
  }
  return hf_lock_release_token(lock, grant.token) == HF_OK ? CROWD_FAILED : CROWD_DONE;
}

/* Answers how long the lock was waited for. */
static int64_t unplug_one(hf_lock *lock) {
  const struct proxy_options network = {0};
  struct ledger *ledger = deaths_survivor_ledger();
  struct hf_grant grant;
  struct proxy proxy;
  char url[64];
  proxy_start(&proxy, deaths.server.tcp_port, &network);
  snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", proxy.port);
  pid_t pid = crowd_start(hold_unplugged, url, 0, ledger);
  while (atomic_load(&ledger->state) != VICTIM_HOLDING) {
    crowd_expect_running(pid);
    usleep(100);
  }
  int64_t begun_ms = attacker_now_ms();
  proxy_stop(&proxy);
  crowd_expect_ok(hf_lock_acquire(lock, DEATHS_CALL_TIMEOUT_MS, &grant), "acquire");
  int64_t took_ms = attacker_now_ms() - begun_ms;
  assert_true(grant.owner_died && grant.token > atomic_load(&ledger->token));
  atomic_store(&ledger->state, VICTIM_OUTSIDE);
  assert_int_equal(crowd_wait(pid, DEATHS_CALL_TIMEOUT_MS), CROWD_DONE);
  crowd_expect_ok(hf_lock_release_token(lock, grant.token), "release");
  return took_ms;
}

void test_death_of_the_network(void **state) {
  (void)state;
  hf_lock *lock;
  int64_t worst_ms = 0;
  int rounds_count = deaths.kills_count / ROUNDS_PER_KILLS + 1;
  crowd_expect_ok(hf_lock_open(deaths.conn, "far", &lock), "open");
  for (int round = 0; round < rounds_count; round++) {
    int64_t took_ms = unplug_one(lock);
    assert_in_range(took_ms, GRACE_MS - 1, GRACE_MS + DEATHS_NOTICED_MS);
    worst_ms = took_ms > worst_ms ? took_ms : worst_ms;
  }
  print_message(
      "unplugged lock owners: %d, with a grace time of %d ms, the others went on after "
      "at most %lld ms\n",
      rounds_count, GRACE_MS, (long long)worst_ms);
  hf_lock_close(lock);
}
