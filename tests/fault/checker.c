/* See checker.h: takes a history apart by subject, and collects what was found. */
#include "tests/fault/checker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const operation_names[] = {
    [HISTORY_GET] = "get",
    [HISTORY_SET] = "set",
    [HISTORY_DELETE] = "delete",
    [HISTORY_ADD] = "add",
    [HISTORY_PUT] = "put",
    [HISTORY_TAKE] = "take",
    [HISTORY_ACQUIRE] = "acquire",
    [HISTORY_RELEASE] = "release",
    [HISTORY_COMPARE_AND_SET] = "compare_and_set",
};

static void find(struct checker_report *report, const struct history_record *record,
                 const char *what) {
  uint64_t idx = report->violations + report->undecided;
  if (idx >= CHECKER_FINDINGS_MAX) {
    return;
  }
  snprintf(report->findings[idx], sizeof(report->findings[idx]),
           "%s: process %u, subject %" PRIx64 ", %s(%" PRId64 ", %" PRId64 ") = %" PRId64
           " outcome %d, %" PRIu64 "..%" PRIu64,
           what, record->process, record->subject, operation_names[record->operation],
           record->argument, record->expected, record->result, record->outcome, record->invoked_ns,
           record->returned_ns);
}

void checker_violation(struct checker_report *report, const struct history_record *record,
                       const char *what) {
  find(report, record, what);
  report->violations++;
}

void checker_undecided(struct checker_report *report, const struct history_record *record,
                       const char *what) {
  find(report, record, what);
  report->undecided++;
}

static int by_subject_and_time(const void *left, const void *right) {
  const struct history_record *a = left, *b = right;
  if (a->subject != b->subject) {
    return a->subject < b->subject ? -1 : 1;
  }
  return (a->invoked_ns > b->invoked_ns) - (a->invoked_ns < b->invoked_ns);
}

static void check_subject(struct history_record *records, size_t count,
                          struct checker_report *report) {
  report->subjects++;
  switch (history_kind_of(records->subject)) {
    case HISTORY_ENTRY:
    case HISTORY_CELL:
      checker_register(records, count, report);
      break;
    case HISTORY_QUEUE:
      checker_queue(records, count, report);
      break;
    case HISTORY_LOCK:
      checker_lock(records, count, report);
      break;
  }
}

void checker_run(struct history_record *records, size_t count, struct checker_report *report) {
  *report = (struct checker_report){.operations = count};
  for (size_t i = 0; i < count; i++) {
    report->unknown += records[i].outcome == HISTORY_UNKNOWN ? 1 : 0;
  }
  qsort(records, count, sizeof(*records), by_subject_and_time);
  for (size_t begin = 0, end; begin < count; begin = end) {
    for (end = begin; end < count && records[end].subject == records[begin].subject;) {
      end++;
    }
    check_subject(records + begin, end - begin, report);
  }
}

void checker_print(const struct checker_report *report) {
  uint64_t found = report->violations + report->undecided;
  printf("checked %" PRIu64 " operations (%" PRIu64 " of unknown outcome) on %" PRIu64
         " subjects, %" PRIu64 " items missing and %" PRIu64
         " late after a lost take, at most %" PRIu64 " configurations, undecided %" PRIu64
         ", violations %" PRIu64 "\n",
         report->operations, report->unknown, report->subjects, report->missing, report->late,
         report->configurations, report->undecided, report->violations);
  for (uint64_t i = 0; i < found && i < CHECKER_FINDINGS_MAX; i++) {
    printf("  %s\n", report->findings[i]);
  }
  fflush(stdout);
}
