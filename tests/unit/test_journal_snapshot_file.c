/* A snapshot as a file: what was written is read, any damage is found, and whatever is written when a process or a
 * machine stops, there is the newest one that was durable, whole.
 *
 * HOLDFAST_IMAGES: so many random images of a lost cache, 2000 if it is not set.
 */
#include "server/journal/snapshot_file.h"
#include "tests/support/faulty_disk.h"
#include "tests/support/random.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

static uint64_t seed;
static char directory[DISK_PATH_BYTES], image[DISK_PATH_BYTES];
static uint8_t content[3 * MIB];

static void begin(void) {
  faulty_disk_clear_directory(directory);
  faulty_disk_clear_directory(image);
  faulty_disk_begin(directory);
  faulty_disk_fail(0, DISK_FINE);
}

/* Its content begins at the byte `index` of `content`. false: error. */
static bool write_snapshot(uint64_t index, size_t len, size_t piece, char *error) {
  struct snapshot_header header = {
      .engine = 2, .index = index, .epoch = 3, .digest = index * 7, .memory = 5, .replies = 9};
  struct snapshot_file *file = snapshot_file_create(directory, &header, error);
  if (!file) {
    return false;
  }
  struct snapshot_writer writer = snapshot_file_writer(file);
  for (size_t at = 0; at < len; at += piece) {
    size_t part = len - at < piece ? len - at : piece;
    if (!writer.write(writer.ctx, bytes_of(content + index + at, part))) {
      break; /* commit says why */
    }
  }
  return snapshot_file_commit(file, error);
}

static void must_write(uint64_t index, size_t len, size_t piece) {
  char error[SNAPSHOT_ERROR_BYTES] = "";
  if (!write_snapshot(index, len, piece, error)) {
    fail_msg("%s", error);
  }
}

/* Which one is the newest; 0: none. It is whole. */
static uint64_t read_newest(const char *path, size_t len) {
  struct snapshot_content read;
  char error[SNAPSHOT_ERROR_BYTES];
  if (!snapshot_file_read_newest(path, UINT64_MAX, &read, error)) {
    if (error[0]) {
      fail_msg("%s", error);
    }
    return 0;
  }
  uint64_t index = read.header.index;
  assert_int_equal(read.header.engine, 2);
  assert_int_equal(read.header.epoch, 3);
  assert_int_equal(read.header.memory, 5);
  assert_int_equal(read.header.digest, index * 7);
  assert_int_equal(read.header.replies, 9);
  assert_int_equal(read.header.bytes, len);
  assert_true(bytes_equal(read.bytes, bytes_of(content + index, len)));
  snapshot_content_free(&read);
  return index;
}

static void test_journal_snapshot_file_round_trip(void **state) {
  (void)state;
  size_t lens[] = {0, 1, 1000, MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 12345};
  size_t pieces[] = {100000, 77777, 3 * MIB};
  begin();
  assert_int_equal(read_newest(directory, 0), 0);
  uint64_t index = 1;
  for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
    for (size_t j = 0; j < 3; j++) {
      must_write(index, lens[i], pieces[j]);
      assert_int_equal(read_newest(directory, lens[i]), index);
      index++;
    }
  }
}

static void test_journal_snapshot_file_older_ones_are_removed(void **state) {
  (void)state;
  char error[SNAPSHOT_ERROR_BYTES], path[PATH_MAX];
  begin();
  must_write(9, 100, 100);
  must_write(10, 100, 100); /* by number, not by text */
  struct snapshot_header header = {.index = 12};
  struct snapshot_file *left = snapshot_file_create(directory, &header, error);
  assert_non_null(left);
  assert_int_equal(read_newest(directory, 100), 10); /* an unfinished one is none */
  snapshot_file_remove_older(directory, 10);
  assert_int_equal(read_newest(directory, 100), 10);
  snprintf(path, sizeof path, "%s/snapshot-9", directory);
  assert_int_not_equal(access(path, F_OK), 0);
  snprintf(path, sizeof path, "%s/snapshot-12.new", directory);
  assert_int_not_equal(access(path, F_OK), 0);
  snapshot_file_abandon(left);
}

/* ---- damage */

static size_t load(const char *name, uint8_t *data, size_t room) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  size_t len = fread(data, 1, room, file);
  fclose(file);
  return len;
}

static void store(const uint8_t *data, size_t len) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/snapshot-5", image);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, len, file), len);
  fclose(file);
}

static void must_be_refused(const uint8_t *data, size_t len, const char *why) {
  struct snapshot_content read;
  char error[SNAPSHOT_ERROR_BYTES];
  store(data, len);
  assert_false(snapshot_file_read_newest(image, UINT64_MAX, &read, error));
  assert_non_null(strstr(error, "snapshot-5"));
  assert_non_null(strstr(error, why));
  assert_null(read.bytes.data);
}

static void test_journal_snapshot_file_damage_is_found(void **state) {
  (void)state;
  static uint8_t data[4096];
  begin();
  must_write(5, 900, 100);
  size_t len = load("snapshot-5", data, sizeof data);
  store(data, len);
  assert_int_equal(read_newest(image, 900), 5);
  for (size_t bit = 0; bit < len * 8; bit++) {
    data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    must_be_refused(data, len, "damaged");
    data[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  for (size_t cut = 0; cut < len; cut++) {
    must_be_refused(data, cut, "damaged");
  }
  must_be_refused(data, len + 1, "damaged");
  printf("%zu bits, %zu lengths\n", len * 8, len + 1);
}

/* Blocks that were exchanged are right by themselves. */
static void test_journal_snapshot_file_exchanged_blocks_are_found(void **state) {
  (void)state;
  static uint8_t data[3 * MIB], other[MIB];
  begin();
  must_write(5, 2 * MIB, MIB);
  size_t len = load("snapshot-5", data, sizeof data);
  uint8_t *blocks = data + 80, *checksums = data + len - 16;
  uint8_t checksum[8];
  memcpy(other, blocks, MIB);
  memcpy(blocks, blocks + MIB, MIB);
  memcpy(blocks + MIB, other, MIB);
  memcpy(checksum, checksums, 8);
  memcpy(checksums, checksums + 8, 8);
  memcpy(checksums + 8, checksum, 8);
  must_be_refused(data, len, "damaged");
}

static void test_journal_snapshot_file_under_another_name_is_refused(void **state) {
  (void)state;
  static uint8_t data[4096];
  begin();
  must_write(6, 900, 100);
  must_be_refused(data, load("snapshot-6", data, sizeof data), "damaged");
}

/* ---- crashes */

/* Two snapshots; the former one goes when there is a newer one. Operations before which 5 and 9 are durable. */
static size_t durable_at[2];

static void run_script(size_t len) {
  must_write(5, len, 700);
  durable_at[0] = faulty_disk_operations();
  must_write(9, len, 700);
  durable_at[1] = faulty_disk_operations();
  snapshot_file_remove_older(directory, 9);
}

static void check_image(size_t n, enum disk_loss loss, struct random *random, size_t len) {
  faulty_disk_clear_directory(image);
  faulty_disk_make_image(n, loss, random, image);
  uint64_t newest = read_newest(image, len);
  uint64_t least = n >= durable_at[1] ? 9 : n >= durable_at[0] ? 5 : 0;
  if (newest < least) {
    fail_msg("after operation %zu, loss %d: %llu, not %llu", n, loss, (unsigned long long)newest,
             (unsigned long long)least);
  }
}

static void test_journal_snapshot_file_crash_after_each_operation(void **state) {
  (void)state;
  struct random random = {seed};
  size_t len = 20000;
  begin();
  run_script(len);
  size_t operations = faulty_disk_operations();
  for (size_t n = 0; n <= operations; n++) {
    check_image(n, DISK_LOSES_NOTHING, &random, len);
    check_image(n, DISK_LOSES_ALL, &random, len);
  }
  const char *given = getenv("HOLDFAST_IMAGES");
  unsigned long images = given ? strtoul(given, NULL, 0) : 2000;
  for (unsigned long i = 0; i < images; i++) {
    check_image(random_below(&random, operations + 1), DISK_LOSES_SOME, &random, len);
  }
  printf("%zu operations: a crash after each; %lu random images of a lost cache\n", operations,
         images);
}

/* ---- calls that fail */

static void test_journal_snapshot_file_each_call_fails(void **state) {
  (void)state;
  enum disk_fault faults[] = {DISK_FAILS, DISK_IS_SHORT, DISK_IS_FULL, DISK_IS_BROKEN};
  size_t len = MIB + 5, tried = 0;
  for (size_t i = 0; i < 4; i++) {
    for (size_t n = 1;; n++) {
      char error[SNAPSHOT_ERROR_BYTES] = "";
      begin();
      must_write(5, len, len);
      faulty_disk_fail(n, faults[i]);
      bool is_written = write_snapshot(9, len, len, error);
      bool has_failed = faulty_disk_has_failed();
      faulty_disk_fail(0, DISK_FINE);
      if (!has_failed) {
        assert_true(is_written);
        break;
      }
      tried++;
      assert_true(is_written || strstr(error, "snapshot-9") != NULL);
      assert_int_equal(is_written, error[0] == 0);
      uint64_t newest = read_newest(directory, len);
      if (faults[i] != DISK_IS_BROKEN || newest != 9) { /* an entry can't be removed then */
        assert_int_equal(newest, is_written ? 9 : 5);
      }
    }
  }
  printf("%zu failures\n", tried);
}

int main(int argc, char **argv) {
  seed = random_seed(argc, argv);
  struct random random = {seed};
  for (size_t i = 0; i < sizeof content; i++) {
    content[i] = (uint8_t)random_next(&random);
  }
  faulty_disk_make_directory(directory);
  faulty_disk_make_directory(image);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_journal_snapshot_file_round_trip),
      cmocka_unit_test(test_journal_snapshot_file_older_ones_are_removed),
      cmocka_unit_test(test_journal_snapshot_file_damage_is_found),
      cmocka_unit_test(test_journal_snapshot_file_exchanged_blocks_are_found),
      cmocka_unit_test(test_journal_snapshot_file_under_another_name_is_refused),
      cmocka_unit_test(test_journal_snapshot_file_crash_after_each_operation),
      cmocka_unit_test(test_journal_snapshot_file_each_call_fails),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  faulty_disk_end();
  faulty_disk_remove_directory(directory);
  faulty_disk_remove_directory(image);
  return failed;
}
