/* A journal on a backend of the tests' own: one that is slow, has no room, or fails. It is appended to as dispatch does,
 * under the engine's lock.
 *
 *   appenders --journal_log--> journal.c --append--> the backend here, which keeps what it is given
 *                                 '--committed, lost, disk--> the host here
 *
 * The functions of sqlite_backend.h are defined here, so that the archive's are not linked. One journal at a time.
 */
#ifndef TESTS_SUPPORT_FAKE_BACKEND_H
#define TESTS_SUPPORT_FAKE_BACKEND_H

#include "server/dispatch/command_log.h"
#include "server/journal/backend.h"
#include "server/journal/settings.h"
#include "tests/support/random.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#define BATCHES_MAX 65536
#define BODY_BYTES ((size_t)64 << 10)
#define BACKEND_BYTES 4711
#define P99_NS 1234
/* A busy machine, or a sanitizer's, may be late by that much. */
#define LATE_MS 2000

/* Appends come from one thread at a time; what tests look at meanwhile is atomic. */
struct fake_backend {
  struct journal_backend base;
  struct random random;
  uint64_t delay_us_max; /* of an append */
  uint64_t fails_at;     /* this batch is lost; 0: none is */
  bool fails_to_sync;
  bool is_held; /* appends wait for `go_on` */
  sem_t arrived, go_on;
  _Atomic uint64_t full_at; /* there is no room from this batch on; 0: there is */
  _Atomic uint64_t attempts_when_full;
  pthread_t first_attempt_thread;             /* of these */
  pthread_t thread;                           /* of the last append */
  uint64_t last;                              /* batch */
  _Atomic uint64_t committed;                 /* as the journal was notified */
  _Atomic uint32_t commands[BATCHES_MAX + 1]; /* in each batch */
  _Atomic uint64_t syncs, synced;             /* batches that were brought to the disk */
  _Atomic uint64_t truncations;
  uint64_t first_attempt_hash; /* of the batch there was no room for */
  bool is_closed;
};

struct fake_host {
  _Atomic uint64_t committed, calls, delay_us;
  atomic_int losses, full, room; /* times that it was notified of */
};

extern struct fake_backend backend;
extern struct fake_host host;
extern const struct command_log *command_log;
extern uint32_t appended[BATCHES_MAX + 1]; /* commands, by the batch that begin answered */
extern uint64_t newest;                    /* of these batches that has commands */
extern pthread_mutex_t engine_mutex;

/* A new journal in a directory of its own. */
void fake_journal_begin(uint64_t seed, struct fsync_setting fsync);
/* Answers how many milliseconds it took. */
uint64_t fake_journal_close(void);
/* Commands in one locked pass. Answers their batch. */
uint64_t append_commands(size_t count, size_t body_bytes);
struct reply_journal fake_journal_report(void);

/* Each command is in the batch that begin answered, and all are committed. */
void expect_all_committed(void);
/* Fails when the number is less for LATE_MS. */
void await_number(const char *what, const _Atomic uint64_t *number, uint64_t least);
/* On any thread: ends the process, unless it is so. */
void demand(bool is_so, const char *what);
/* Until all other threads of the process sleep: the journal's wait for work. Fails when they don't within LATE_MS. */
void await_idle(void);
void sleep_us(uint64_t us);
uint64_t ms_since(uint64_t start_ns);

#endif
