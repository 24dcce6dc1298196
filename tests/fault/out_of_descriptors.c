/* Clients take all descriptors of a server with --data that they are given: it has kept enough back for its journal,
 * its snapshots and a backup. When there is none at all, it goes on as soon as there are some, and has lost nothing.
 */
#include <holdfast/holdfast.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/descriptors.h"
#include "proto/local_handshake.h"
#include "proto/sp.h"
#include "tests/fault/attacker.h"
#include "tests/fault/crowd.h"
#include "tests/support/daemon.h"
#include "tests/support/directory.h"

#define CALL_TIMEOUT_MS 1000
#define LATER_TIMEOUT_MS 10000
#define VALUE_BYTES 20000
#define SETS_MAX 1000 /* much more than makes a snapshot due */
#define FEW_DESCRIPTORS 64
#define CROWD 100 /* of each kind; the server has room for fewer of all */
#define SETS 500
#define CREEPS 10
#define ACCEPT_PAUSE_US 150000 /* more than between two looks of a listener */
#define FIRST_KEPT (FEW_DESCRIPTORS - DESCRIPTORS_KEPT)

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

/* ---- clients that take what they get */

static int dial_ipc(const char *suffix, int type) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int len = snprintf(address.sun_path, sizeof address.sun_path, "%s%s",
                     server.ipc_url + strlen("ipc://"), suffix);
  assert_in_range(len, 1, sizeof address.sun_path - 1);
  int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  (void)!connect(fd, (const struct sockaddr *)&address, sizeof address); /* the queue may be full */
  return fd;
}

/* Over tcp, ipc or the local handshake. One whom the server has no descriptor for waits, or is closed. */
static int dial(size_t kind) {
  static const uint8_t hello[SP_HELLO_BYTES] = {0, 'S', 'P', 0, 0, SP_REQ, 0, 0};
  if (kind == 2) {
    return dial_ipc(HANDSHAKE_SUFFIX, SOCK_SEQPACKET);
  }
  int fd = kind == 0 ? attacker_dial(server.tcp_port) : dial_ipc("", SOCK_STREAM);
  (void)!send(fd, hello, sizeof hello, MSG_NOSIGNAL);
  return fd;
}

static void crowd_in(int crowd[3 * CROWD]) {
  for (size_t i = 0; i < 3 * CROWD; i++) {
    crowd[i] = dial(i % 3);
  }
}

static bool is_socket(int fd) {
  char path[64], target[64] = "";
  snprintf(path, sizeof path, "/proc/%ld/fd/%d", (long)server.pid, fd);
  return readlink(path, target, sizeof target - 1) > 0 && strncmp(target, "socket:", 7) == 0;
}

/* Those that are the server's own, and a client has. */
static size_t count_lost(void) {
  size_t count = 0;
  for (int fd = FIRST_KEPT; fd < FEW_DESCRIPTORS; fd++) {
    count += is_socket(fd);
  }
  return count;
}

/* What is accepted beyond is closed a moment later. */
static void expect_none_lost(void) {
  int64_t end_ms = attacker_now_ms() + CALL_TIMEOUT_MS;
  size_t lost;
  do {
    usleep(ACCEPT_PAUSE_US);
    lost = count_lost();
  } while (lost > 0 && attacker_now_ms() < end_ms);
  assert_int_equal(lost, 0);
}

static size_t count_descriptors(void) {
  char path[64];
  size_t count = 0;
  for (int fd = 0; fd < FEW_DESCRIPTORS; fd++) {
    snprintf(path, sizeof path, "/proc/%ld/fd/%d", (long)server.pid, fd);
    count += access(path, F_OK) == 0;
  }
  return count;
}

static bool count_bytes(void *count, const void *part, size_t len) {
  (void)part;
  *(size_t *)count += len;
  return true;
}

/* Changes that make snapshots due, and a backup. */
static void use_the_journal(hf_conn *conn, hf_dict *dict) {
  struct hf_server_info info;
  size_t backup_bytes = 0;
  int64_t begin_ms = attacker_now_ms();
  for (int64_t i = 0; i < SETS; i++) {
    crowd_expect_ok(set(dict, i), "set");
  }
  int64_t ms = attacker_now_ms() - begin_ms;
  crowd_expect_ok(hf_server_backup(conn, count_bytes, &backup_bytes), "backup");
  crowd_expect_ok(hf_server_info(conn, &info), "info");
  print_message(
      "  %d sets in %lld ms; %zu descriptors of %d; bytes of the snapshot %llu, of a backup %zu\n",
      SETS, (long long)ms, count_descriptors(), FEW_DESCRIPTORS,
      (unsigned long long)info.journal.snapshot_bytes, backup_bytes);
  assert_true(info.journal.snapshot_bytes > 0);
  assert_true(backup_bytes > 0);
}

static void start_with_few(void) {
  struct rlimit before;
  directory_make(directory);
  daemon_start(&server, data);
  limit_descriptors(FEW_DESCRIPTORS, &before);
}

static void test_clients_leave_the_journal_its_descriptors(void **state) {
  (void)state;
  hf_conn *conn;
  static int crowd[3 * CROWD];
  start_with_few();
  hf_dict *dict = open_dict(&conn, LATER_TIMEOUT_MS);
  crowd_in(crowd);
  expect_none_lost();
  use_the_journal(conn, dict);
  for (size_t i = 0; i < 3 * CROWD; i++) {
    close(crowd[i]);
  }
  hf_dict_close(dict);
  hf_close(conn);
  daemon_stop(&server);
  directory_remove(directory);
}

/* Until the next client would get one that is the server's own. */
static size_t fill(int clients[FEW_DESCRIPTORS]) {
  size_t count = 0;
  rlim_t next;
  while ((next = lowest_free_descriptor()) < FIRST_KEPT) {
    assert_in_range(count, 0, FEW_DESCRIPTORS - 1);
    clients[count++] = dial(1);
    for (int i = 0; i < CALL_TIMEOUT_MS && lowest_free_descriptor() == next; i++) {
      usleep(1000);
    }
  }
  return count;
}

/* Two listeners see the same free descriptor, and each has a client: again and again. */
static void test_clients_do_not_creep_up(void **state) {
  (void)state;
  int clients[FEW_DESCRIPTORS] = {0}, others[CREEPS];
  start_with_few();
  size_t count = fill(clients);
  assert_true(count >= CREEPS);
  for (size_t i = 0; i < CREEPS; i++) {
    others[i] = dial(0);
    expect_none_lost();
    close(clients[i]);
    usleep(ACCEPT_PAUSE_US);
    clients[i] = dial(1);
    usleep(ACCEPT_PAUSE_US);
  }
  for (size_t i = 0; i < count; i++) {
    close(clients[i]);
  }
  for (size_t i = 0; i < CREEPS; i++) {
    close(others[i]);
  }
  daemon_stop(&server);
  directory_remove(directory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_clients_leave_the_journal_its_descriptors),
      cmocka_unit_test(test_clients_do_not_creep_up),
      cmocka_unit_test(test_the_journal_waits_for_descriptors),
  };
  return cmocka_run_group_tests_name("fault.out_of_descriptors", tests, NULL, NULL);
}
