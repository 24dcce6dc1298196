/* Victims that own a lock, or have a permit of a semaphore. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/deaths.h"

#define LIFE_US 8000
#define HELD_US 300

/* Takes the lock all the time, and mostly has it. */
static int hold_lock(const char *url, int idx, void *arg) {
  struct ledger *ledger = arg;
  hf_conn *conn = crowd_connect(url, DEATHS_GRACE_MS, DEATHS_CALL_TIMEOUT_MS);
  hf_lock *lock;
  struct hf_grant grant;
  hf_status status = hf_lock_open(conn, "lock", &lock);
  while (status == HF_OK) {
    atomic_store(&ledger->state, VICTIM_INSIDE);
    status = hf_lock_acquire(lock, DEATHS_CALL_TIMEOUT_MS, &grant);
    if (status != HF_OK) {
      break;
    }
    atomic_store(&ledger->token, grant.token);
    atomic_store(&ledger->state, VICTIM_HOLDING);
    usleep(HELD_US);
    atomic_store(&ledger->state, VICTIM_INSIDE);
    status = hf_lock_release(lock);
    atomic_store(&ledger->state, VICTIM_OUTSIDE);
  }
  return crowd_fail("lock", idx);
}

/* The death is reported to the next owner if, and only if, the victim owned the lock. */
static void expect_reported(const struct hf_grant *grant) {
  switch (atomic_load(&deaths.ledger->state)) {
    case VICTIM_HOLDING:
      assert_true(grant->owner_died);
      break;
    case VICTIM_OUTSIDE:
      assert_false(grant->owner_died);
      break;
    default:
      deaths.unknown_count++;
  }
}

/* An acquire that the victim sent may be granted after the survivor's, to a session that is about
 * to end: the death is reported to the survivor, before the next victim starts. Answers the newest
 * token. */
static uint64_t hear_of_late_death(hf_lock *lock) {
  struct hf_grant grant;
  deaths_expect_session_gone();
  crowd_expect_ok(hf_lock_acquire(lock, 0, &grant), "acquire after the victim is gone");
  crowd_expect_ok(hf_lock_release(lock), "release");
  return grant.token;
}

void test_death_of_a_lock_owner(void **state) {
  (void)state;
  hf_lock *lock;
  struct hf_grant grant;
  uint64_t last_token = 0;
  crowd_expect_ok(hf_lock_open(deaths.conn, "lock", &lock), "open");
  deaths_begin();
  while (deaths.killed_count < deaths.kills_count) {
    deaths_start(hold_lock);
    deaths_kill(LIFE_US);
    crowd_expect_ok(hf_lock_acquire(lock, DEATHS_CALL_TIMEOUT_MS, &grant), "acquire");
    deaths_went_on();
    expect_reported(&grant);
    uint64_t victims_token = atomic_load(&deaths.ledger->token);
    assert_true(grant.token > last_token && grant.token > victims_token);
    assert_true(victims_token == 0 || victims_token > last_token);
    crowd_expect_ok(hf_lock_release(lock), "release");
    last_token = hear_of_late_death(lock);
  }
  deaths_end("lock owners");
  hf_lock_close(lock);
}

static int hold_permit(const char *url, int idx, void *arg) {
  struct ledger *ledger = arg;
  hf_conn *conn = crowd_connect(url, DEATHS_GRACE_MS, DEATHS_CALL_TIMEOUT_MS);
  hf_semaphore *semaphore;
  hf_status status = hf_semaphore_open(conn, "permit", 1, &semaphore);
  while (status == HF_OK) {
    atomic_store(&ledger->state, VICTIM_INSIDE);
    status = hf_semaphore_acquire(semaphore, DEATHS_CALL_TIMEOUT_MS);
    if (status != HF_OK) {
      break;
    }
    atomic_store(&ledger->state, VICTIM_HOLDING);
    usleep(HELD_US);
    atomic_store(&ledger->state, VICTIM_INSIDE);
    status = hf_semaphore_release(semaphore, 1);
    atomic_store(&ledger->state, VICTIM_OUTSIDE);
  }
  return crowd_fail("semaphore", idx);
}

/* There is one permit, after every death: neither lost nor given back twice. */
void test_death_of_a_semaphore_owner(void **state) {
  (void)state;
  hf_semaphore *semaphore;
  struct hf_object_info info;
  crowd_expect_ok(hf_semaphore_open(deaths.conn, "permit", 1, &semaphore), "open");
  deaths_begin();
  while (deaths.killed_count < deaths.kills_count) {
    deaths_start(hold_permit);
    deaths_kill(LIFE_US);
    crowd_expect_ok(hf_semaphore_acquire(semaphore, DEATHS_CALL_TIMEOUT_MS), "acquire");
    deaths_went_on();
    deaths_expect_session_gone();
    assert_int_equal(hf_semaphore_acquire(semaphore, 0), HF_DEADLINE_EXCEEDED);
    crowd_expect_ok(hf_semaphore_release(semaphore, 1), "release");
    crowd_expect_ok(hf_object_info(HF_AS_OBJECT(semaphore), &info), "info");
    assert_int_equal(info.value, 1);
  }
  deaths_end("semaphore owners");
  hf_semaphore_close(semaphore);
}
