/* Each item once: what went in and what came out. See checker.h for the rules. */
#include "tests/fault/checker_queue.h"

#include <stdbool.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- pairing */

static int by_item(const void *left, const void *right) {
  const struct passage *a = left, *b = right;
  if (a->item != b->item) {
    return a->item < b->item ? -1 : 1;
  }
  return (a->put == NULL) - (b->put == NULL); /* the put first */
}

/* Puts a put and a take of the same item into one passage; a second of either is a violation. */
static void merge(struct passages *passages, struct checker_report *report) {
  size_t kept = 0;
  for (size_t i = 0; i < passages->count; i++) {
    struct passage *next = &passages->items[i];
    struct passage *last = kept > 0 ? &passages->items[kept - 1] : NULL;
    if (last == NULL || last->item != next->item) {
      passages->items[kept++] = *next;
    } else if (next->put != NULL) {
      checker_violation(report, next->put, "the test put an item twice");
    } else if (last->take != NULL) {
      checker_violation(report, next->take, "an item came out twice");
    } else {
      last->take = next->take;
    }
  }
  passages->count = kept;
}

static struct passages pair(const struct history_record *records, size_t count,
                            struct checker_report *report) {
  struct passages passages = {.items = calloc(count + 1, sizeof(struct passage))};
  if (passages.items == NULL) {
    abort();
  }
  for (size_t i = 0; i < count; i++) {
    const struct history_record *record = &records[i];
    if (record->operation == HISTORY_PUT && record->outcome != HISTORY_REFUSED) {
      passages.items[passages.count++] = (struct passage){record->argument, record, NULL};
    } else if (record->operation == HISTORY_TAKE && record->outcome == HISTORY_DONE) {
      passages.items[passages.count++] = (struct passage){record->result, NULL, record};
    }
  }
  qsort(passages.items, passages.count, sizeof(*passages.items), by_item);
  merge(&passages, report);
  return passages;
}

/* ---------------------------------------------------------------- lost and found */

static void check_existence(const struct passages *passages, uint64_t unknown_takes,
                            struct checker_report *report) {
  uint64_t missing = 0;
  const struct history_record *lost = NULL;
  for (size_t i = 0; i < passages->count; i++) {
    const struct passage *passage = &passages->items[i];
    if (passage->put == NULL) {
      checker_violation(report, passage->take, "an item came out that nobody put");
    } else if (passage->take != NULL && passage->take->returned_ns < passage->put->invoked_ns) {
      checker_violation(report, passage->take, "an item came out before it was put");
    } else if (passage->take == NULL && passage->put->outcome == HISTORY_DONE) {
      missing++;
      lost = passage->put;
    }
  }
  report->missing += missing;
  if (missing > unknown_takes) {
    checker_violation(report, lost, "an item was lost");
  }
}

void checker_queue(struct history_record *records, size_t count, struct checker_report *report) {
  struct passages passages = pair(records, count, report);
  uint64_t unknown_takes = 0;
  for (size_t i = 0; i < count; i++) {
    unknown_takes += checker_is_unknown_take(&records[i]) ? 1 : 0;
  }
  check_existence(&passages, unknown_takes, report);
  checker_order(&passages, records, count, report);
  free(passages.items);
}
