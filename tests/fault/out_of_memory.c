/* The machine's memory ends before --memory-max: a server with --data ends with a sentence, since what it would do
 * without memory nobody could repeat; started again it has all that was acknowledged. So does one that runs out while
 * it is loading. Without --data it refuses, and goes on.
 */
#include <holdfast/holdfast.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/daemon.h"
#include "tests/support/directory.h"

#define MORE_BYTES ((rlim_t)24 << 20) /* than it has when it starts */
#define VALUE_BYTES 2000              /* not large: stored under the engine's lock */
#define STORES_MAX (4 * (int64_t)MORE_BYTES / VALUE_BYTES)
#define CALL_TIMEOUT_MS 5000
#define END_MS 10000
#define EXIT_LOST 74
#define LOADED 100000 /* values, of much more than MORE_BYTES */
#define LOG_BYTES 16384

static struct daemon server;
static char directory[DIRECTORY_PATH_BYTES];

static hf_dict *open_dict(hf_conn **conn) {
  const struct hf_options options = {.call_timeout_ms = CALL_TIMEOUT_MS};
  hf_dict *dict;
  assert_int_equal(hf_connect(server.ipc_url, &options, conn), HF_OK);
  assert_int_equal(hf_dict_open(*conn, "d", &dict), HF_OK);
  return dict;
}

/* Little address space is left. */
static void limit_memory(void) {
  char path[64];
  unsigned long pages = 0;
  snprintf(path, sizeof path, "/proc/%ld/statm", (long)server.pid);
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  assert_int_equal(fscanf(file, "%lu", &pages), 1);
  fclose(file);
  rlim_t bytes = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + MORE_BYTES;
  const struct rlimit limit = {bytes, bytes};
  assert_int_equal(prlimit(server.pid, RLIMIT_AS, &limit, NULL), 0);
}

/* The first status that is not OK; how many were acknowledged before. */
static hf_status store_until_it_fails(hf_dict *dict, int64_t *stored) {
  static char value[VALUE_BYTES];
  hf_status status = HF_OK;
  for (*stored = 0; status == HF_OK && *stored < STORES_MAX; *stored += status == HF_OK) {
    status = hf_dict_set(dict, hf_int(*stored), hf_bytes(value, sizeof value));
  }
  return status;
}

static int await_exit(void) {
  int status = 0;
  for (int waited_ms = 0; waitpid(server.pid, &status, WNOHANG) != server.pid; waited_ms += 10) {
    if (waited_ms > END_MS) {
      fail_msg("the server goes on");
    }
    usleep(10000);
  }
  server.pid = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_a_journal_ends_with_the_memory(void **state) {
  (void)state;
  const char *const data[] = {"--data", directory, "--fsync", "never", NULL};
  hf_conn *conn;
  hf_dict *dict;
  int64_t stored;
  uint64_t count;
  directory_make(directory);
  daemon_start(&server, data);
  dict = open_dict(&conn);
  limit_memory();
  assert_int_not_equal(store_until_it_fails(dict, &stored), HF_OK);
  assert_int_equal(await_exit(), EXIT_LOST);
  hf_close(conn);
  daemon_restart(&server, data);
  dict = open_dict(&conn);
  assert_int_equal(hf_dict_len(dict, &count), HF_OK);
  print_message("  %lld stores were acknowledged, %llu are there\n", (long long)stored,
                (unsigned long long)count);
  assert_true(count >= (uint64_t)stored);
  hf_close(conn);
  daemon_stop(&server);
  directory_remove(directory);
}

static void test_without_a_journal_it_is_refused(void **state) {
  (void)state;
  hf_conn *conn;
  int64_t stored;
  daemon_start(&server, NULL);
  hf_dict *dict = open_dict(&conn);
  limit_memory();
  assert_int_not_equal(store_until_it_fails(dict, &stored), HF_OK);
  assert_int_equal(waitpid(server.pid, NULL, WNOHANG), 0);
  hf_close(conn);
  daemon_discard(&server);
}

static void expect_in_log(const char *path, const char *words, bool is_there) {
  static char text[LOG_BYTES];
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  text[fread(text, 1, sizeof text - 1, file)] = '\0';
  fclose(file);
  if ((strstr(text, words) != NULL) != is_there) {
    fail_msg("\"%s\" is %sin the log:\n%s", words, is_there ? "not " : "", text);
  }
}

/* What was acknowledged is all right: no line asks to give it up. */
static void test_a_start_without_memory_says_so(void **state) {
  (void)state;
  const char *const data[] = {"--data",         directory, "--fsync", "never",
                              "--snapshot-min", "1G",      NULL};
  static char value[VALUE_BYTES], log[DIRECTORY_PATH_BYTES + sizeof "/log"];
  hf_conn *conn;
  uint64_t count;
  directory_make(directory);
  snprintf(log, sizeof log, "%s/log", directory);
  daemon_start(&server, data);
  hf_dict *dict = open_dict(&conn);
  for (int64_t i = 0; i < LOADED; i++) {
    assert_int_equal(hf_dict_set(dict, hf_int(i), hf_bytes(value, sizeof value)), HF_OK);
  }
  hf_close(conn);
  daemon_kill(&server);
  fclose(fopen(log, "we"));
  daemon_log_to(log);
  daemon_restart(&server, data);
  limit_memory();
  assert_int_equal(await_exit(), EXIT_FAILURE);
  expect_in_log(log, "can't load the state reason=\"there is not enough memory\"", true);
  expect_in_log(log, "accept-loss-after", false);
  daemon_restart(&server, data);
  dict = open_dict(&conn);
  assert_int_equal(hf_dict_len(dict, &count), HF_OK);
  assert_int_equal(count, LOADED);
  hf_close(conn);
  daemon_stop(&server);
  directory_remove(directory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_start_without_memory_says_so),
      cmocka_unit_test(test_a_journal_ends_with_the_memory),
      cmocka_unit_test(test_without_a_journal_it_is_refused),
  };
  return cmocka_run_group_tests_name("fault.out_of_memory", tests, NULL, NULL);
}
