/* One owner at a time, under tokens that rise. See checker.h for the rules. */
#include "tests/fault/checker.h"

#include <stdbool.h>
#include <stdlib.h>

struct holding {
  int64_t token;
  const struct history_record *acquire, *release; /* release NULL: none that succeeded */
};

static int by_token(const void *left, const void *right) {
  const struct holding *a = left, *b = right;
  if (a->token != b->token) {
    return a->token < b->token ? -1 : 1;
  }
  return (a->acquire == NULL) - (b->acquire == NULL); /* the acquire first */
}

static size_t list(const struct history_record *records, size_t count, struct holding *holdings) {
  size_t holdings_count = 0;
  for (size_t i = 0; i < count; i++) {
    if (records[i].outcome != HISTORY_DONE) {
      continue;
    }
    bool is_acquire = records[i].operation == HISTORY_ACQUIRE;
    holdings[holdings_count++] = is_acquire
                                     ? (struct holding){records[i].result, &records[i], NULL}
                                     : (struct holding){records[i].argument, NULL, &records[i]};
  }
  qsort(holdings, holdings_count, sizeof(*holdings), by_token);
  return holdings_count;
}

/* Puts an acquire and its release into one. */
static size_t merge(struct holding *holdings, size_t count, struct checker_report *report) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    struct holding *last = kept > 0 ? &holdings[kept - 1] : NULL;
    bool is_same = last != NULL && last->token == holdings[i].token;
    if (holdings[i].acquire != NULL && is_same) {
      checker_violation(report, holdings[i].acquire, "a token was given twice");
    } else if (holdings[i].acquire != NULL) {
      holdings[kept++] = holdings[i];
    } else if (!is_same || last->release != NULL) {
      checker_violation(report, holdings[i].release, "a grant was released that was not owned");
    } else {
      last->release = holdings[i].release;
    }
  }
  return kept;
}

static uint64_t later(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

void checker_lock(struct history_record *records, size_t count, struct checker_report *report) {
  struct holding *holdings = malloc(count * sizeof(*holdings));
  if (holdings == NULL) {
    abort();
  }
  size_t holdings_count = merge(holdings, list(records, count, holdings), report);
  uint64_t owned_until_ns = 0, asked_ns = 0;
  for (size_t i = 0; i < holdings_count; i++) {
    const struct holding *holding = &holdings[i];
    if (holding->acquire->returned_ns < owned_until_ns) {
      checker_violation(report, holding->acquire, "two owned the lock at once");
    }
    if (holding->acquire->returned_ns < asked_ns) {
      checker_violation(report, holding->acquire, "a later grant has a smaller token");
    }
    asked_ns = later(asked_ns, holding->acquire->invoked_ns);
    /* Without a release nothing is known of how long it was owned: the session may have ended. */
    owned_until_ns = later(owned_until_ns, holding->release ? holding->release->invoked_ns : 0);
  }
  free(holdings);
}
