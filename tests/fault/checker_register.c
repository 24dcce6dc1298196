/* Linearizability of one number that may be absent: the entry of a dict, a value.
 *
 * Goes through invocations and returns in the order of time and keeps every configuration the
 * server may be in: the number, and which of the calls under way have happened. A call need not
 * have happened before its own return, so only there the configurations are extended, by all orders
 * of calls under way that end with that call. None left: no order explains the history.
 *
 *   configuration  number | bits of the calls under way that have happened
 *   slot           one bit, from invocation to return; calls of unknown outcome keep it to the end
 *
 * source  G. Lowe, Testing for linearizability (2017), just-in-time linearization; after J. Wing
 *         and C. Gong (1993)
 */
#include "tests/fault/checker.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX 64
#define CONFIGURATIONS_MAX 65536
#define TABLE_SIZE (4 * CONFIGURATIONS_MAX)

struct configuration {
  int64_t number; /* HISTORY_ABSENT: none */
  uint64_t happened;
};

/* A set that remembers the order of its members, emptied in no time. */
struct set {
  struct configuration members[CONFIGURATIONS_MAX];
  size_t count;
  uint32_t slots[TABLE_SIZE];  /* idx into members */
  uint32_t rounds[TABLE_SIZE]; /* which round of the set the slot was taken in */
  uint32_t round;
};

struct event {
  uint64_t time_ns;
  bool is_return;
  uint32_t record;
};

struct search {
  const struct history_record *records;
  const struct history_record *open[SLOTS_MAX];
  uint64_t taken; /* bits of the slots in use */
  struct set *now, *seen;
};

/* ---------------------------------------------------------------- sets */

static void set_clear(struct set *set) {
  set->count = 0;
  set->round++;
}

static size_t hash(struct configuration member) {
  uint64_t mixed = ((uint64_t)member.number ^ member.happened * UINT64_C(0x9e3779b97f4a7c15)) *
                   UINT64_C(0xbf58476d1ce4e5b9);
  return (size_t)(mixed ^ mixed >> 29);
}

/* false: full. */
static bool set_add(struct set *set, struct configuration member) {
  size_t slot = hash(member) % TABLE_SIZE;
  for (; set->rounds[slot] == set->round; slot = (slot + 1) % TABLE_SIZE) {
    const struct configuration *other = &set->members[set->slots[slot]];
    if (other->number == member.number && other->happened == member.happened) {
      return true;
    }
  }
  if (set->count == CONFIGURATIONS_MAX) {
    return false;
  }
  set->rounds[slot] = set->round;
  set->slots[slot] = (uint32_t)set->count;
  set->members[set->count++] = member;
  return true;
}

/* ---------------------------------------------------------------- the model */

static bool compare_and_set(const struct history_record *call, int64_t *number) {
  bool is_equal = *number == call->expected;
  if (call->outcome == HISTORY_REFUSED) {
    return !is_equal && *number == call->result;
  }
  if (is_equal) {
    *number = call->argument;
  }
  return is_equal || call->outcome == HISTORY_UNKNOWN;
}

/* Does the call to the number. false: it would have had another result. */
static bool apply(const struct history_record *call, int64_t *number) {
  int64_t before = *number;
  switch (call->operation) {
    case HISTORY_GET:
      return call->outcome == HISTORY_REFUSED ? before == HISTORY_ABSENT : before == call->result;
    case HISTORY_SET:
      *number = call->argument;
      return true;
    case HISTORY_DELETE:
      *number = HISTORY_ABSENT;
      return call->outcome == HISTORY_UNKNOWN ||
             (call->outcome == HISTORY_REFUSED) == (before == HISTORY_ABSENT);
    case HISTORY_ADD:
      *number = (before == HISTORY_ABSENT ? 0 : before) + call->argument;
      return call->outcome == HISTORY_UNKNOWN || call->result == *number;
    default:
      return compare_and_set(call, number);
  }
}

/* ---------------------------------------------------------------- the search */

/* Adds every configuration one more call leads to. */
static bool extend(struct search *search, struct configuration from) {
  for (uint64_t left = search->taken & ~from.happened; left != 0; left &= left - 1) {
    const struct history_record *call = search->open[__builtin_ctzll(left)];
    struct configuration to = {from.number, from.happened | (left & -left)};
    bool is_possible = apply(call, &to.number);
    bool is_idle = call->outcome == HISTORY_UNKNOWN && to.number == from.number;
    if (is_possible && !is_idle && !set_add(search->seen, to)) {
      return false;
    }
  }
  return true;
}

/* The call in that slot has returned: keeps the configurations in which it happened. */
static bool conclude(struct search *search, unsigned slot) {
  uint64_t bit = UINT64_C(1) << slot;
  set_clear(search->seen);
  for (size_t i = 0; i < search->now->count; i++) {
    (void)set_add(search->seen, search->now->members[i]);
  }
  set_clear(search->now);
  for (size_t i = 0; i < search->seen->count; i++) {
    struct configuration member = search->seen->members[i];
    if ((member.happened & bit) != 0) {
      member.happened &= ~bit;
      (void)set_add(search->now, member);
    } else if (!extend(search, member)) {
      return false;
    }
  }
  search->taken &= ~bit;
  search->open[slot] = NULL;
  return true;
}

static unsigned slot_of(const struct search *search, const struct history_record *record) {
  unsigned slot = 0;
  while (search->open[slot] != record) {
    slot++;
  }
  return slot;
}

static bool take_slot(struct search *search, const struct history_record *record) {
  if (search->taken == UINT64_MAX) {
    return false;
  }
  unsigned slot = (unsigned)__builtin_ctzll(~search->taken);
  search->open[slot] = record;
  search->taken |= UINT64_C(1) << slot;
  return true;
}

/* Of one moment, invocations come first: what touches is taken as overlapping. */
static int by_time(const void *left, const void *right) {
  const struct event *a = left, *b = right;
  if (a->time_ns != b->time_ns) {
    return a->time_ns < b->time_ns ? -1 : 1;
  }
  return (int)a->is_return - (int)b->is_return;
}

/* A get of unknown outcome says nothing and changes nothing. */
static size_t list_events(const struct history_record *records, size_t count,
                          struct event *events) {
  size_t events_count = 0;
  for (size_t i = 0; i < count; i++) {
    bool is_known = records[i].outcome != HISTORY_UNKNOWN;
    if (is_known || records[i].operation != HISTORY_GET) {
      events[events_count++] = (struct event){records[i].invoked_ns, false, (uint32_t)i};
    }
    if (is_known) {
      events[events_count++] = (struct event){records[i].returned_ns, true, (uint32_t)i};
    }
  }
  qsort(events, events_count, sizeof(*events), by_time);
  return events_count;
}

static void run(struct search *search, const struct event *events, size_t events_count,
                struct checker_report *report) {
  for (size_t i = 0; i < events_count; i++) {
    const struct history_record *record = &search->records[events[i].record];
    if (!events[i].is_return) {
      if (!take_slot(search, record)) {
        checker_undecided(report, record, "too many calls under way");
        return;
      }
      continue;
    }
    if (!conclude(search, slot_of(search, record))) {
      checker_undecided(report, record, "too many orders");
      return;
    }
    report->configurations =
        search->seen->count > report->configurations ? search->seen->count : report->configurations;
    if (search->now->count == 0) {
      checker_violation(report, record, "no order explains this result");
      return;
    }
  }
}

void checker_register(struct history_record *records, size_t count, struct checker_report *report) {
  static struct set now, seen;
  bool is_cell = history_kind_of(records->subject) == HISTORY_CELL;
  struct search search = {.records = records, .now = &now, .seen = &seen};
  struct event *events = malloc(2 * count * sizeof(*events));
  if (events == NULL) {
    abort();
  }
  set_clear(&now);
  (void)set_add(&now, (struct configuration){is_cell ? 0 : HISTORY_ABSENT, 0});
  run(&search, events, list_events(records, count, events), report);
  free(events);
}
