/* Snapshots whose process is a shell's script: what is left of it in the directory, and what the log says. And one of
 * a real state that can't be written. */
#include "proto/base/clock.h"
#include "server/journal/data_directory.h"
#include "server/journal/snapshot_taking.h"
#include "server/journal/snapshots.h"
#include "tests/support/directory.h"
#include "tests/support/durable.h"
#include "tests/support/messages.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define STEP_US 1000
#define STEPS_MAX 10000
#define LOG_BYTES 16384

static char directory[DIRECTORY_PATH_BYTES];
static struct snapshots snapshots;
static int standard_error; /* the process's own */
static unsigned truncations;
static uint64_t ahead_ns; /* of the clock */

/* ---- around it */

uint64_t __real_clock_now_ns(void);
uint64_t __wrap_clock_now_ns(void);

uint64_t __wrap_clock_now_ns(void) {
  return __real_clock_now_ns() + ahead_ns;
}

static void in_directory(char path[PATH_MAX], const char *name) {
  snprintf(path, PATH_MAX, "%s/%s", directory, name);
}

static void write_file(const char *name, const char *text, mode_t mode) {
  char path[PATH_MAX];
  in_directory(path, name);
  FILE *file = fopen(path, "we");
  assert_non_null(file);
  fputs(text, file);
  assert_int_equal(fclose(file), 0);
  assert_int_equal(chmod(path, mode), 0);
}

static bool has_file(const char *name) {
  char path[PATH_MAX];
  in_directory(path, name);
  return access(path, F_OK) == 0;
}

static bool log_has(const char *words) {
  static char text[LOG_BYTES];
  char path[PATH_MAX];
  in_directory(path, "log");
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t len = read(fd, text, sizeof text - 1);
  close(fd);
  text[len > 0 ? len : 0] = '\0';
  return strstr(text, words) != NULL;
}

static bool cut(struct journal_backend *backend) {
  (void)backend;
  return true;
}

static bool truncate_below(struct journal_backend *backend, uint64_t below) {
  (void)backend;
  (void)below;
  truncations++;
  return true;
}

static void ignore_wake(void *ctx) {
  (void)ctx;
}

static void step(uint64_t bytes, uint64_t committed) {
  static const struct journal_ops ops = {.cut = cut, .truncate = truncate_below};
  struct journal_backend backend = {.ops = &ops};
  const struct snapshots_journal journal = {.bytes = bytes, .committed = committed};
  (void)snapshots_step(&snapshots, &backend, &journal);
}

/* Its arguments: --compact DIRECTORY THROUGH. */
static void begin(const char *script) {
  static char program[PATH_MAX];
  write_file("program", script, 0700);
  in_directory(program, "program");
  truncations = 0;
  assert_true(snapshots_start(&snapshots, program, directory, 1000, 0, ignore_wake, NULL));
  step(0, 0);
}

static void await_end(uint64_t bytes, uint64_t committed) {
  int steps = 0;
  for (; snapshots_are_under_way(&snapshots); steps++) {
    if (steps == STEPS_MAX) {
      fail_msg("the snapshot does not end");
    }
    usleep(STEP_US);
    step(bytes, committed);
  }
}

static int set_up(void **state) {
  char path[PATH_MAX];
  (void)state;
  directory_make(directory);
  in_directory(path, "log");
  int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  standard_error = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  return log >= 0 && dup2(log, STDERR_FILENO) == STDERR_FILENO && close(log) == 0 ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  snapshots_stop(&snapshots);
  directory_remove(directory);
  bool is_back = dup2(standard_error, STDERR_FILENO) == STDERR_FILENO;
  return is_back && close(standard_error) == 0 ? 0 : -1;
}

/* ---- tests */

static void test_snapshots_one_that_is_killed_leaves_nothing(void **state) {
  (void)state;
  begin("#!/bin/sh\n: >\"$2/snapshot-$3.new\"\nkill -9 $$\n");
  snapshots_request(&snapshots);
  step(0, 7);
  await_end(0, 7);
  assert_false(has_file("snapshot-7.new"));
  assert_true(log_has("can't make a snapshot reason=\"its process was ended by signal 9"));
  assert_true(log_has("no snapshot was made"));
}

/* Reads until they are there, or in the log, which the process has again. */
static bool await_words(int in, const char *words) {
  char text[4096];
  for (int steps = 0; steps < STEPS_MAX; steps++) {
    ssize_t len = read(in, text, sizeof text);
    if ((len > 0 && memmem(text, (size_t)len, words, strlen(words))) || log_has(words)) {
      return true;
    }
    usleep(len > 0 ? 0 : STEP_US);
  }
  return false;
}

/* The log is a pipe that is full. */
static void test_snapshots_one_that_fails_waits_for_no_reader_of_the_log(void **state) {
  static const char line[4096];
  int ends[2], log = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  (void)state;
  assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  while (write(ends[1], line, sizeof line) > 0) {
  }
  assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
  assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
  begin(
      "#!/bin/sh\nyes text | head -c 200000 >&2\necho 'there is no room' >&2\n"
      ": >\"$2/ended\"\nexit 1\n");
  snapshots_request(&snapshots);
  step(0, 7);
  for (int steps = 0; !has_file("ended") && steps < STEPS_MAX; steps++) {
    usleep(STEP_US);
  }
  bool has_ended = has_file("ended");
  assert_int_equal(dup2(log, STDERR_FILENO), STDERR_FILENO);
  close(log);
  bool is_said = has_ended && await_words(ends[0], "snapshot reason=\"there is no room\"");
  close(ends[0]); /* what still writes there is ended */
  close(ends[1]);
  assert_true(has_ended);
  assert_true(is_said);
  await_end(0, 7);
}

static void test_snapshots_what_was_left_of_parts_is_removed_at_the_start(void **state) {
  static const char *const names[] = {"journal-7.sqlite.new", "journal-7.sqlite.new-wal",
                                      "journal-9.sqlite.new-shm", "journal-9.sqlite.new-journal"};
  static const char *const others[] = {"journal-7.sqlite", "journal-7.sqlite-wal", "journal.new"};
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    write_file(names[i], "", 0600);
  }
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    write_file(others[i], "", 0600);
  }
  begin("#!/bin/sh\nexit 1\n");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    assert_false(has_file(names[i]));
  }
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    assert_true(has_file(others[i]));
  }
}

/* Nothing is removed then, but a start has no more to replay. */
static void test_snapshots_are_made_while_a_backup_stands_still(void **state) {
  (void)state;
  int backup = data_directory_keep(directory);
  assert_true(backup >= 0);
  begin("#!/bin/sh\n: >\"$2/snapshot-$3\"\necho $3\n");
  step(1500, 7);
  await_end(1500, 7);
  assert_int_equal(snapshots.index, 7);
  step(2400, 9); /* of which 1500 are in the snapshot */
  assert_false(snapshots_are_under_way(&snapshots));
  step(2500, 9);
  await_end(2500, 9);
  assert_int_equal(snapshots.index, 9);
  assert_int_equal(truncations, 0);
  assert_false(log_has("are kept"));
  ahead_ns += KEPT_LOG_MS * CLOCK_NS_PER_MS;
  step(2600, 10);
  assert_true(log_has("obsolete parts of the journal are kept reason=\"a backup has read them"));
  close(backup);
  step(2600, 10);
  assert_int_equal(truncations, 1);
  assert_false(has_file("snapshot-7"));
  assert_true(has_file("snapshot-9"));
}

static hf_reason set_large(struct durable *durable) {
  static uint8_t bytes[2 * SNAPSHOT_LEAVES_BYTES];
  Holdfast__Value value = {.base = PROTOBUF_C_MESSAGE_INIT(&holdfast__value__descriptor),
                           .kind_case = HOLDFAST__VALUE__KIND_BYTES,
                           .bytes = {sizeof bytes, bytes}};
  return durable_ask(durable, 1,
                     IN("d", DICT_SET, DictSet, dict_set, .key = TEXT("k"), .value = &value));
}

/* No file may be longer than a part of it. */
static void test_snapshots_the_reason_has_the_error_of_the_write(void **state) {
  static struct durable durable;
  static const struct rlimit less = {SNAPSHOT_LEAVES_BYTES, RLIM_INFINITY};
  struct rlimit before;
  char error[SNAPSHOT_ERROR_BYTES] = "";
  (void)state;
  durable_begin(&durable, NULL);
  durable_connect(&durable, 1, false, "");
  assert_int_equal(durable_ask(&durable, 1,
                               REQUEST(OBJECT_OPEN, ObjectOpen, object_open,
                                       .kind = HOLDFAST__KIND__DICT, .name = DATA("d"))),
                   HF_REASON_NONE);
  assert_int_equal(set_large(&durable), HF_REASON_NONE);
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &less), 0);
  const struct snapshot_point point = {.index = 77, .epoch = 1};
  bool is_taken =
      snapshot_take(durable.directory, durable.recovered.engine, &point, CLOCK_NEVER, error);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  assert_false(is_taken);
  assert_non_null(strstr(error, "snapshot-77.new: File too large"));
  durable_end(&durable);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_snapshots_one_that_is_killed_leaves_nothing, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_snapshots_one_that_fails_waits_for_no_reader_of_the_log,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_snapshots_are_made_while_a_backup_stands_still, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_snapshots_what_was_left_of_parts_is_removed_at_the_start,
                                      set_up, tear_down),
      cmocka_unit_test(test_snapshots_the_reason_has_the_error_of_the_write),
  };
  return cmocka_run_group_tests_name("unit.snapshots", tests, NULL, NULL);
}
