/* Clients have used up the descriptors of a server with --data, when it has to open files of its journal: it goes on as
 * soon as there are some, and has lost nothing.
 */
#include <holdfast/holdfast.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/daemon.h"
#include "tests/support/directory.h"

#define CALL_TIMEOUT_MS 1000
#define LATER_TIMEOUT_MS 10000
#define VALUE_BYTES 20000
#define SETS_MAX 1000 /* much more than makes a snapshot due */

static struct daemon server;
static char directory[DIRECTORY_PATH_BYTES];
static const char *const data[] = {"--data", directory, "--snapshot-min", "1M", NULL};

static hf_dict *open_dict(hf_conn **conn, int64_t timeout_ms) {
  const struct hf_options options = {.call_timeout_ms = timeout_ms};
  hf_dict *dict;
  assert_int_equal(hf_connect(server.ipc_url, &options, conn), HF_OK);
  assert_int_equal(hf_dict_open(*conn, "d", &dict), HF_OK);
  return dict;
}

static rlim_t lowest_free_descriptor(void) {
  char path[64];
  rlim_t fd = 0;
  do {
    snprintf(path, sizeof path, "/proc/%ld/fd/%llu", (long)server.pid, (unsigned long long)fd++);
  } while (access(path, F_OK) == 0);
  return fd - 1;
}

static void limit_descriptors(rlim_t count, struct rlimit *before) {
  assert_int_equal(prlimit(server.pid, RLIMIT_NOFILE, NULL, before), 0);
  const struct rlimit limit = {count, before->rlim_max};
  assert_int_equal(prlimit(server.pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

static hf_status set(hf_dict *dict, int64_t key) {
  static const char value[VALUE_BYTES];
  return hf_dict_set(dict, hf_int(key), hf_bytes(value, sizeof value));
}

static void test_the_journal_waits_for_descriptors(void **state) {
  (void)state;
  struct rlimit before;
  hf_conn *conn, *later;
  int64_t sets = 0;
  uint64_t count;
  directory_make(directory);
  daemon_start(&server, data);
  hf_dict *dict = open_dict(&conn, CALL_TIMEOUT_MS);
  limit_descriptors(lowest_free_descriptor(), &before);
  while (sets < SETS_MAX && set(dict, sets) == HF_OK) {
    sets++;
  }
  assert_in_range(sets, 1, SETS_MAX - 1);
  assert_int_equal(waitpid(server.pid, NULL, WNOHANG), 0);
  assert_int_equal(prlimit(server.pid, RLIMIT_NOFILE, &before, NULL), 0);
  hf_dict *same = open_dict(&later, LATER_TIMEOUT_MS);
  assert_int_equal(set(same, -1), HF_OK);
  daemon_kill(&server);
  daemon_restart(&server, data);
  assert_int_equal(hf_dict_len(same, &count), HF_OK);
  print_message("  %lld sets were acknowledged, then one was not, then one; %llu are there\n",
                (long long)sets, (unsigned long long)count);
  assert_in_range(count, (uint64_t)sets + 1, (uint64_t)sets + 2);
  hf_dict_close(same);
  hf_dict_close(dict);
  hf_close(later);
  hf_close(conn);
  daemon_stop(&server);
  directory_remove(directory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_journal_waits_for_descriptors),
  };
  return cmocka_run_group_tests_name("fault.out_of_descriptors", tests, NULL, NULL);
}
