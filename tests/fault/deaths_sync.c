/* Victims others wait together with: at a condition, at a barrier. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/attacker.h"
#include "tests/fault/deaths.h"

#define LIFE_US 5000
#define PAUSE_US 200
#define MEETING_MS 100

static void expect_info(hf_object *object, bool (*holds)(const struct hf_object_info *info),
                        const char *what) {
  struct hf_object_info info;
  int64_t deadline_ms = attacker_now_ms() + DEATHS_CALL_TIMEOUT_MS;
  do {
    crowd_expect_ok(hf_object_info(object, &info), "info");
    if (holds(&info)) {
      return;
    }
    usleep(PAUSE_US);
  } while (attacker_now_ms() < deadline_ms);
  fail_msg("%s does not come about", what);
}

/* ---------------------------------------------------------------- conditions */

static int wait_notified(const char *url, int idx, void *arg) {
  struct ledger *ledger = arg;
  hf_conn *conn = crowd_connect(url, DEATHS_GRACE_MS, DEATHS_CALL_TIMEOUT_MS);
  hf_condition *condition;
  bool notified;
  if (hf_condition_open(conn, "condition", NULL, &condition) != HF_OK ||
      hf_condition_acquire(condition, HF_FOREVER) != HF_OK) {
    return crowd_fail("acquire", idx);
  }
  for (;;) {
    atomic_store(&ledger->state, VICTIM_INSIDE);
    if (hf_condition_wait(condition, HF_FOREVER, &notified) != HF_OK) {
      return crowd_fail("wait", idx);
    }
    atomic_fetch_add(&ledger->count, 1);
    atomic_store(&ledger->state, VICTIM_HOLDING);
  }
}

static bool one_waits(const struct hf_object_info *info) {
  return info->waiting == 1;
}

static bool two_wait(const struct hf_object_info *info) {
  return info->waiting == 2;
}

static void notify_one(hf_condition *condition) {
  crowd_expect_ok(hf_condition_acquire(condition, DEATHS_CALL_TIMEOUT_MS), "acquire");
  crowd_expect_ok(hf_condition_notify(condition, 1), "notify");
  crowd_expect_ok(hf_condition_release(condition), "release");
}

static bool survivor_woke(struct ledger *ledger, unsigned long long count, int timeout_ms) {
  int64_t deadline_ms = attacker_now_ms() + timeout_ms;
  while (atomic_load(&ledger->count) == count) {
    if (attacker_now_ms() > deadline_ms) {
      return false;
    }
    usleep(PAUSE_US);
  }
  return true;
}

/* Killed before the notification, the victim passes it to the next; killed after, it may have been
 * woken by it, and then the next needs one of its own. */
static void notify_around_death(hf_condition *condition, struct ledger *survivor) {
  unsigned long long woken_count = atomic_load(&survivor->count);
  if (deaths.killed_count % 4 < 2) {
    deaths_kill(LIFE_US);
    notify_one(condition);
    assert_true(survivor_woke(survivor, woken_count, DEATHS_NOTICED_MS));
    deaths_went_on();
    return;
  }
  notify_one(condition);
  deaths_kill(PAUSE_US);
  if (!survivor_woke(survivor, woken_count, DEATHS_NOTICED_MS / 10)) {
    deaths.unknown_count += atomic_load(&deaths.ledger->count) == 0 ? 1 : 0;
    notify_one(condition);
    assert_true(survivor_woke(survivor, woken_count, DEATHS_NOTICED_MS));
  }
  deaths_went_on();
}

void test_death_of_a_condition_waiter(void **state) {
  (void)state;
  hf_condition *condition;
  struct ledger *survivor = deaths_survivor_ledger();
  crowd_expect_ok(hf_condition_open(deaths.conn, "condition", NULL, &condition), "open");
  deaths_begin();
  while (deaths.killed_count < deaths.kills_count) {
    deaths_start(wait_notified);
    expect_info(HF_AS_OBJECT(condition), one_waits, "the victim's wait");
    pid_t pid = crowd_start(wait_notified, deaths.server.tcp_url, -1, survivor);
    expect_info(HF_AS_OBJECT(condition), two_wait, "the survivor's wait");
    notify_around_death(condition, survivor);
    crowd_expect_running(pid);
    crowd_kill(pid);
    deaths_expect_session_gone();
  }
  deaths_end("condition waiters");
  hf_condition_close(condition);
}

/* ---------------------------------------------------------------- barriers */

static int wait_at(const char *url, int idx, struct ledger *ledger, const char *name,
                   uint64_t parties) {
  hf_conn *conn = crowd_connect(url, DEATHS_GRACE_MS, DEATHS_CALL_TIMEOUT_MS);
  hf_barrier *barrier;
  hf_status status = hf_barrier_open(conn, name, parties, &barrier);
  while (status == HF_OK) {
    atomic_store(&ledger->state, VICTIM_INSIDE);
    status = hf_barrier_wait(barrier, HF_FOREVER, NULL, NULL, NULL);
    atomic_store(&ledger->state, VICTIM_OUTSIDE);
  }
  return crowd_fail("barrier", idx);
}

static int wait_for_three(const char *url, int idx, void *arg) {
  return wait_at(url, idx, arg, "three", 3);
}

static int wait_for_two(const char *url, int idx, void *arg) {
  return wait_at(url, idx, arg, "two", 2);
}

static bool one_arrived(const struct hf_object_info *info) {
  return info->arrived == 1;
}

/* Meets the victim until the barrier breaks. */
static void meet_until_broken(hf_barrier *barrier, int64_t timeout_ms) {
  hf_status status;
  do {
    status = hf_barrier_wait(barrier, timeout_ms, NULL, NULL, NULL);
  } while (status == HF_OK);
  assert_int_equal(status, HF_ABORTED);
  assert_string_equal(hf_last_error()->reason, "BARRIER_BROKEN");
  crowd_expect_ok(hf_barrier_reset(barrier), "reset");
}

/* Both wait for a third, which never comes: the death breaks the barrier. */
static void break_by_death(hf_barrier *three) {
  deaths_start(wait_for_three);
  expect_info(HF_AS_OBJECT(three), one_arrived, "the victim's arrival");
  deaths_kill_meanwhile(LIFE_US);
  meet_until_broken(three, DEATHS_CALL_TIMEOUT_MS);
  deaths_reap();
  deaths_went_on();
}

/* They meet all the time. A victim that dies between two waits leaves a partner that waits alone
 * until its deadline, as for a process that does not come. */
static void die_between_meetings(hf_barrier *two) {
  int64_t begun_ms = attacker_now_ms();
  deaths_start(wait_for_two);
  deaths_kill_meanwhile(LIFE_US);
  meet_until_broken(two, MEETING_MS);
  deaths_reap();
  deaths.unknown_count += attacker_now_ms() - begun_ms >= MEETING_MS ? 1 : 0;
}

void test_death_of_a_barrier_party(void **state) {
  (void)state;
  hf_barrier *two, *three;
  crowd_expect_ok(hf_barrier_open(deaths.conn, "two", 2, &two), "open");
  crowd_expect_ok(hf_barrier_open(deaths.conn, "three", 3, &three), "open");
  deaths_begin();
  while (deaths.killed_count < deaths.kills_count) {
    if (deaths.killed_count % 4 < 2) {
      break_by_death(three);
    } else {
      die_between_meetings(two);
    }
    deaths_expect_session_gone();
  }
  deaths_end("barrier parties");
  hf_barrier_close(two);
  hf_barrier_close(three);
}
