/* The journal's files as they are found: what is damaged or missing is refused with the name of what is wrong; parts
 * are dropped and removed; another process reads; a directory has one server.
 *
 * usage: [SEED [TEST]]; a pattern of names
 * HOLDFAST_BITS: each n-th bit of the larger files is flipped; 1: all.
 */
#include "server/journal/data_directory.h"
#include "server/journal/journal_part.h"
#include "tests/support/faulty_disk.h"
#include "tests/support/random.h"
#include "tests/support/seen.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY 65534

static uint64_t seed;
static char directory[DISK_PATH_BYTES], image[DISK_PATH_BYTES];

static void begin(void) {
  faulty_disk_clear_directory(directory);
  faulty_disk_begin(directory);
  faulty_disk_fail(0, DISK_FINE);
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
  bool is_right = seen_replay(&seen, image, 0);
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
  struct journal_backend *backend = seen_open(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
  seen_append_all(backend, &seen, 1, 6);
  backend->ops->close(backend);
  check_damage(6, false);
}

/* After a kill the end is in the log, where sqlite takes damage for a commit that was under way. */
static void test_journal_backend_flipped_bits_of_the_log_are_found(void **state) {
  (void)state;
  struct seen seen = {0};
  begin();
  struct journal_backend *backend = seen_open(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
  seen_append_all(backend, &seen, 1, 5);
  check_damage(5, true);
  backend->ops->close(backend);
}

static void make_parts(struct seen *seen) {
  begin();
  struct journal_backend *backend = seen_open(seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
  seen_append_all(backend, seen, 1, 4);
  assert_true(backend->ops->cut(backend));
  seen_append_all(backend, seen, 5, 8);
  assert_true(backend->ops->cut(backend));
  seen_append_all(backend, seen, 9, 12);
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
  assert_false(seen_replay(&seen, directory, 0));
  assert_non_null(strstr(seen.sentence, "batch 5 is missing"));
  assert_false(seen_replay(&seen, directory, 6));
  assert_true(seen_replay(&seen, directory, 8));
  make_parts(&seen);
  remove_file("journal-1.sqlite");
  assert_false(seen_replay(&seen, directory, 0));
  assert_non_null(strstr(seen.sentence, "batch 1 is missing"));
  assert_true(seen_replay(&seen, directory, 4));
  make_parts(&seen);
  remove_file("journal-9.sqlite");
  assert_false(seen_replay(&seen, directory, 0));
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
  assert_false(seen_replay(&seen, directory, 0));
  assert_non_null(strstr(seen.sentence, "journal-5.sqlite"));
  assert_non_null(strstr(seen.sentence, "newer format"));
  assert_int_equal(seen.why, JOURNAL_UNAVAILABLE);
}

/* ---- what is no damage */

/* A backup is written while the server is started again. */
static void test_journal_backend_begins_beside_a_reader(void **state) {
  (void)state;
  struct seen seen = {0};
  make_parts(&seen);
  const struct part_settings reads = {.directory = directory, .is_read_only = true};
  struct journal_part part;
  assert_int_equal(part_open(&part, &reads, 5), PART_OK);
  assert_true(seen_replay(&seen, directory, 0));
  assert_int_equal(seen.last, 12);
  part_close(&part);
}

static void give_file(const char *name) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  assert_int_equal(chown(path, NOBODY, NOBODY), 0);
}

/* As after a start by root: there is nothing to give up. */
static void test_journal_backend_files_of_others_are_no_damage(void **state) {
  (void)state;
  static const char *const files[] = {"journal-5.sqlite", "acknowledged"};
  struct seen seen = {0};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char path[PATH_MAX];
    make_parts(&seen);
    snprintf(path, sizeof path, "%s/%s", directory, files[i]);
    assert_int_equal(chmod(path, 0), 0);
    uid_t uid = geteuid();
    if (uid == 0) {
      assert_int_equal(chown(directory, NOBODY, NOBODY), 0);
      give_file("journal-1.sqlite");
      give_file(files[1 - i]);
      assert_int_equal(seteuid(NOBODY), 0);
    }
    assert_false(seen_replay(&seen, directory, 0));
    assert_int_equal(seteuid(uid), 0);
    assert_int_equal(chown(directory, uid, getegid()), 0);
    assert_int_equal(seen.why, JOURNAL_UNAVAILABLE);
    assert_non_null(strstr(seen.sentence, files[i]));
    assert_non_null(strstr(seen.sentence, strerror(EACCES)));
  }
}

/* What is right before it is there, how much is lost is said, and after that it is not found again. */
static void test_journal_backend_damaged_page_costs_what_is_behind_it(void **state) {
  (void)state;
  enum { LAST = 400, PAGE_BYTES = 4096 };
  struct seen seen = {0};
  begin();
  struct journal_backend *backend = seen_open(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
  seen_append_all(backend, &seen, 1, LAST);
  backend->ops->close(backend);
  size_t len;
  uint8_t *data = read_whole("journal-1.sqlite", &len);
  size_t at = len / PAGE_BYTES / 2 * PAGE_BYTES;
  while (data[at] != 13) { /* a leaf of the table */
    at += PAGE_BYTES;
  }
  data[at + 3] = data[at + 4] = 0xff; /* its count of cells */
  write_whole(directory, "journal-1.sqlite", data, len);
  free(data);

  assert_false(seen_replay(&seen, directory, 0));
  uint64_t last = seen.last;
  assert_int_equal(seen.why, JOURNAL_BROKEN);
  assert_in_range(last, 100, LAST - 1);
  assert_int_not_equal(last % PART_ROWS_MAX, 0);
  assert_non_null(strstr(seen.sentence, "400 were acknowledged"));

  backend = seen_open(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
  assert_true(sqlite_backend_drop_behind(backend, last));
  seen.salt_from = last + 1;
  seen_append_all(backend, &seen, last + 1, last + 2);
  backend->ops->close(backend);
  assert_true(seen_replay(&seen, directory, 0));
  assert_false(seen.is_wrong);
  assert_int_equal(seen.last, last + 2);
}

/* It says how much there has to be: without it, what is there is there. */
static void test_journal_backend_damaged_count_costs_nothing(void **state) {
  (void)state;
  struct seen seen = {0};
  make_parts(&seen);
  write_whole(directory, "acknowledged", (const uint8_t *)"no number, and no checksum of it", 32);
  assert_false(seen_replay(&seen, directory, 0));
  assert_int_equal(seen.last, 12);
  assert_non_null(strstr(seen.sentence, "acknowledged is damaged"));
}

/* ---- parts */

static void test_journal_backend_drops_what_is_behind_damage(void **state) {
  (void)state;
  struct seen seen = {0};
  make_parts(&seen);
  struct journal_backend *backend = seen_open(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
  assert_true(sqlite_backend_drop_behind(backend, 6));
  seen.salt_from = 7;
  seen_append_all(backend, &seen, 7, 10);
  backend->ops->close(backend);
  assert_true(seen_replay(&seen, directory, 0));
  assert_false(seen.is_wrong);
  assert_int_equal(seen.last, 10);
}

/* A snapshot was synced and the journal was not. */
static void test_journal_backend_goes_on_behind_a_newer_snapshot(void **state) {
  (void)state;
  struct seen seen = {0};
  make_parts(&seen);
  struct journal_backend *backend = seen_open(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
  seen_append_all(backend, &seen, 20, 22);
  backend->ops->close(backend);
  assert_true(seen_replay(&seen, directory, 19));
  assert_int_equal(seen.last, 22);
  assert_false(seen_replay(&seen, directory, 0));
  assert_non_null(strstr(seen.sentence, "batch 13 is missing"));
}

static void test_journal_backend_number_that_is_there_is_refused(void **state) {
  (void)state;
  struct seen seen = {0};
  make_parts(&seen);
  struct journal_backend *backend = seen_open(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
  assert_false(seen_append(backend, &seen, 11));
  assert_int_equal(seen.why, JOURNAL_BROKEN);
  backend->ops->close(backend);
}

static void test_journal_backend_truncates_parts_that_are_before(void **state) {
  (void)state;
  struct seen seen = {0};
  make_parts(&seen);
  struct journal_backend *backend = seen_open(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
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
  assert_true(seen_replay(&seen, directory, 8));
  assert_int_equal(seen.last, 12);
}

/* ---- a reader beside the writer, in another process */

enum { BESIDE = 400 };

static int read_beside(void) {
  struct seen seen = {0};
  struct journal_backend *backend = seen_open(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, true);
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
  struct journal_backend *backend = seen_open(&seen, directory, NULL, JOURNAL_SYNC_ALWAYS, false);
  seen_append_all(backend, &seen, 1, 1);
  assert_int_equal(write(begun[1], "", 1), 1);
  close(begun[0]);
  close(begun[1]);
  for (uint64_t index = 2; index <= BESIDE; index++) {
    assert_true(seen_append(backend, &seen, index));
    if (index % 100 == 50) {
      assert_true(backend->ops->cut(backend));
    }
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  off_t before = log_bytes();
  seen_append_all(backend, &seen, BESIDE + 1, BESIDE + 60); /* half a MiB: the log is used again */
  assert_true(log_bytes() < before + 100000);
  assert_true(sqlite_backend_p99_ns(backend) > 0);
  backend->ops->close(backend);
}

/* ---- the directory's lock */

/* sqlite makes a write-ahead log with the first commit, and goes on if the sync of its entry fails. */
static void test_journal_backend_notices_a_directory_that_is_not_synced(void **state) {
  const uint8_t batch[] = {1, 2, 3};
  struct part_settings settings = {.directory = directory, .is_synced = true};
  struct journal_part part;
  char moved[DISK_PATH_BYTES + 8];
  (void)state;
  begin();
  snprintf(moved, sizeof moved, "%s.moved", directory);
  assert_int_equal(part_create(&part, &settings, 1), PART_OK);
  assert_int_equal(part_open(&part, &settings, 1), PART_OK);
  assert_int_equal(rename(directory, moved), 0);
  assert_int_equal(part_append(&part, 1, bytes_of(batch, sizeof batch)), PART_BROKEN);
  assert_non_null(strstr(part.why, "its directory can't be synced"));
  part_close(&part);
  assert_int_equal(rename(moved, directory), 0);
}

static void test_journal_backend_directory_has_one_server(void **state) {
  (void)state;
  char error[DATA_ERROR_BYTES], path[PATH_MAX], file[PATH_MAX + 8], expected[64];
  begin();
  snprintf(path, sizeof path, "%s/data", image);
  rmdir(path);
  struct data_lock lock, other;
  assert_true(data_directory_lock(path, &lock, error));
  struct stat status;
  assert_int_equal(stat(path, &status), 0);
  assert_int_equal(status.st_mode & 0777, 0700);
  assert_false(data_directory_lock(path, &other, error));
  snprintf(expected, sizeof expected, "process %ld", (long)getpid());
  assert_non_null(strstr(error, expected));
  snprintf(file, sizeof file, "%s/lock", path);
  assert_int_equal(unlink(file), 0);
  assert_false(data_directory_lock(path, &other, error));
  assert_non_null(strstr(error, "is in use by another server, though its file lock was removed"));
  data_directory_unlock(&lock);
  assert_true(data_directory_lock(path, &lock, error));
  data_directory_unlock(&lock);
  assert_true(data_directory_free_bytes(path) > 0);
  faulty_disk_remove_directory(path);
  snprintf(path, sizeof path, "%s/no/data", image);
  assert_false(data_directory_lock(path, &other, error));
  assert_non_null(strstr(error, "No such file"));
}

/* Its process is gone, and one that it made has the lock a moment longer. */
static void test_journal_backend_lock_of_a_server_that_was_killed(void **state) {
  (void)state;
  char error[DATA_ERROR_BYTES] = "", path[PATH_MAX];
  struct data_lock lock;
  int status;
  begin();
  snprintf(path, sizeof path, "%s/data", image);
  pid_t server = fork();
  if (server == 0) {
    if (data_directory_lock(path, &lock, error) && fork() == 0) {
      usleep(200000);
    }
    _exit(error[0] != 0);
  }
  assert_int_equal(waitpid(server, &status, 0), server);
  assert_int_equal(status, 0);
  if (!data_directory_lock(path, &lock, error)) {
    fail_msg("%s", error);
  }
  data_directory_unlock(&lock);
  faulty_disk_remove_directory(path);
}

int main(int argc, char **argv) {
  seed = random_seed(argc, argv);
  cmocka_set_test_filter(argc > 2 ? argv[2] : NULL);
  faulty_disk_make_directory(directory);
  faulty_disk_make_directory(image);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_journal_backend_flipped_bits_are_found),
      cmocka_unit_test(test_journal_backend_flipped_bits_of_the_log_are_found),
      cmocka_unit_test(test_journal_backend_missing_part_is_named),
      cmocka_unit_test(test_journal_backend_file_of_a_newer_format_is_refused_by_name),
      cmocka_unit_test(test_journal_backend_begins_beside_a_reader),
      cmocka_unit_test(test_journal_backend_files_of_others_are_no_damage),
      cmocka_unit_test(test_journal_backend_damaged_page_costs_what_is_behind_it),
      cmocka_unit_test(test_journal_backend_damaged_count_costs_nothing),
      cmocka_unit_test(test_journal_backend_drops_what_is_behind_damage),
      cmocka_unit_test(test_journal_backend_goes_on_behind_a_newer_snapshot),
      cmocka_unit_test(test_journal_backend_number_that_is_there_is_refused),
      cmocka_unit_test(test_journal_backend_truncates_parts_that_are_before),
      cmocka_unit_test(test_journal_backend_is_read_beside_the_writer),
      cmocka_unit_test(test_journal_backend_notices_a_directory_that_is_not_synced),
      cmocka_unit_test(test_journal_backend_directory_has_one_server),
      cmocka_unit_test(test_journal_backend_lock_of_a_server_that_was_killed),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  faulty_disk_end();
  faulty_disk_remove_directory(directory);
  faulty_disk_remove_directory(image);
  seen_end();
  return failed;
}
