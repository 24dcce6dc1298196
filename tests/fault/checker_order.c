/* First in, first out. See checker.h for the rules.
 *
 * All pairs are compared in one sweep: with puts sorted by when they returned and takes by the
 * moment that matters for them, it is enough to know the latest take of all items put so far.
 */
#include "tests/fault/checker_queue.h"

#include <stdlib.h>

/* What must not see an earlier item still inside: a take of a later item, or of nothing. */
struct question {
  uint64_t since_ns; /* items that were put before that ... */
  uint64_t until_ns; /* ... must have been asked for before that */
  const struct history_record *take;
};

struct sweep {
  const struct passages *passages;
  size_t put_count;                      /* of the passages: were put before the question */
  uint64_t *asked_ns;                    /* of each of them; 0: excused */
  uint64_t latest_ns;                    /* of them */
  const struct history_record **unknown; /* takes that have excused nothing yet */
  size_t unknown_count;
};

static int by_since(const void *left, const void *right) {
  const struct question *a = left, *b = right;
  return (a->since_ns > b->since_ns) - (a->since_ns < b->since_ns);
}

static int by_put_returned(const void *left, const void *right) {
  const struct passage *a = left, *b = right;
  return (a->put->returned_ns > b->put->returned_ns) - (a->put->returned_ns < b->put->returned_ns);
}

/* ---------------------------------------------------------------- what is compared */

/* Items whose put and take are both known; those of unknown outcome decide nothing. */
static size_t keep_known(struct passages *passages) {
  size_t kept = 0;
  for (size_t i = 0; i < passages->count; i++) {
    const struct passage *passage = &passages->items[i];
    if (passage->put != NULL && passage->take != NULL && passage->put->outcome == HISTORY_DONE) {
      passages->items[kept++] = *passage;
    }
  }
  return kept;
}

static size_t list_questions(const struct passages *passages, const struct history_record *records,
                             size_t count, struct question *questions) {
  size_t questions_count = 0;
  for (size_t i = 0; i < passages->count; i++) {
    const struct passage *passage = &passages->items[i];
    if (passage->put != NULL && passage->take != NULL) {
      questions[questions_count++] =
          (struct question){passage->put->invoked_ns, passage->take->returned_ns, passage->take};
    }
  }
  for (size_t i = 0; i < count; i++) {
    if (records[i].operation == HISTORY_TAKE && records[i].outcome == HISTORY_REFUSED) {
      questions[questions_count++] =
          (struct question){records[i].invoked_ns, records[i].returned_ns, &records[i]};
    }
  }
  qsort(questions, questions_count, sizeof(*questions), by_since);
  return questions_count;
}

static void list_unknown(struct sweep *sweep, const struct history_record *records, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (checker_is_unknown_take(&records[i])) {
      sweep->unknown[sweep->unknown_count++] = &records[i];
    }
  }
}

/* ---------------------------------------------------------------- the sweep */

/* A take of unknown outcome that was made before may have had the item, and given it back. */
static bool excuse(struct sweep *sweep, uint64_t until_ns) {
  for (size_t i = 0; i < sweep->unknown_count; i++) {
    if (sweep->unknown[i]->invoked_ns <= until_ns) {
      sweep->unknown[i] = sweep->unknown[--sweep->unknown_count];
      return true;
    }
  }
  return false;
}

static uint64_t later(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

static void add_puts(struct sweep *sweep, uint64_t since_ns) {
  const struct passages *passages = sweep->passages;
  while (sweep->put_count < passages->count &&
         passages->items[sweep->put_count].put->returned_ns < since_ns) {
    uint64_t asked_ns = passages->items[sweep->put_count].take->invoked_ns;
    sweep->asked_ns[sweep->put_count++] = asked_ns;
    sweep->latest_ns = later(sweep->latest_ns, asked_ns);
  }
}

/* Excuses every item that was still inside, as long as there are excuses; each such item is counted
 * once. Answers how many had none. */
static uint64_t settle_late(struct sweep *sweep, uint64_t until_ns, struct checker_report *report) {
  uint64_t late_count = 0;
  sweep->latest_ns = 0;
  for (size_t i = 0; i < sweep->put_count; i++) {
    if (sweep->asked_ns[i] > until_ns) {
      bool is_excused = excuse(sweep, until_ns);
      report->late += is_excused ? 1 : 0;
      late_count += is_excused ? 0 : 1;
      sweep->asked_ns[i] = 0;
    }
    sweep->latest_ns = later(sweep->latest_ns, sweep->asked_ns[i]);
  }
  return late_count;
}

static void ask(struct sweep *sweep, const struct question *question,
                struct checker_report *report) {
  add_puts(sweep, question->since_ns);
  if (sweep->latest_ns > question->until_ns && settle_late(sweep, question->until_ns, report) > 0) {
    checker_violation(report, question->take, "an item that was put before was still inside");
  }
}

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count + 1, size);
  if (memory == NULL) {
    abort();
  }
  return memory;
}

void checker_order(struct passages *passages, const struct history_record *records, size_t count,
                   struct checker_report *report) {
  struct question *questions = allocate(2 * count, sizeof(*questions));
  struct sweep sweep = {.passages = passages,
                        .asked_ns = allocate(count, sizeof(*sweep.asked_ns)),
                        .unknown = allocate(count, sizeof(*sweep.unknown))};
  size_t questions_count = list_questions(passages, records, count, questions);
  passages->count = keep_known(passages);
  qsort(passages->items, passages->count, sizeof(*passages->items), by_put_returned);
  list_unknown(&sweep, records, count);
  for (size_t i = 0; i < questions_count; i++) {
    ask(&sweep, &questions[i], report);
  }
  free(questions);
  free(sweep.asked_ns);
  free(sweep.unknown);
}
