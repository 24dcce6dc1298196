/* A random story on A; at a random event a snapshot of A is restored into B, and both go on with
 * the same story: what they say is the same, byte for byte, and so are their snapshots, then and at
 * the end. Everything an engine can have is there at the moment of the snapshot in some of the
 * stories.
 *
 * usage: test_engine_snapshot [SEED] [--seeds COUNT]   that seed, or COUNT of them from SEED on
 */
#include "server/engine/core.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/snapshot.h"
#include "tests/support/digest.h"
#include "tests/support/random_story.h"
#include "tests/support/user_sums.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NEW_CONNECTION (UINT64_C(1) << 40)
#define EVENTS_BEFORE 400 /* at least; up to twice as many */
#define EVENTS_AFTER 300
#define SEEDS 100
#define FLIPS 10000

static uint64_t first_seed, seeds_count = SEEDS;

/* ---- snapshots */

struct text {
  uint8_t *data;
  size_t len, capacity;
};

static bool write_text(void *ctx, struct bytes bytes) {
  struct text *text = ctx;
  if (text->len + bytes.len > text->capacity) {
    text->capacity = 2 * (text->len + bytes.len);
    text->data = realloc(text->data, text->capacity);
    assert_non_null(text->data);
  }
  if (bytes.len > 0) {
    memcpy(text->data + text->len, bytes.data, bytes.len);
  }
  text->len += bytes.len;
  return true;
}

static struct text snapshot_of(const struct engine *engine) {
  struct text text = {0};
  struct snapshot_writer writer = {&text, write_text};
  assert_true(engine_is_settled(engine));
  assert_true(engine_snapshot(engine, &writer));
  return text;
}

/* NULL: refused. */
static struct engine *restore(struct random_stage *stage, struct bytes bytes,
                              struct snapshot_error *error) {
  struct engine_config config = random_stage_config();
  struct engine_sink sink = random_stage_sink(stage);
  return engine_restore(&config, &sink, bytes, error);
}

/* ---- what is there */

enum {
  KINDS = HOLDFAST__KIND__BARRIER + 1, /* objects that are not as they began, by kind */
  WAITING_CALL = KINDS,
  WAITING_CONDITION_TO_TAKE_LOCK,
  WAITING_TRANSACTION,
  WAITING_FIRST,
  WAITING_DECODED,
  WAITING_ONE_WAY,
  WAITING_FLUSH,
  WAITING_WITH_DEADLINE,
  WAITING_WITHOUT_SESSION,
  SUSPENDED,
  SUSPENDED_FIRST,
  OVERDUE,
  KEPT_REPLIES,
  ACKNOWLEDGED_ALSO,
  LOST_SESSIONS,
  FORKED_SESSIONS,
  FAILURES,
  LEASES,
  EXPIRED,
  PERMITS,
  ACTING,
  ENDS,
  RESERVED,
  RESERVED_WITH_LEASE,
  DELAYED,
  BURIED,
  TRIED,
  PACKED_PAGES,
  SEVERAL_PAGES,
  REFERENCES,
  USERS_OBJECTS,
  USERS_SESSIONS,
  USERS_CONNECTIONS,
  EXCEEDING_CONNECTIONS,
  GONE_USERS,
  LIMITED_USERS,
  HANDED_RIGHTS,
  SENTENCES,
  THINGS
};

static const char *const things[THINGS] = {
    [HOLDFAST__KIND__DICT] = "dicts",
    [HOLDFAST__KIND__LIST] = "lists",
    [HOLDFAST__KIND__QUEUE] = "queues",
    [HOLDFAST__KIND__PIPE] = "pipes",
    [HOLDFAST__KIND__NAMESPACE] = "namespaces",
    [HOLDFAST__KIND__VALUE] = "values",
    [HOLDFAST__KIND__ARRAY] = "arrays",
    [HOLDFAST__KIND__RAW_VALUE] = "raw values",
    [HOLDFAST__KIND__RAW_ARRAY] = "raw arrays",
    [HOLDFAST__KIND__LOCK] = "locks",
    [HOLDFAST__KIND__RLOCK] = "rlocks",
    [HOLDFAST__KIND__SEMAPHORE] = "semaphores",
    [HOLDFAST__KIND__BOUNDED_SEMAPHORE] = "bounded semaphores",
    [HOLDFAST__KIND__EVENT] = "events",
    [HOLDFAST__KIND__CONDITION] = "conditions",
    [HOLDFAST__KIND__BARRIER] = "barriers",
    [WAITING_CALL] = "waiting calls",
    [WAITING_CONDITION_TO_TAKE_LOCK] = "condition waits that want their lock back",
    [WAITING_TRANSACTION] = "waiting transactions",
    [WAITING_FIRST] = "waiting wait-anys",
    [WAITING_DECODED] = "waiting decoded requests",
    [WAITING_ONE_WAY] = "waiting one-way requests",
    [WAITING_FLUSH] = "waiting flushes",
    [WAITING_WITH_DEADLINE] = "waits with a deadline",
    [WAITING_WITHOUT_SESSION] = "waits without a session",
    [SUSPENDED] = "suspended waiters",
    [SUSPENDED_FIRST] = "suspended wait-anys",
    [OVERDUE] = "overdue waiters",
    [KEPT_REPLIES] = "kept replies",
    [ACKNOWLEDGED_ALSO] = "selective acknowledgements",
    [LOST_SESSIONS] = "lost sessions",
    [FORKED_SESSIONS] = "forked sessions",
    [FAILURES] = "failures of one-way requests",
    [LEASES] = "leases of locks",
    [EXPIRED] = "expired leases",
    [PERMITS] = "permits",
    [ACTING] = "sessions that act for a barrier",
    [ENDS] = "ends of pipes",
    [RESERVED] = "reserved items",
    [RESERVED_WITH_LEASE] = "leases of items",
    [DELAYED] = "delayed items",
    [BURIED] = "buried items",
    [TRIED] = "items that came back",
    [PACKED_PAGES] = "packed pages",
    [SEVERAL_PAGES] = "dicts of several pages",
    [REFERENCES] = "references in containers",
    [USERS_OBJECTS] = "objects of users",
    [USERS_SESSIONS] = "sessions of users",
    [USERS_CONNECTIONS] = "connections of users",
    [EXCEEDING_CONNECTIONS] = "connections that exceed a quota",
    [GONE_USERS] = "users that are gone",
    [LIMITED_USERS] = "users with limits",
    [HANDED_RIGHTS] = "rights handed with references",
    [SENTENCES] = "kept denials",
};

static uint64_t counts[THINGS];

static void count_pages(const struct dict *dict) {
  struct value key, value;
  uint64_t cursor = 0, last = UINT64_MAX, pages = 0;
  while (dict_next(dict, &cursor, &key, &value)) {
    struct dict_page page = dict_page_of(dict, cursor);
    counts[PACKED_PAGES] += page.number != last && page.is_packed;
    pages += page.number != last;
    last = page.number;
  }
  counts[SEVERAL_PAGES] += pages > 1;
}

static bool has_bits(const struct cells *cells) {
  const uint8_t *bytes = cells->elements;
  return bytes[0] || bytes[1];
}

/* Whether it is in another state than a new one. */
static bool is_used(const struct object *object) {
  switch ((int)object->kind) {
    case HOLDFAST__KIND__VALUE:
    case HOLDFAST__KIND__RAW_VALUE:
    case HOLDFAST__KIND__ARRAY:
    case HOLDFAST__KIND__RAW_ARRAY:
      return has_bits(&object->cells);
    case HOLDFAST__KIND__LOCK:
    case HOLDFAST__KIND__RLOCK:
      return object->guard.lock.depth > 0;
    case HOLDFAST__KIND__SEMAPHORE:
    case HOLDFAST__KIND__BOUNDED_SEMAPHORE:
      return object->semaphore.acquired > 0;
    case HOLDFAST__KIND__EVENT:
      return object->event_is_set;
    case HOLDFAST__KIND__CONDITION:
      return object->condition.guard || object->condition.own.depth > 0;
    case HOLDFAST__KIND__BARRIER:
      return object->barrier.arrived > 0;
    default:
      return object_length(object) > 0;
  }
}

static void count_tasks(const struct tasks *tasks) {
  const struct task *task;
  counts[RESERVED] += tasks->reserved.count;
  counts[RESERVED_WITH_LEASE] += tasks->leases.count;
  counts[DELAYED] += tasks->delays.count;
  counts[BURIED] += tasks->buried.count;
  TAILQ_FOREACH(task, &tasks->waiting.list, link) {
    counts[TRIED] += task->tries > 0;
  }
}

static void count_object(const struct object *object) {
  counts[object->kind] += is_used(object);
  counts[LEASES] += object->lease.position > 0;
  counts[REFERENCES] += object->stored_references;
  counts[USERS_OBJECTS] += object->user != NULL;
  if (object->kind == HOLDFAST__KIND__DICT) {
    count_pages(object->dict);
  }
  if (object->kind == HOLDFAST__KIND__QUEUE && object->queue.tasks) {
    count_tasks(object->queue.tasks);
  }
}

static void count_waiter(const struct waiter *waiter) {
  uint32_t arm = waiter->operation->arm;
  bool is_first = arm == HOLDFAST__REQUEST__OPERATION_WAIT_ANY;
  counts[WAITING_CALL]++;
  counts[WAITING_CONDITION_TO_TAKE_LOCK] +=
      arm == HOLDFAST__REQUEST__OPERATION_CONDITION_WAIT && waiter->step > STEP_WAITING;
  counts[WAITING_TRANSACTION] += arm == HOLDFAST__REQUEST__OPERATION_TRANSACTION;
  counts[WAITING_FIRST] += is_first;
  counts[WAITING_DECODED] += waiter->decoded != NULL;
  counts[WAITING_ONE_WAY] += waiter->one_way;
  counts[WAITING_FLUSH] += arm == HOLDFAST__REQUEST__OPERATION_FLUSH;
  counts[WAITING_WITH_DEADLINE] += waiter->timer.position > 0;
  counts[WAITING_WITHOUT_SESSION] += !waiter->session;
  counts[SUSPENDED] += waiter->suspended;
  counts[SUSPENDED_FIRST] += waiter->suspended && is_first;
  counts[OVERDUE] += waiter->overdue;
}

static void count_waiters(const struct waiter_list *waiters) {
  const struct waiter *waiter;
  TAILQ_FOREACH(waiter, waiters, owner_link) {
    count_waiter(waiter);
  }
}

static void count_kept(const struct session *session) {
  uint64_t position = 0, key;
  void *item;
  while (map64_next(&session->references, &position, &key, &item)) {
    counts[HANDED_RIGHTS] += reference_rights(item) != 0;
  }
  position = 0;
  while (map64_next(&session->window, &position, &key, &item)) {
    counts[SENTENCES] += !value_is_absent(((const struct reply *)item)->sentence);
  }
}

static void count_users(const struct engine *engine) {
  for (size_t i = 0; i < engine->users.count; i++) {
    const struct user *user = engine->users.users[i];
    const struct user_limits *limits = &user->settings.limits;
    counts[GONE_USERS] += user->is_gone;
    counts[LIMITED_USERS] += limits->objects || limits->waiting || limits->requests_per_s;
  }
}

static void count_peer(const struct peer *peer) {
  counts[USERS_CONNECTIONS] += peer->user != NULL;
  counts[EXCEEDING_CONNECTIONS] += peer->exceeds;
  count_waiters(&peer->waiters);
}

static void count_session(const struct session *session) {
  counts[KEPT_REPLIES] += session->window.count - session->pending_count;
  counts[ACKNOWLEDGED_ALSO] += session->acked_also.count;
  counts[LOST_SESSIONS] += session->is_lost;
  counts[FORKED_SESSIONS] += session->is_unadopted;
  counts[FAILURES] += session->failures_count;
  counts[EXPIRED] += session->expired.count;
  counts[PERMITS] += session->permits.count;
  counts[ACTING] += session->acting.count;
  counts[ENDS] += session->ends.count;
  counts[USERS_SESSIONS] += session->user != NULL;
  count_kept(session);
  count_waiters(&session->waiters);
}

static void count_all(const struct engine *engine) {
  uint64_t position = 0, id;
  void *item;
  while (map64_next(&engine->registry.by_id, &position, &id, &item)) {
    count_object(item);
  }
  position = 0;
  while (map64_next(&engine->sessions, &position, &id, &item)) {
    count_session(item);
  }
  position = 0;
  while (map64_next(&engine->peers, &position, &id, &item)) {
    count_peer(item);
  }
  count_users(engine);
}

/* ---- the stories */

static void expect_same_text(const struct text *a, const struct text *b, const char *when,
                             uint64_t seed) {
  size_t at = 0;
  while (at < a->len && at < b->len && a->data[at] == b->data[at]) {
    at++;
  }
  if (a->len != b->len || at < a->len) {
    fail_msg("seed %llu: %s the snapshots differ at byte %zu of %zu and %zu",
             (unsigned long long)seed, when, at, a->len, b->len);
  }
}

/* For finding the reason of a failure. */
static void print_words(const char *whose, const struct random_stage *stage) {
  printf("%s:", whose);
  for (size_t i = 0; i < stage->len && i < 4000; i++) {
    printf(i % 8 ? "%02x" : " %02x", stage->bytes[i]);
  }
  printf("\n");
}

static void expect_same_words(const struct random_stage *a, const struct random_stage *b,
                              const struct random_story *story, uint64_t seed) {
  if (a->len != b->len || (a->len > 0 && memcmp(a->bytes, b->bytes, a->len) != 0)) {
    print_words("the first", a);
    print_words("restored", b);
    fail_msg("seed %llu: event %llu has other effects on what was restored",
             (unsigned long long)seed, (unsigned long long)story->events);
  }
}

static void expect_same_memory(const struct engine *a, const struct engine *b, const char *when,
                               uint64_t seed) {
  if (!user_sums_are_right(a) || !user_sums_are_right(b)) {
    fail_msg("seed %llu: %s users use something else", (unsigned long long)seed, when);
  }
  if (digest_users(a) != digest_users(b)) {
    fail_msg("seed %llu: %s users, or what is theirs, are others", (unsigned long long)seed, when);
  }
  for (unsigned use = 0; use < MEMORY_USES; use++) {
    if (a->memory.used[use] != b->memory.used[use]) {
      fail_msg("seed %llu: %s %s take %zu bytes, and %zu where they were restored",
               (unsigned long long)seed, when, memory_use_name(use), a->memory.used[use],
               b->memory.used[use]);
    }
  }
}

/* A has lived through the first events. */
static void begin(struct random_story *story, struct random_stage *a, uint64_t seed) {
  struct engine_config config = random_stage_config();
  struct engine_sink sink = random_stage_sink(a);
  random_story_init(story, seed);
  *a = (struct random_stage){.learner = story, .engine = engine_new(&config, &sink)};
  assert_non_null(a->engine);
  uint64_t events = EVENTS_BEFORE + random_below(&story->maker.random, EVENTS_BEFORE);
  while (story->events < events || story->script || story->wants_script) {
    random_story_next(story);
    random_stage_play(a, story);
    if (story->events == events) { /* the snapshot is of what a script leads to */
      story->wants_script = true;
    }
  }
}

static uint64_t play_one(uint64_t seed) {
  struct random_story story;
  struct random_stage a, b = {0};
  struct snapshot_error error;
  begin(&story, &a, seed);
  count_all(a.engine);
  struct text first = snapshot_of(a.engine);
  b.engine = restore(&b, bytes_of(first.data, first.len), &error);
  if (!b.engine) {
    fail_msg("seed %llu: refused at byte %zu of %zu: %s", (unsigned long long)seed, error.at,
             first.len, error.why);
  }
  struct text second = snapshot_of(b.engine);
  expect_same_text(&first, &second, "at once", seed);
  expect_same_memory(a.engine, b.engine, "at once", seed);
  for (unsigned i = 0; i < EVENTS_AFTER; i++) {
    random_story_next(&story);
    random_stage_play(&a, &story);
    random_stage_play(&b, &story);
    expect_same_words(&a, &b, &story, seed);
  }
  struct text last = snapshot_of(a.engine), other = snapshot_of(b.engine);
  expect_same_text(&last, &other, "at the end", seed);
  expect_same_memory(a.engine, b.engine, "at the end", seed);
  uint64_t replies = b.replies;
  free(first.data);
  free(second.data);
  free(last.data);
  free(other.data);
  random_stage_end(&a);
  random_stage_end(&b);
  random_story_deinit(&story);
  return replies;
}

/* What no snapshot had so far; NULL: each thing was there. */
static const char *find_missing(void) {
  for (size_t i = 0; i < THINGS; i++) {
    if (things[i] && counts[i] == 0) {
      return things[i];
    }
  }
  return NULL;
}

/* Stories go on until each rare thing was in a snapshot. */
static void test_what_is_restored_goes_on_as_what_was_snapshotted(void **state) {
  const uint64_t stories_max = seeds_count >= SEEDS ? 10 * seeds_count : seeds_count;
  uint64_t replies = 0, stories = 0;
  (void)state;
  while (stories < seeds_count || (stories < stories_max && find_missing())) {
    replies += play_one(first_seed + stories++);
    if (seeds_count > SEEDS && stories % 1000 == 0) {
      printf("%llu stories\n", (unsigned long long)stories);
      fflush(stdout);
    }
  }
  printf("%llu stories of %u events each after the snapshot, %llu replies\n",
         (unsigned long long)stories, EVENTS_AFTER, (unsigned long long)replies);
  for (size_t i = 0; i < THINGS; i++) {
    if (things[i]) {
      printf("%8llu %s\n", (unsigned long long)counts[i], things[i]);
    }
  }
  if (seeds_count >= SEEDS && find_missing()) {
    fail_msg("no snapshot had %s", find_missing());
  }
}

/* ---- bytes that are no snapshot */

/* Whatever it is: refused, or an engine that lives. */
static bool try_bytes(struct bytes bytes, uint64_t seed) {
  struct random_story story;
  struct random_stage stage = {0};
  struct snapshot_error error = {0};
  stage.engine = restore(&stage, bytes, &error);
  bool is_restored = stage.engine != NULL;
  if (!is_restored) {
    assert_non_null(error.why);
    assert_true(error.at <= bytes.len);
  } else {
    random_story_init(&story, seed);
    for (unsigned i = 0; i < 40; i++) {
      random_story_next(&story);
      story.connection = story.event == RANDOM_CONNECT ? NEW_CONNECTION + i /* none that there is */
                                                       : 1 + random_below(&story.maker.random, 20);
      if (story.event != RANDOM_CONNECT || story.events > RANDOM_PARTIES) {
        random_stage_play(&stage, &story);
      }
    }
    random_story_deinit(&story);
  }
  random_stage_end(&stage);
  return is_restored;
}

/* One of some length, which takes no minutes under a sanitizer. */
static struct text some_snapshot(void) {
  struct text text = {0};
  for (uint64_t seed = first_seed; text.len < 10000 || text.len > 25000; seed++) {
    struct random_story story;
    struct random_stage a;
    free(text.data);
    begin(&story, &a, seed);
    text = snapshot_of(a.engine);
    random_stage_end(&a);
    random_story_deinit(&story);
  }
  return text;
}

static void test_broken_bytes_are_refused_or_harmless(void **state) {
  struct random random = {first_seed};
  struct text text = some_snapshot();
  size_t restored = 0;
  (void)state;
  for (unsigned i = 0; i < FLIPS; i++) {
    size_t at = (size_t)random_below(&random, text.len);
    uint8_t kept = text.data[at];
    text.data[at] ^= (uint8_t)(1 + random_below(&random, 255));
    restored += try_bytes(bytes_of(text.data, text.len), first_seed + i);
    text.data[at] = kept;
  }
  printf("%u flips in %zu bytes, %zu of them restored\n", FLIPS, text.len, restored);
  assert_true(restored < FLIPS);
  free(text.data);
}

static void test_every_truncation_is_refused(void **state) {
  struct random_stage stage = {0};
  struct snapshot_error error;
  struct text text = some_snapshot();
  (void)state;
  for (size_t len = 0; len < text.len; len++) {
    uint8_t *bytes = malloc(len + 1); /* so that a sanitizer sees what is read beyond */
    assert_non_null(bytes);
    memcpy(bytes, text.data, len);
    assert_null(restore(&stage, bytes_of(bytes, len), &error));
    free(bytes);
  }
  printf("%zu truncations\n", text.len);
  free(text.data);
  random_stage_end(&stage);
}

static void test_an_unknown_version_is_refused(void **state) {
  struct random_stage stage = {0};
  struct snapshot_error error;
  struct text text = some_snapshot();
  static const char start[] = "\x0a\x15\x0a\x11holdfast snapshot\x10\x02";
  (void)state;
  assert_memory_equal(text.data, start, sizeof start - 1);
  text.data[sizeof start - 2] = 3;
  assert_null(restore(&stage, bytes_of(text.data, text.len), &error));
  assert_string_equal(error.why, "the snapshot is of a version that this server does not know");
  assert_null(restore(&stage, bytes_of_text("something else"), &error));
  assert_string_equal(error.why, "this is no snapshot");
  free(text.data);
  random_stage_end(&stage);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_what_is_restored_goes_on_as_what_was_snapshotted),
      cmocka_unit_test(test_an_unknown_version_is_refused),
      cmocka_unit_test(test_every_truncation_is_refused),
      cmocka_unit_test(test_broken_bytes_are_refused_or_harmless),
  };
  bool has_seed = argc > 1 && argv[1][0] != '-';
  first_seed = random_seed(has_seed ? argc : 0, argv);
  seeds_count = has_seed ? 1 : SEEDS;
  for (int i = 1; i + 1 < argc; i++) {
    if (strcmp(argv[i], "--seeds") == 0) {
      seeds_count = strtoull(argv[i + 1], NULL, 10);
    }
  }
  return cmocka_run_group_tests(tests, NULL, NULL);
}
