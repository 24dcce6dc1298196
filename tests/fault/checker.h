/* Checks a history for consistency with a server that performs one operation at a time.
 *
 * entries, cells   linearizable: there is an order of all calls on it, consistent with which calls
 *                  returned before which others were made, that explains every result
 *                  (checker_register.c)
 * queues           every item comes out once and none that was not put; first in, first out: if
 *                  put(a) returned before put(b) was made, take(b) does not return before take(a)
 *                  is made; no take finds the queue empty while an item is in it for the whole
 *                  call. For each take of unknown outcome one item may be missing; or late, because
 *                  that take had the item and returned it. The history has to end with an empty queue
 * locks            tokens are unique and rise: a grant that returned before another acquire was
 *                  made has the smaller one; owners are disjoint: a successful release was made
 *                  before the next grant returned
 *
 * A call of unknown outcome happened at any time after it was made, or never.
 */
#ifndef HF_TESTS_FAULT_CHECKER_H
#define HF_TESTS_FAULT_CHECKER_H

#include "tests/fault/history.h"

#define CHECKER_FINDINGS_MAX 8

struct checker_report {
  uint64_t operations, unknown, subjects;
  uint64_t missing, late;  /* items that takes of unknown outcome may have taken */
  uint64_t configurations; /* the most configurations searched for one call */
  uint64_t violations, undecided;
  char findings[CHECKER_FINDINGS_MAX][192]; /* the first violations, as text */
};

/* Sorts the records. */
void checker_run(struct history_record *records, size_t count, struct checker_report *report);
/* Prints the report to stdout, a line for each violation. */
void checker_print(const struct checker_report *report);

/* For the checkers of one subject, which get all of its records in any order. */
void checker_violation(struct checker_report *report, const struct history_record *record,
                       const char *what);
void checker_undecided(struct checker_report *report, const struct history_record *record,
                       const char *what);
void checker_register(struct history_record *records, size_t count, struct checker_report *report);
void checker_queue(struct history_record *records, size_t count, struct checker_report *report);
void checker_lock(struct history_record *records, size_t count, struct checker_report *report);

#endif
