/* The parties of tests in which a process dies in shared memory: mapped and remote handles, and
 * processes that wait for a lock.
 *
 * Parties of kind MAPPED have the cells mapped, those of kind REMOTE go through the server over
 * tcp.
 */
#ifndef HF_TESTS_FAULT_CELL_PARTIES_H
#define HF_TESTS_FAULT_CELL_PARTIES_H

#include <holdfast/holdfast.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/support/daemon.h"

enum party { MAPPED, REMOTE };

#define PARTY_ELEMENTS_MAX 8

int64_t party_now_ns(void);
/* Aborts with the library's last error unless status is HF_OK: for tests and workers. */
void party_check(hf_status status, const char *what);
hf_conn *party_connect(const struct daemon *server, enum party party);
/* An Array of `count` q; aborts if it is not mapped, or remote, as the party is to have it. */
hf_array *party_open(hf_conn *conn, enum party party, const char *name, size_t count);
/* Zeroed memory that children share. */
void *party_share(size_t bytes);

/* A process that locks an array on request, checks and unlocks it. */
struct locker {
  pid_t pid;
  int orders; /* each byte is a request */
  struct locker_report *report;
};

struct locker_report {
  atomic_int begun, done; /* calls of lock */
  /* Of the last one: */
  hf_status status;
  int64_t granted_ns, took_ns;
  bool owner_died;
  int64_t elements[PARTY_ELEMENTS_MAX];
};

/* After each grant sets all elements to the first. */
void locker_start(struct locker *locker, const struct daemon *server, enum party party,
                  const char *name, size_t count);
/* Returns when the locker is about to call lock. */
void locker_begin(struct locker *locker, int timeout_ms);
/* Waits for the locker's call; aborts if it takes longer than any call may. */
const struct locker_report *locker_end(struct locker *locker);
void locker_stop(struct locker *locker);

#endif
