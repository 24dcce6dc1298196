/* Survivors go on at once when a process is killed: kill -9 at random moments, of one kind of
 * victim after the other. See deaths.h.
 *
 * usage: deaths [--kills N] [SEED]     N of each kind, 40 by default
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fault/deaths.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct deaths deaths = {.kills_count = 40};

/* Shared with all of the processes. */
static struct {
  struct ledger victim, survivor;
  atomic_llong killed_ns; /* a killer says so */
} * shared;
static pid_t killer;

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void deaths_begin(void) {
  deaths.worst_ns = 0;
  deaths.killed_count = deaths.holding_count = deaths.unknown_count = 0;
}

void deaths_end(const char *kind) {
  print_message(
      "%s: %d killed, %d while holding, %d unknown, the others went on after at most "
      "%.1f ms\n",
      kind, deaths.killed_count, deaths.holding_count, deaths.unknown_count,
      (double)deaths.worst_ns / 1e6);
}

struct ledger *deaths_survivor_ledger(void) {
  memset(&shared->survivor, 0, sizeof(shared->survivor));
  return &shared->survivor;
}

void deaths_start(crowd_worker *victim) {
  const char *url = deaths.killed_count % 2 == 0 ? deaths.server.tcp_url : deaths.server.ipc_url;
  memset(deaths.ledger, 0, sizeof(*deaths.ledger));
  deaths.victim = crowd_start(victim, url, deaths.killed_count, deaths.ledger);
}

static void record_state(void) {
  int state = atomic_load(&deaths.ledger->state);
  deaths.killed_count++;
  deaths.holding_count += state == VICTIM_HOLDING ? 1 : 0;
}

void deaths_kill(uint64_t below_us) {
  usleep((useconds_t)random_below(&deaths.randomness, below_us));
  crowd_expect_running(deaths.victim);
  deaths.killed_ns = now_ns();
  crowd_kill(deaths.victim);
  record_state();
}

void deaths_kill_meanwhile(uint64_t below_us) {
  useconds_t pause_us = (useconds_t)random_below(&deaths.randomness, below_us);
  atomic_store(&shared->killed_ns, 0);
  fflush(NULL);
  killer = fork();
  assert_true(killer >= 0);
  if (killer == 0) {
    usleep(pause_us);
    atomic_store(&shared->killed_ns, now_ns());
    _exit(kill(deaths.victim, SIGKILL) == 0 ? 0 : 1);
  }
}

void deaths_reap(void) {
  int status;
  assert_int_equal(crowd_wait(killer, DEATHS_CALL_TIMEOUT_MS), 0);
  assert_int_equal(waitpid(deaths.victim, &status, 0), deaths.victim);
  assert_true(WIFSIGNALED(status));
  deaths.killed_ns = atomic_load(&shared->killed_ns);
  record_state();
}

void deaths_went_on(void) {
  int64_t took_ns = now_ns() - deaths.killed_ns;
  deaths.worst_ns = took_ns > deaths.worst_ns ? took_ns : deaths.worst_ns;
  if (took_ns > (int64_t)DEATHS_NOTICED_MS * 1000000) {
    fail_msg("after kill %d the survivor went on after %lld ms", deaths.killed_count,
             (long long)took_ns / 1000000);
  }
}

void deaths_expect_session_gone(void) {
  crowd_expect_left(deaths.conn, UINT64_MAX, 1, DEATHS_NOTICED_MS);
}

static int set_up(void **state) {
  (void)state;
  daemon_start(&deaths.server, NULL);
  shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) {
    return -1;
  }
  deaths.ledger = &shared->victim;
  return hf_connect(deaths.server.tcp_url, NULL, &deaths.conn) == HF_OK ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  hf_close(deaths.conn);
  daemon_stop(&deaths.server);
  return 0;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_death_before_the_session_is_open),
      cmocka_unit_test(test_death_of_a_lock_owner),
      cmocka_unit_test(test_death_of_a_semaphore_owner),
      cmocka_unit_test(test_death_of_a_queue_waiter),
      cmocka_unit_test(test_death_of_a_reservation_owner),
      cmocka_unit_test(test_death_of_a_condition_waiter),
      cmocka_unit_test(test_death_of_a_barrier_party),
      cmocka_unit_test(test_death_of_the_network),
  };
  if (argc > 2 && strcmp(argv[1], "--kills") == 0) {
    deaths.kills_count = atoi(argv[2]);
    argc -= 2;
    argv += 2;
  }
  deaths.randomness.state = random_seed(argc, argv);
  return cmocka_run_group_tests_name("fault.deaths", tests, set_up, tear_down);
}
