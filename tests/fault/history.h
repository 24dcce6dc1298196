/* The calls of clients and their results, for a checker.
 *
 * Each process appends to a file of its own, mapped into its memory: a call is written down before
 * it is made and completed when it returns, so a process that is killed leaves what it had begun.
 *
 * shapes  one struct history_record per call; a file ends at the first with invoked_ns 0
 * units   nanoseconds of CLOCK_MONOTONIC, which the processes of one machine share
 */
#ifndef HF_TESTS_FAULT_HISTORY_H
#define HF_TESTS_FAULT_HISTORY_H

#include <stddef.h>
#include <stdint.h>

enum history_kind { HISTORY_ENTRY = 1, HISTORY_CELL, HISTORY_QUEUE, HISTORY_LOCK };

enum history_operation {
  HISTORY_GET = 1,
  HISTORY_SET,
  HISTORY_DELETE,
  HISTORY_ADD,
  HISTORY_COMPARE_AND_SET,
  HISTORY_PUT,
  HISTORY_TAKE,
  HISTORY_ACQUIRE,
  HISTORY_RELEASE,
};

enum history_outcome {
  HISTORY_UNKNOWN, /* failed or never returned: performed or not, perhaps later */
  HISTORY_DONE,
  HISTORY_REFUSED, /* performed without a change: no such key, other value, empty, not owned */
};

/* An absent number: a missing key. */
#define HISTORY_ABSENT INT64_MIN

struct history_record {
  uint64_t invoked_ns, returned_ns; /* returned_ns 0: never */
  uint64_t subject;                 /* history_subject() */
  int64_t argument; /* set: the value; add: the amount; put: the item; release: the token */
  int64_t expected; /* compare_and_set */
  /* get, compare_and_set: what was found; add: the sum; take: the item; acquire: the token */
  int64_t result;
  uint32_t process;
  uint8_t operation, outcome;
};

static inline uint64_t history_subject(enum history_kind kind, uint64_t number) {
  return (uint64_t)kind << 56 | number;
}
static inline enum history_kind history_kind_of(uint64_t subject) {
  return (enum history_kind)(subject >> 56);
}

struct history {
  struct history_record *records;
  size_t count, count_max;
  uint32_t process;
};

/* Creates directory/PROCESS.history with room for count_max calls. Exits on failure. */
void history_open(struct history *history, const char *directory, uint32_t process,
                  size_t count_max);
void history_close(struct history *history);
/* Records a call about to be made. Borrowed until history_close; exits when the file is full. */
struct history_record *history_invoke(struct history *history, enum history_operation operation,
                                      uint64_t subject, int64_t argument, int64_t expected);
/* Records the return of the call. */
void history_return(struct history_record *record, enum history_outcome outcome, int64_t result);

/* All records of all files in the directory; free with free(). Exits on failure. */
struct history_record *history_load(const char *directory, size_t *count);
/* Removes the files and the directory. */
void history_remove(const char *directory);

#endif
