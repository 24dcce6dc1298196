/* Common code of the checkers of queues. */
#ifndef HF_TESTS_FAULT_CHECKER_QUEUE_H
#define HF_TESTS_FAULT_CHECKER_QUEUE_H

#include "tests/fault/checker.h"

#include <stdbool.h>

/* The put and the take of one item. */
struct passage {
  int64_t item;
  const struct history_record *put, *take; /* NULL: none */
};

struct passages {
  struct passage *items;
  size_t count;
};

static inline bool checker_is_unknown_take(const struct history_record *record) {
  return record->operation == HISTORY_TAKE && record->outcome == HISTORY_UNKNOWN;
}

/* Checks first in, first out. Sorts the passages, and drops those without information on order. */
void checker_order(struct passages *passages, const struct history_record *records, size_t count,
                   struct checker_report *report);

#endif
