/* The journal's files: whatever is written when a process or a machine stops, replay gives the batches that were
 * acknowledged, or one more, or refuses with the name of what is wrong.
 *
 * usage: [SEED [TEST]]; a pattern of names
 * HOLDFAST_IMAGES: so many random images of a lost cache, 2000 if it is not set.
 * HOLDFAST_BITS: each n-th bit of the larger files is flipped; 1: all.
 */
#include "server/journal/data_directory.h"
#include "server/journal/record_reader.h"
#include "server/journal/record_writer.h"
#include "server/journal/sqlite_backend.h"
#include "tests/support/faulty_disk.h"
#include "tests/support/faulty_vfs.h"
#include "tests/support/random.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BATCHES_MAX 512
#define BODY_BYTES_MAX 12000

static uint64_t seed;
static char directory[DISK_PATH_BYTES], image[DISK_PATH_BYTES];

/* ---- batches: the same for the same number and salt */

static struct batch_writer writer;

static struct bytes make_batch(uint64_t index, uint64_t salt) {
  struct random random = {index * 1000003 + salt};
  static uint8_t body[BODY_BYTES_MAX];
  size_t len = random_below(&random, random_below(&random, 6) == 0 ? BODY_BYTES_MAX : 300);
  for (size_t i = 0; i < len; i++) {
    body[i] = (uint8_t)random_next(&random);
  }
  struct engine_request request = {.connection = index, .body = bytes_of(body, len)};
  struct command command = {.kind = COMMAND_REQUEST, .now_ns = index, .request = &request};
  struct batch_header header = {.epoch = 1, .index = index, .now_ns = index};
  struct bytes batch;
  assert_true(record_begin(&writer, &header));
  assert_true(record_append(&writer, &command, bytes_of("", 0)));
  assert_true(record_end(&writer, &batch));
  return batch;
}

/* ---- what the journal says */

struct seen {
  uint64_t committed, last; /* last: of replay */
  uint64_t salt_from;       /* batches from this one on are made with salt 1; 0: none */
  uint64_t limit;           /* stops there */
  int losses;
  enum journal_loss why;
  char sentence[512];
  bool is_wrong; /* a batch that was never written, and looks right */
  size_t acknowledged_at[BATCHES_MAX], begun_at[BATCHES_MAX];
};

static void on_committed(void *ctx, uint64_t through) {
  struct seen *seen = ctx;
  seen->committed = through;
  seen->acknowledged_at[through] = faulty_disk_operations();
}

static void on_lost(void *ctx, enum journal_loss why, const char *sentence) {
  struct seen *seen = ctx;
  seen->losses++;
  seen->why = why;
  snprintf(seen->sentence, sizeof seen->sentence, "%s", sentence);
}

/* As recovery does: what is damaged is refused. */
static bool on_record(void *ctx, uint64_t index, struct bytes batch) {
  struct seen *seen = ctx;
  struct batch_header header;
  const char *why;
  struct batch_reader *reader = record_open(batch, &header, &why);
  if (!reader || header.index != index) {
    on_lost(ctx, JOURNAL_BROKEN, reader ? "another batch's number" : why);
    record_close(reader);
    return false;
  }
  record_close(reader);
  uint64_t salt = seen->salt_from && index >= seen->salt_from;
  if (!bytes_equal(batch, make_batch(index, salt))) {
    seen->is_wrong = true;
  }
  seen->last = index;
  return !seen->limit || index < seen->limit;
}

static struct journal_backend *open_backend(struct seen *seen, const char *path, const char *vfs,
                                            enum journal_sync sync, bool is_read_only) {
  struct sqlite_options options = {path, vfs, sync, is_read_only, 8};
  struct journal_sink sink = {seen, on_committed, on_lost, on_record};
  struct journal_backend *backend = sqlite_backend_open(&options, &sink);
  assert_non_null(backend);
  return backend;
}

static bool append(struct journal_backend *backend, struct seen *seen, uint64_t index) {
  seen->begun_at[index] = faulty_disk_operations();
  backend->ops->append(backend, index,
                       make_batch(index, seen->salt_from && index >= seen->salt_from));
  return seen->committed == index;
}

static void append_all(struct journal_backend *backend, struct seen *seen, uint64_t from,
                       uint64_t through) {
  for (uint64_t index = from; index <= through; index++) {
    assert_true(append(backend, seen, index));
  }
}

/* Replays what is in the directory. */
static bool replay(struct seen *seen, const char *path, uint64_t from) {
  *seen = (struct seen){.last = from, .salt_from = seen->salt_from};
  struct journal_backend *backend = open_backend(seen, path, NULL, JOURNAL_SYNC_ALWAYS, false);
  bool is_right = backend->ops->replay(backend, from);
  backend->ops->close(backend);
  assert_int_equal(is_right, seen->losses == 0);
  return is_right;
}

/* ---- a scripted run: parts, checkpoints, a restart */

struct script {
  struct seen seen;
  enum journal_sync sync;
  bool waits_for_room; /* a full disk has room again at the second attempt */
  bool was_full;
  uint64_t from;                 /* what is replayed begins behind this batch */
  size_t from_at[2];             /* since these operations it is 14, 40 */
  size_t synced_at[BATCHES_MAX]; /* of sqlite_backend_sync */
  uint64_t synced[BATCHES_MAX];
  size_t syncs;
};

static bool add(struct script *script, struct journal_backend *backend, uint64_t from,
                uint64_t through) {
  for (uint64_t index = from; index <= through; index++) {
    bool is_committed = append(backend, &script->seen, index);
    if (!is_committed && script->waits_for_room && script->seen.why == JOURNAL_FULL) {
      script->was_full = true;
      faulty_disk_fail(0, DISK_FINE);
      script->seen.losses = 0;
      is_committed = append(backend, &script->seen, index);
    }
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
  if (!backend->ops->replay(backend, 14) || !add(script, backend, 34, 40) ||
      !backend->ops->cut(backend) || !add(script, backend, 41, 44)) {
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
  struct journal_backend *backend = open_backend(&script->seen, directory, FAULTY_VFS, sync, false);
  bool is_right = run_first(script, backend);
  backend->ops->close(backend);
  if (is_right) {
    backend = open_backend(&script->seen, directory, FAULTY_VFS, sync, false);
    is_right = run_second(script, backend);
    backend->ops->close(backend);
  }
  return is_right;
}

static void begin(void) {
  faulty_disk_clear_directory(directory);
  faulty_disk_begin(directory);
  faulty_disk_fail(0, DISK_FINE);
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
  for (uint64_t i = 1;
       i < BATCHES_MAX && (i == 1 || script->seen.begun_at[i] > 0) && script->seen.begun_at[i] <= n;
       i++) {
    last = i;
  }
  return last;
}

/* The server goes on with what it found. */
static void go_on(struct seen *seen, uint64_t from) {
  uint64_t next = seen->last + 1;
  struct seen more = {0};
  struct journal_backend *backend = open_backend(&more, image, NULL, JOURNAL_SYNC_ALWAYS, false);
  assert_true(append(backend, &more, next));
  assert_true(append(backend, &more, next + 1));
  backend->ops->close(backend);
  assert_true(replay(seen, image, from));
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
  bool is_right = replay(&seen, image, from);
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

static void test_journal_backend_crash_after_each_operation(void **state) {
  (void)state;
  check_all_crashes(JOURNAL_SYNC_ALWAYS);
}

static void test_journal_backend_crash_when_synced_in_intervals(void **state) {
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

static void test_journal_backend_each_call_fails(void **state) {
  (void)state;
  size_t n = 1;
  for (; check_fault(n, DISK_FAILS); n++) {
    check_fault(n, n % 2 ? DISK_IS_SHORT : DISK_IS_BROKEN);
  }
  printf("%zu calls: each failed, and was short or failed with all later ones\n", n - 1);
}

static void test_journal_backend_full_disk_has_room_again(void **state) {
  (void)state;
  size_t n = 1;
  while (check_fault(n, DISK_IS_FULL)) {
    n++;
  }
  printf("%zu calls: no room at each\n", n - 1);
}

/* The same is tried again as long as there is no room. */
static void test_journal_backend_full_disk_is_reported_each_time(void **state) {
  (void)state;
  struct seen seen = {0};
  begin();
  struct journal_backend *backend =
      open_backend(&seen, directory, FAULTY_VFS, JOURNAL_SYNC_ALWAYS, false);
  append_all(backend, &seen, 1, 3);
  faulty_disk_fail(1, DISK_IS_FULL);
  for (int i = 1; i <= 5; i++) {
    assert_false(append(backend, &seen, 4));
    assert_int_equal(seen.losses, i);
    assert_int_equal(seen.why, JOURNAL_FULL);
  }
  faulty_disk_fail(0, DISK_FINE);
  append_all(backend, &seen, 4, 6);
  backend->ops->close(backend);
  assert_true(replay(&seen, directory, 0));
  assert_int_equal(seen.last, 6);
}

static void test_journal_backend_nothing_is_written_after_a_failure(void **state) {
  (void)state;
  struct seen seen = {0};
  begin();
  struct journal_backend *backend =
      open_backend(&seen, directory, FAULTY_VFS, JOURNAL_SYNC_ALWAYS, false);
  append_all(backend, &seen, 1, 3);
  faulty_disk_fail(2, DISK_FAILS);
  assert_false(append(backend, &seen, 4));
  assert_int_equal(seen.why, JOURNAL_BROKEN);
  size_t operations = faulty_disk_operations();
  assert_false(append(backend, &seen, 4)); /* the disk is fine again */
  assert_int_equal(seen.losses, 2);
  assert_int_equal(seen.why, JOURNAL_BROKEN);
  assert_int_equal(faulty_disk_operations(), operations);
  backend->ops->close(backend);
}

/* ---- damage */

static uint8_t *read_whole(const char *name, size_t *len) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  uint8_t *data = malloc(1 << 20);
  assert_non_null(data);
  *len = fread(data, 1, 1 << 20, file);
  fclose(file);
  return data;
}

static void write_whole(const char *to, const char *name, const uint8_t *data, size_t len) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", to, name);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  if (fwrite(data, 1, len, file) != len) {
    fail_msg("%s: %zu bytes: %s", path, len, strerror(errno));
  }
  fclose(file);
}

#define NAMES 3
static const char *const names[NAMES] = {"journal-1.sqlite", "journal-1.sqlite-wal",
                                         "acknowledged"};

/* A bit of one of the files is flipped, or it is cut there. Batches 1 to `last` are there, or it is refused. */
static bool is_found(uint8_t *const data[], const size_t len[], size_t which, size_t bit,
                     bool is_cut, uint64_t last) {
  static struct seen seen;
  faulty_disk_clear_directory(image);
  data[which][bit / 8] ^= (uint8_t)(is_cut ? 0 : 1u << bit % 8);
  for (size_t i = 0; i < NAMES; i++) {
    if (data[i]) {
      write_whole(image, names[i], data[i], is_cut && i == which ? bit / 8 : len[i]);
    }
  }
  data[which][bit / 8] ^= (uint8_t)(is_cut ? 0 : 1u << bit % 8);
  bool is_right = replay(&seen, image, 0);
  if (seen.is_wrong || (is_right && seen.last != last)) {
    fail_msg("%s, bit %zu: batch %llu is the last", names[which], bit,
             (unsigned long long)seen.last);
  }
  return !is_right;
}

static void check_damage(uint64_t last, bool has_log) {
  uint8_t *data[NAMES] = {0};
  size_t len[NAMES] = {0}, tried = 0, found = 0;
  for (size_t i = 0; i < NAMES; i++) {
    if (i != 1 || has_log) {
      data[i] = read_whole(names[i], &len[i]);
    }
  }
  const char *given = getenv("HOLDFAST_BITS");
  size_t stride = given ? strtoul(given, NULL, 0) : 199;
  struct random random = {seed};
  for (size_t i = 0; i < NAMES; i++) {
    for (size_t bit = 0; bit < len[i] * 8;
         bit += bit < 1024 ? 1 : 1 + random_below(&random, 2 * stride - 1)) {
      found += is_found(data, len, i, bit, false, last);
      tried++;
    }
    for (size_t at = 0; at < len[i]; at += 1 + random_below(&random, 2 * stride - 1)) {
      is_found(data, len, i, at * 8, true, last);
      tried++;
    }
  }
  for (size_t i = 0; i < NAMES; i++) {
    free(data[i]);
  }
  printf("%zu flips and cuts: %zu flips refused, the others harmless\n", tried, found);
}

/* After a clean end all is in one file. */
static void test_journal_backend_flipped_bits_are_found(void **state) {
  (void)state;
  struct seen seen = {0};
  begin();
  struct journal_backend *backend =
      open_backend(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
  append_all(backend, &seen, 1, 6);
  backend->ops->close(backend);
  check_damage(6, false);
}

/* After a kill the end is in the log, where sqlite takes damage for a commit that was under way. */
static void test_journal_backend_flipped_bits_of_the_log_are_found(void **state) {
  (void)state;
  struct seen seen = {0};
  begin();
  struct journal_backend *backend =
      open_backend(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
  append_all(backend, &seen, 1, 5);
  check_damage(5, true);
  backend->ops->close(backend);
}

static void make_parts(struct seen *seen) {
  begin();
  struct journal_backend *backend = open_backend(seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
  append_all(backend, seen, 1, 4);
  assert_true(backend->ops->cut(backend));
  append_all(backend, seen, 5, 8);
  assert_true(backend->ops->cut(backend));
  append_all(backend, seen, 9, 12);
  backend->ops->close(backend);
}

static void remove_file(const char *name) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  assert_int_equal(unlink(path), 0);
}

static void test_journal_backend_missing_part_is_named(void **state) {
  (void)state;
  struct seen seen = {0};
  make_parts(&seen);
  remove_file("journal-5.sqlite");
  assert_false(replay(&seen, directory, 0));
  assert_non_null(strstr(seen.sentence, "batch 5 is missing"));
  assert_false(replay(&seen, directory, 6));
  assert_true(replay(&seen, directory, 8));
  make_parts(&seen);
  remove_file("journal-1.sqlite");
  assert_false(replay(&seen, directory, 0));
  assert_non_null(strstr(seen.sentence, "batch 1 is missing"));
  assert_true(replay(&seen, directory, 4));
  make_parts(&seen);
  remove_file("journal-9.sqlite");
  assert_false(replay(&seen, directory, 0));
  assert_non_null(strstr(seen.sentence, "9 to 12 were acknowledged"));
}

static void test_journal_backend_file_of_a_newer_format_is_refused_by_name(void **state) {
  (void)state;
  struct seen seen = {0};
  make_parts(&seen);
  size_t len;
  uint8_t *data = read_whole("journal-5.sqlite", &len);
  data[63] = 2; /* its user_version */
  write_whole(directory, "journal-5.sqlite", data, len);
  free(data);
  assert_false(replay(&seen, directory, 0));
  assert_non_null(strstr(seen.sentence, "journal-5.sqlite"));
  assert_non_null(strstr(seen.sentence, "newer format"));
}

/* ---- parts */

static void test_journal_backend_drops_what_is_behind_damage(void **state) {
  (void)state;
  struct seen seen = {0};
  make_parts(&seen);
  struct journal_backend *backend =
      open_backend(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
  assert_true(sqlite_backend_drop_behind(backend, 6));
  seen.salt_from = 7;
  append_all(backend, &seen, 7, 10);
  backend->ops->close(backend);
  assert_true(replay(&seen, directory, 0));
  assert_false(seen.is_wrong);
  assert_int_equal(seen.last, 10);
}

/* A snapshot was synced and the journal was not. */
static void test_journal_backend_goes_on_behind_a_newer_snapshot(void **state) {
  (void)state;
  struct seen seen = {0};
  make_parts(&seen);
  struct journal_backend *backend =
      open_backend(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
  append_all(backend, &seen, 20, 22);
  backend->ops->close(backend);
  assert_true(replay(&seen, directory, 19));
  assert_int_equal(seen.last, 22);
  assert_false(replay(&seen, directory, 0));
  assert_non_null(strstr(seen.sentence, "batch 13 is missing"));
}

static void test_journal_backend_number_that_is_there_is_refused(void **state) {
  (void)state;
  struct seen seen = {0};
  make_parts(&seen);
  struct journal_backend *backend =
      open_backend(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
  assert_false(append(backend, &seen, 11));
  assert_int_equal(seen.why, JOURNAL_BROKEN);
  backend->ops->close(backend);
}

static void test_journal_backend_truncates_parts_that_are_before(void **state) {
  (void)state;
  struct seen seen = {0};
  make_parts(&seen);
  struct journal_backend *backend =
      open_backend(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
  uint64_t before = backend->ops->bytes(backend);
  assert_true(backend->ops->truncate(backend, 8)); /* 8 is needed: its part stays */
  struct data_files parts;
  assert_true(data_directory_list(directory, "journal-", ".sqlite", &parts));
  assert_int_equal(parts.count, 2);
  assert_int_equal(parts.numbers[0], 5);
  free(parts.numbers);
  assert_true(backend->ops->bytes(backend) < before);
  assert_true(backend->ops->truncate(backend, 1000)); /* the last one stays */
  assert_true(data_directory_list(directory, "journal-", ".sqlite", &parts));
  assert_int_equal(parts.count, 1);
  free(parts.numbers);
  backend->ops->close(backend);
  assert_true(replay(&seen, directory, 8));
  assert_int_equal(seen.last, 12);
}

/* ---- a reader beside the writer, in another process */

enum { BESIDE = 400 };

static int read_beside(void) {
  struct seen seen = {0};
  struct journal_backend *backend = open_backend(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, true);
  for (int i = 0; i < 20000 && seen.last < BESIDE; i++) {
    if (!backend->ops->replay(backend, seen.last) || seen.is_wrong) {
      fprintf(stderr, "%s\n", seen.sentence);
      return 1;
    }
    usleep(200);
  }
  backend->ops->close(backend);
  return seen.last == BESIDE ? 0 : 2;
}

/* Of the last part's. */
static off_t log_bytes(void) {
  char path[PATH_MAX];
  struct stat status;
  snprintf(path, sizeof path, "%s/journal-%d.sqlite-wal", directory, BESIDE - 49);
  assert_int_equal(stat(path, &status), 0);
  return status.st_size;
}

static void test_journal_backend_is_read_beside_the_writer(void **state) {
  (void)state;
  struct seen seen = {0};
  begin();
  int begun[2];
  assert_int_equal(pipe(begun), 0);
  pid_t child = fork(); /* before there is a connection, which is for one process */
  assert_true(child >= 0);
  if (child == 0) {
    char byte;
    _exit(read(begun[0], &byte, 1) == 1 ? read_beside() : 3);
  }
  struct journal_backend *backend =
      open_backend(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
  append_all(backend, &seen, 1, 1);
  assert_int_equal(write(begun[1], "", 1), 1);
  close(begun[0]);
  close(begun[1]);
  for (uint64_t index = 2; index <= BESIDE; index++) {
    assert_true(append(backend, &seen, index));
    if (index % 100 == 50) {
      assert_true(backend->ops->cut(backend));
    }
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  off_t before = log_bytes();
  append_all(backend, &seen, BESIDE + 1, BESIDE + 60); /* half a MiB: the log is used again */
  assert_true(log_bytes() < before + 100000);
  assert_true(sqlite_backend_p99_ns(backend) > 0);
  backend->ops->close(backend);
}

/* ---- the directory's lock */

static void test_journal_backend_directory_has_one_server(void **state) {
  (void)state;
  char error[DATA_ERROR_BYTES], path[PATH_MAX], expected[64];
  begin();
  snprintf(path, sizeof path, "%s/data", image);
  rmdir(path);
  int lock = data_directory_lock(path, error);
  assert_true(lock >= 0);
  struct stat status;
  assert_int_equal(stat(path, &status), 0);
  assert_int_equal(status.st_mode & 0777, 0700);
  assert_int_equal(data_directory_lock(path, error), -1);
  snprintf(expected, sizeof expected, "process %ld", (long)getpid());
  assert_non_null(strstr(error, expected));
  close(lock);
  lock = data_directory_lock(path, error);
  assert_true(lock >= 0);
  close(lock);
  assert_true(data_directory_free_bytes(path) > 0);
  faulty_disk_remove_directory(path);
  snprintf(path, sizeof path, "%s/no/data", image);
  assert_int_equal(data_directory_lock(path, error), -1);
  assert_non_null(strstr(error, "No such file"));
}

/* Its process is gone, and one that it made has the lock a moment longer. */
static void test_journal_backend_lock_of_a_server_that_was_killed(void **state) {
  (void)state;
  char error[DATA_ERROR_BYTES] = "", path[PATH_MAX];
  int status;
  begin();
  snprintf(path, sizeof path, "%s/data", image);
  pid_t server = fork();
  if (server == 0) {
    if (data_directory_lock(path, error) >= 0 && fork() == 0) {
      usleep(200000);
    }
    _exit(error[0] != 0);
  }
  assert_int_equal(waitpid(server, &status, 0), server);
  assert_int_equal(status, 0);
  int lock = data_directory_lock(path, error);
  if (lock < 0) {
    fail_msg("%s", error);
  }
  close(lock);
  faulty_disk_remove_directory(path);
}

int main(int argc, char **argv) {
  seed = random_seed(argc, argv);
  cmocka_set_test_filter(argc > 2 ? argv[2] : NULL);
  faulty_vfs_register();
  faulty_disk_make_directory(directory);
  faulty_disk_make_directory(image);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_journal_backend_crash_after_each_operation),
      cmocka_unit_test(test_journal_backend_crash_when_synced_in_intervals),
      cmocka_unit_test(test_journal_backend_each_call_fails),
      cmocka_unit_test(test_journal_backend_full_disk_has_room_again),
      cmocka_unit_test(test_journal_backend_full_disk_is_reported_each_time),
      cmocka_unit_test(test_journal_backend_nothing_is_written_after_a_failure),
      cmocka_unit_test(test_journal_backend_flipped_bits_are_found),
      cmocka_unit_test(test_journal_backend_flipped_bits_of_the_log_are_found),
      cmocka_unit_test(test_journal_backend_missing_part_is_named),
      cmocka_unit_test(test_journal_backend_file_of_a_newer_format_is_refused_by_name),
      cmocka_unit_test(test_journal_backend_drops_what_is_behind_damage),
      cmocka_unit_test(test_journal_backend_goes_on_behind_a_newer_snapshot),
      cmocka_unit_test(test_journal_backend_number_that_is_there_is_refused),
      cmocka_unit_test(test_journal_backend_truncates_parts_that_are_before),
      cmocka_unit_test(test_journal_backend_is_read_beside_the_writer),
      cmocka_unit_test(test_journal_backend_directory_has_one_server),
      cmocka_unit_test(test_journal_backend_lock_of_a_server_that_was_killed),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  faulty_disk_end();
  faulty_disk_remove_directory(directory);
  faulty_disk_remove_directory(image);
  record_deinit(&writer);
  return failed;
}
