/* The log to readers that do not read: a pipe, and a file that may not grow. */
#include "proto/base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define LINES 300
#define FLUSH_MS 2000
#define TEXT_BYTES (1 << 20)

static int saved; /* standard error of the test */
static char text[TEXT_BYTES];

static int save(void **state) {
  (void)state;
  saved = dup(STDERR_FILENO);
  alarm(20); /* what never blocks does not need it */
  return 0;
}

static int restore(void **state) {
  (void)state;
  dup2(saved, STDERR_FILENO);
  close(saved);
  alarm(0);
  return 0;
}

/* The number of whole lines, without those that count dropped ones.
 * out  dropped  the sum of those counts */
static int count_lines(int *dropped) {
  int count = 0;
  *dropped = 0;
  for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
    const char *marker = strstr(line, "log lines dropped count=");
    int more;
    assert_int_equal(line[4], '-');
    if (marker != NULL && marker < end) {
      assert_int_equal(sscanf(marker, "log lines dropped count=%d", &more), 1);
      *dropped += more;
    } else {
      assert_true(strncmp(end - 3, "end", 3) == 0);
      count++;
    }
  }
  return count;
}

/* Reads until LINES lines came or are reported as dropped, which a writer that keeps up at times
 * does more than once, or until the pipe's other end is closed. The lines that came. */
static int read_lines(int fd, int *dropped) {
  size_t len = 0;
  ssize_t got;
  int count = 0;
  *dropped = 0;
  while (count + *dropped < LINES && (got = read(fd, text + len, sizeof text - 1 - len)) > 0) {
    len += (size_t)got;
    text[len] = '\0';
    count = count_lines(dropped);
  }
  return count;
}

static void say(int from, int to) {
  for (int i = from; i < to; i++) {
    log_line(LOG_INFO, "number=%d padding=%0100d end", i, i);
  }
}

static void test_full_pipe_drops_and_counts(void **state) {
  int pipes[2];
  (void)state;
  assert_int_equal(pipe(pipes), 0);
  dup2(pipes[1], STDERR_FILENO);
  int room = fcntl(pipes[1], F_SETPIPE_SZ, 4096);
  assert_int_equal(room, 4096);
  assert_true(log_start());
  say(0, LINES); /* returns although nothing reads */
  int dropped;
  int count = read_lines(pipes[0], &dropped);
  assert_in_range(count, LOG_LINES_MAX, LOG_LINES_MAX + 4096 / 100 + 1);
  assert_int_equal(count + dropped, LINES);
  say(0, 1); /* and the log goes on */
  assert_true(read(pipes[0], text, sizeof text) > 0);
  say(0, LINES);
  log_stop(20); /* in vain: the writer is left behind, and ends when it can */
  count = read_lines(pipes[0], &dropped);
  assert_int_equal(count + dropped, LINES);
  log_stop(FLUSH_MS);
  close(pipes[0]);
  close(pipes[1]);
}

static void test_stop_waits_for_the_writer(void **state) {
  int pipes[2];
  (void)state;
  assert_int_equal(pipe(pipes), 0);
  dup2(pipes[1], STDERR_FILENO);
  close(pipes[1]);
  assert_true(log_start());
  say(0, LINES);
  log_stop(FLUSH_MS);
  dup2(saved, STDERR_FILENO);
  int dropped;
  int count = read_lines(pipes[0], &dropped);
  assert_int_equal(count + dropped, LINES);
  close(pipes[0]);
}

static void test_file_that_may_not_grow(void **state) {
  struct rlimit before, limit;
  char name[] = "/tmp/holdfast-log-XXXXXX";
  (void)state;
  int fd = mkstemp(name);
  assert_true(fd >= 0);
  unlink(name);
  signal(SIGXFSZ, SIG_IGN);
  getrlimit(RLIMIT_FSIZE, &before);
  limit = (struct rlimit){1000, before.rlim_max};
  fcntl(fd, F_SETFL, O_APPEND);
  dup2(fd, STDERR_FILENO);
  setrlimit(RLIMIT_FSIZE, &limit);
  assert_true(log_start());
  say(0, 20);
  log_stop(FLUSH_MS);
  assert_int_equal(lseek(fd, 0, SEEK_END), 1000);
  setrlimit(RLIMIT_FSIZE, &before); /* there is room again */
  assert_true(log_start());
  say(20, 21);
  say(21, 22);
  log_stop(FLUSH_MS);
  dup2(saved, STDERR_FILENO);
  ssize_t len = pread(fd, text, sizeof text - 1, 0);
  assert_true(len > 1000);
  text[len] = '\0';
  assert_int_equal(text[1000], '\n'); /* the next line does not continue the half one */
  assert_non_null(strstr(text + 1000, "log lines dropped count="));
  close(fd);
}

static void test_long_line_is_cut(void **state) {
  int pipes[2];
  static char longer[4 * LOG_LINE_BYTES_MAX];
  (void)state;
  memset(longer, 'x', sizeof longer - 1);
  assert_int_equal(pipe(pipes), 0);
  dup2(pipes[1], STDERR_FILENO);
  close(pipes[1]);
  log_line(LOG_ERROR, "%s", longer); /* without a writer */
  dup2(saved, STDERR_FILENO);
  ssize_t len = read(pipes[0], text, sizeof text);
  assert_in_range(len, LOG_LINE_BYTES_MAX - 2, LOG_LINE_BYTES_MAX);
  assert_int_equal(text[len - 1], '\n');
  close(pipes[0]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_full_pipe_drops_and_counts, save, restore),
      cmocka_unit_test_setup_teardown(test_stop_waits_for_the_writer, save, restore),
      cmocka_unit_test_setup_teardown(test_file_that_may_not_grow, save, restore),
      cmocka_unit_test_setup_teardown(test_long_line_is_cut, save, restore),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
