/* Processes killed by SIGKILL one at a time, and their effects on a survivor.
 *
 * A victim is a process with a connection of its own. It keeps a ledger in memory it shares with
 * the test: it says what it is about to call before the call, and what it has got right after, both
 * with a plain store. So after its death the test knows in which of three states it was:
 *
 *   OUTSIDE  before or after a call: what the ledger says is all there is
 *   INSIDE   in a call, whose effect may or may not have come about: unknown, and counted
 *   HOLDING  a call has returned, and what it got was not given back yet
 *
 * Times run from the kill to the survivor's success.
 */
#ifndef HF_TESTS_FAULT_DEATHS_H
#define HF_TESTS_FAULT_DEATHS_H

#include "tests/fault/crowd.h"
#include "tests/support/daemon.h"
#include "tests/support/random.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Long: victims end by dying, not by their grace time. */
#define DEATHS_GRACE_MS 5000
#define DEATHS_NOTICED_MS 1000
#define DEATHS_CALL_TIMEOUT_MS 10000
#define DEATHS_ITEMS_MAX 64

enum { VICTIM_OUTSIDE, VICTIM_INSIDE, VICTIM_HOLDING };

struct ledger {
  atomic_int state;
  atomic_ullong token;                  /* the last one */
  atomic_ullong count;                  /* calls that returned */
  atomic_llong items[DEATHS_ITEMS_MAX]; /* their results */
};

struct deaths {
  struct daemon server;
  struct random randomness;
  int kills_count; /* kills of each kind */
  hf_conn *conn;   /* the survivor's connection */
  struct ledger *ledger;
  pid_t victim;
  int64_t killed_ns;
  /* Of the kind at hand. */
  int64_t worst_ns;
  int killed_count, holding_count, unknown_count;
};

extern struct deaths deaths;

/* Begins a kind; deaths_end is called when all kills are done, and prints the results. */
void deaths_begin(void);
void deaths_end(const char *kind);
/* A second ledger, cleared, for a survivor that is a process. */
struct ledger *deaths_survivor_ledger(void);
/* Starts a victim, over tcp and ipc alternately. Its argument is the ledger, cleared. */
void deaths_start(crowd_worker *victim);
/* Kills the victim after a random time of up to `below_us`; fails if it had ended by itself. */
void deaths_kill(uint64_t below_us);
/* The same in another process, while the test continues; deaths_reap waits for both. */
void deaths_kill_meanwhile(uint64_t below_us);
void deaths_reap(void);
/* The survivor's wait has ended: fails if that took longer than DEATHS_NOTICED_MS. */
void deaths_went_on(void);
/* Waits until only the survivor's session is left. */
void deaths_expect_session_gone(void);

void test_death_before_the_session_is_open(void **state);
void test_death_of_a_lock_owner(void **state);
void test_death_of_a_semaphore_owner(void **state);
void test_death_of_a_queue_waiter(void **state);
void test_death_of_a_reservation_owner(void **state);
void test_death_of_a_condition_waiter(void **state);
void test_death_of_a_barrier_party(void **state);
void test_death_of_the_network(void **state);

#endif
