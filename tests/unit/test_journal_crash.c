/* The journal's files on a disk that loses its cache, or fails: whatever is written when a process or a machine stops,
 * replay gives the batches that were acknowledged, or one more.
 *
 * usage: [SEED [TEST]]; a pattern of names
 * HOLDFAST_IMAGES: so many random images of a lost cache, 2000 if it is not set.
 */
#include "server/journal/journal_part.h"
#include "tests/support/faulty_disk.h"
#include "tests/support/faulty_vfs.h"
#include "tests/support/random.h"
#include "tests/support/seen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t seed;
static char directory[DISK_PATH_BYTES], image[DISK_PATH_BYTES];

static void begin(void) {
  faulty_disk_clear_directory(directory);
  faulty_disk_begin(directory);
  faulty_disk_fail(0, DISK_FINE);
}

/* ---- a scripted run: parts, checkpoints, a restart */

struct script {
  struct seen seen;
  enum journal_sync sync;
  bool waits_for_room; /* a full disk has room again at the second attempt */
  bool was_full;
  uint64_t from;                      /* what is replayed begins behind this batch */
  size_t from_at[2];                  /* since these operations it is 14, 40 */
  size_t synced_at[SEEN_BATCHES_MAX]; /* of sqlite_backend_sync */
  uint64_t synced[SEEN_BATCHES_MAX];
  size_t syncs;
};

/* Whether the disk was full, and is not any more. */
static bool makes_room(struct script *script) {
  bool was_full =
      script->waits_for_room && script->seen.losses > 0 && script->seen.why == JOURNAL_FULL;
  if (was_full) {
    script->was_full = true;
    script->seen.losses = 0;
    faulty_disk_fail(0, DISK_FINE);
  }
  return was_full;
}

static bool add(struct script *script, struct journal_backend *backend, uint64_t from,
                uint64_t through) {
  for (uint64_t index = from; index <= through; index++) {
    bool is_committed = seen_append(backend, &script->seen, index);
    is_committed =
        is_committed || (makes_room(script) && seen_append(backend, &script->seen, index));
    if (!is_committed || script->seen.losses > 0) {
      return false;
    }
    if (script->sync == JOURNAL_SYNC_NEVER && index % 4 == 0) {
      if (!sqlite_backend_sync(backend)) {
        return false;
      }
      script->synced[script->syncs] = index;
      script->synced_at[script->syncs++] = faulty_disk_operations();
    }
  }
  return true;
}

static bool run_first(struct script *script, struct journal_backend *backend) {
  if (!add(script, backend, 1, 14) || !backend->ops->cut(backend) ||
      !add(script, backend, 15, 30)) {
    return false;
  }
  script->from = 14;
  script->from_at[0] = faulty_disk_operations();
  return backend->ops->truncate(backend, 15) && add(script, backend, 31, 33);
}

static bool run_second(struct script *script, struct journal_backend *backend) {
  bool is_replayed = backend->ops->replay(backend, 14) ||
                     (makes_room(script) && backend->ops->replay(backend, 14));
  if (!is_replayed || !add(script, backend, 34, 40) || !backend->ops->cut(backend) ||
      !add(script, backend, 41, 44)) {
    return false;
  }
  script->from = 40;
  script->from_at[1] = faulty_disk_operations();
  return backend->ops->truncate(backend, 41) && add(script, backend, 45, 46);
}

/* false: a loss was reported. */
static bool run(struct script *script, enum journal_sync sync) {
  script->sync = sync;
  script->from_at[0] = script->from_at[1] = SIZE_MAX;
  struct journal_backend *backend = seen_open(&script->seen, directory, FAULTY_VFS, sync, false);
  bool is_right = run_first(script, backend);
  backend->ops->close(backend);
  if (is_right) {
    backend = seen_open(&script->seen, directory, FAULTY_VFS, sync, false);
    is_right = run_second(script, backend);
    backend->ops->close(backend);
  }
  return is_right;
}

/* ---- what a crash leaves */

static uint64_t acknowledged_before(const struct script *script, size_t n, enum disk_loss loss) {
  uint64_t last = 0;
  if (script->sync == JOURNAL_SYNC_NEVER && loss != DISK_LOSES_NOTHING) {
    for (size_t i = 0; i < script->syncs && script->synced_at[i] <= n; i++) {
      last = script->synced[i];
    }
    return last;
  }
  for (uint64_t i = 1; i <= script->seen.committed && script->seen.acknowledged_at[i] <= n; i++) {
    last = i;
  }
  return last;
}

static uint64_t begun_before(const struct script *script, size_t n) {
  uint64_t last = 0;
  for (uint64_t i = 1; i < SEEN_BATCHES_MAX && (i == 1 || script->seen.begun_at[i] > 0) &&
                       script->seen.begun_at[i] <= n;
       i++) {
    last = i;
  }
  return last;
}

/* The server goes on with what it found. */
static void go_on(struct seen *seen, uint64_t from) {
  uint64_t next = seen->last + 1;
  struct seen more = {0};
  struct journal_backend *backend = seen_open(&more, image, NULL, JOURNAL_SYNC_ALWAYS, false);
  assert_true(seen_append(backend, &more, next));
  assert_true(seen_append(backend, &more, next + 1));
  backend->ops->close(backend);
  assert_true(seen_replay(seen, image, from));
  assert_false(seen->is_wrong);
  assert_int_equal(seen->last, next + 1);
}

static void check_image(const struct script *script, size_t n, enum disk_loss loss,
                        struct random *random) {
  static struct seen seen;
  uint64_t from = n >= script->from_at[1] ? 40 : n >= script->from_at[0] ? 14 : 0;
  faulty_disk_clear_directory(image);
  faulty_disk_make_image(n, loss, random, image);
  uint64_t least = acknowledged_before(script, n, loss), most = begun_before(script, n);
  least = least < from ? from : least;
  bool is_right = seen_replay(&seen, image, from);
  if (!is_right || seen.is_wrong || seen.last < least || seen.last > (most < from ? from : most)) {
    fail_msg(
        "after operation %zu, loss %d: %s; batch %llu is the last, %llu acknowledged, %llu begun",
        n, loss, is_right ? "replayed" : seen.sentence, (unsigned long long)seen.last,
        (unsigned long long)least, (unsigned long long)most);
  }
  if (n % 5 == 0) {
    go_on(&seen, from);
  }
}

static void check_all_crashes(enum journal_sync sync) {
  static struct script script;
  script = (struct script){0};
  struct random random = {seed};
  begin();
  assert_true(run(&script, sync));
  size_t operations = faulty_disk_operations();
  for (size_t n = 0; n <= operations; n++) {
    check_image(&script, n, DISK_LOSES_NOTHING, &random);
    check_image(&script, n, DISK_LOSES_ALL, &random);
    check_image(&script, n, DISK_LOSES_SOME, &random);
  }
  printf("%zu operations: a crash after each, with the whole cache, none and some of it\n",
         operations);
  const char *given = getenv("HOLDFAST_IMAGES");
  unsigned long images = (given ? strtoul(given, NULL, 0) : 2000) / 2;
  for (unsigned long i = 0; i < images; i++) {
    check_image(&script, random_below(&random, operations + 1), DISK_LOSES_SOME, &random);
  }
  printf("%lu random images of a lost cache\n", images);
}

static void test_journal_crash_after_each_operation(void **state) {
  (void)state;
  check_all_crashes(JOURNAL_SYNC_ALWAYS);
}

static void test_journal_crash_when_synced_in_intervals(void **state) {
  (void)state;
  check_all_crashes(JOURNAL_SYNC_NEVER);
}

/* ---- calls that fail */

static size_t check_fault(size_t n, enum disk_fault fault) {
  static struct script script;
  script = (struct script){.waits_for_room = fault == DISK_IS_FULL};
  struct random random = {seed + n};
  begin();
  faulty_disk_fail(n, fault);
  bool is_right = run(&script, JOURNAL_SYNC_ALWAYS);
  bool has_failed = faulty_disk_has_failed() || script.was_full;
  faulty_disk_fail(0, DISK_FINE);
  if (fault == DISK_IS_FULL && !is_right) {
    fail_msg("no room at operation %zu: %s", n, script.seen.sentence);
  } else if (!is_right) {
    assert_true(has_failed);
    assert_int_equal(script.seen.losses, 1);
    assert_true(script.seen.why == JOURNAL_BROKEN || script.seen.why == JOURNAL_UNAVAILABLE);
  }
  check_image(&script, faulty_disk_operations(), DISK_LOSES_NOTHING, &random);
  check_image(&script, faulty_disk_operations(), DISK_LOSES_SOME, &random);
  return has_failed;
}

static void test_journal_each_call_fails(void **state) {
  (void)state;
  size_t n = 1;
  for (; check_fault(n, DISK_FAILS); n++) {
    check_fault(n, n % 2 ? DISK_IS_SHORT : DISK_IS_BROKEN);
  }
  printf("%zu calls: each failed, and was short or failed with all later ones\n", n - 1);
}

static void test_journal_full_disk_has_room_again(void **state) {
  (void)state;
  size_t n = 1;
  while (check_fault(n, DISK_IS_FULL)) {
    n++;
  }
  printf("%zu calls: no room at each\n", n - 1);
}

/* The same is tried again as long as there is no room. */
static void test_journal_full_disk_is_reported_each_time(void **state) {
  (void)state;
  struct seen seen = {0};
  begin();
  struct journal_backend *backend =
      seen_open(&seen, directory, FAULTY_VFS, JOURNAL_SYNC_ALWAYS, false);
  seen_append_all(backend, &seen, 1, 3);
  faulty_disk_fail(1, DISK_IS_FULL);
  for (int i = 1; i <= 5; i++) {
    assert_false(seen_append(backend, &seen, 4));
    assert_int_equal(seen.losses, i);
    assert_int_equal(seen.why, JOURNAL_FULL);
  }
  faulty_disk_fail(0, DISK_FINE);
  seen_append_all(backend, &seen, 4, 6);
  backend->ops->close(backend);
  assert_true(seen_replay(&seen, directory, 0));
  assert_int_equal(seen.last, 6);
}

static void test_journal_nothing_is_written_after_a_failure(void **state) {
  (void)state;
  struct seen seen = {0};
  begin();
  struct journal_backend *backend =
      seen_open(&seen, directory, FAULTY_VFS, JOURNAL_SYNC_ALWAYS, false);
  seen_append_all(backend, &seen, 1, 3);
  faulty_disk_fail(2, DISK_FAILS);
  assert_false(seen_append(backend, &seen, 4));
  assert_int_equal(seen.why, JOURNAL_BROKEN);
  size_t operations = faulty_disk_operations();
  assert_false(seen_append(backend, &seen, 4)); /* the disk is fine again */
  assert_int_equal(seen.losses, 2);
  assert_int_equal(seen.why, JOURNAL_BROKEN);
  assert_int_equal(faulty_disk_operations(), operations);
  backend->ops->close(backend);
}

/* A reader that has all of the file's own pages keeps the checkpoint of a cut from moving, or syncing, what came
 * behind. */
static void test_journal_what_is_cut_is_synced_beside_a_reader(void **state) {
  (void)state;
  struct seen seen = {0};
  struct journal_part reader;
  struct random random = {seed};
  const struct part_settings settings = {.directory = directory, .vfs = FAULTY_VFS};
  begin();
  faulty_disk_clear_directory(image);
  struct journal_backend *backend =
      seen_open(&seen, directory, FAULTY_VFS, JOURNAL_SYNC_NEVER, false);
  seen_append_all(backend, &seen, 1, 3);
  assert_int_equal(part_open(&reader, &settings, 1), PART_OK);
  assert_int_equal(part_checkpoint(&reader), PART_OK);
  assert_int_equal(sqlite3_exec(reader.db, "BEGIN; SELECT max(idx) FROM batches", NULL, NULL, NULL),
                   SQLITE_OK);
  seen_append_all(backend, &seen, 4, 6);
  assert_true(backend->ops->cut(backend));
  assert_true(sqlite_backend_sync(backend));
  faulty_disk_make_image(faulty_disk_operations(), DISK_LOSES_ALL, &random, image);
  part_close(&reader);
  backend->ops->close(backend);
  assert_true(seen_replay(&seen, image, 0));
  assert_int_equal(seen.last, 6);
}

int main(int argc, char **argv) {
  seed = random_seed(argc, argv);
  cmocka_set_test_filter(argc > 2 ? argv[2] : NULL);
  faulty_vfs_register();
  faulty_disk_make_directory(directory);
  faulty_disk_make_directory(image);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_journal_crash_after_each_operation),
      cmocka_unit_test(test_journal_crash_when_synced_in_intervals),
      cmocka_unit_test(test_journal_each_call_fails),
      cmocka_unit_test(test_journal_full_disk_has_room_again),
      cmocka_unit_test(test_journal_full_disk_is_reported_each_time),
      cmocka_unit_test(test_journal_what_is_cut_is_synced_beside_a_reader),
      cmocka_unit_test(test_journal_nothing_is_written_after_a_failure),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  faulty_disk_end();
  faulty_disk_remove_directory(directory);
  faulty_disk_remove_directory(image);
  seen_end();
  return failed;
}
