/* Backups of a server under load: each is restored into a new directory, and a server on that has what was
 * acknowledged before the backup began, nothing that was begun after it ended, and the same sum as ever.
 * Snapshots are made all the time. Half of the backups are fetched by a client, half made beside the server.
 *
 * usage: backup [--rounds N] [SEED]     one backup a round, 6 by default
 */
#include <ftw.h>
#include <getopt.h>
#include <holdfast/holdfast.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/crowd.h"
#include "tests/support/daemon.h"
#include "tests/support/random.h"

#define WRITERS 4
#define ACCOUNTS 8
#define BALANCE 1000
#define FIRST_MS 400
#define UP_TO_MS 300 /* between two backups */
#define END_MS 30000
#define CALL_TIMEOUT_MS 20000

/* In memory of all processes. */
struct board {
  atomic_bool stop;
  atomic_ullong begun[WRITERS], done[WRITERS]; /* steps; done ones are acknowledged */
};

static int rounds = 6;
static uint64_t seed;
static struct random randomness;
static struct board *board;
static struct daemon server;
static char directory[] = "/tmp/holdfast-backup-XXXXXX";
static char data[64], restored[64], file[64];
static const char *const with_data[] = {"--data", data, "--snapshot-min", "65536", NULL};
static const char *const with_restored[] = {"--data", restored, NULL};
static uint64_t steps_in_backups;

/* ---- writers */

/* From one account to another, and a step of the writer's own. */
static hf_status transfer(hf_conn *conn, hf_dict *accounts, hf_dict *steps, int writer,
                          struct random *chance) {
  int64_t amount = (int64_t)random_below(chance, 50);
  hf_status status = hf_transaction_begin(conn);
  if (status != HF_OK) {
    return status;
  }
  hf_kept(hf_dict_add(accounts, hf_int((int64_t)random_below(chance, ACCOUNTS)), hf_int(-amount),
                      NULL));
  hf_kept(
      hf_dict_add(accounts, hf_int((int64_t)random_below(chance, ACCOUNTS)), hf_int(amount), NULL));
  hf_kept(hf_dict_add(steps, hf_int(writer), hf_int(1), NULL));
  return hf_transaction_commit(conn, 0, NULL);
}

static int write_often(const char *url, int idx, void *arg) {
  (void)arg;
  hf_conn *conn = crowd_connect(url, 0, CALL_TIMEOUT_MS);
  struct random chance = {seed + (uint64_t)idx};
  hf_dict *accounts, *steps;
  if (hf_dict_open(conn, "accounts", &accounts) != HF_OK ||
      hf_dict_open(conn, "steps", &steps) != HF_OK) {
    return crowd_fail("open", idx);
  }
  while (!atomic_load(&board->stop)) {
    atomic_fetch_add(&board->begun[idx], 1);
    if (transfer(conn, accounts, steps, idx, &chance) != HF_OK) {
      return crowd_fail("transfer", idx);
    }
    atomic_fetch_add(&board->done[idx], 1);
  }
  return CROWD_DONE;
}

static void fill_accounts(void) {
  hf_conn *conn;
  hf_dict *accounts;
  crowd_expect_ok(hf_connect(server.ipc_url, NULL, &conn), "connect");
  crowd_expect_ok(hf_dict_open(conn, "accounts", &accounts), "open");
  for (int i = 0; i < ACCOUNTS; i++) {
    crowd_expect_ok(hf_dict_set(accounts, hf_int(i), hf_int(BALANCE)), "set");
  }
  hf_dict_close(accounts);
  hf_close(conn);
}

/* ---- a backup and what is in it */

static int run(const char *const *arguments) {
  pid_t pid;
  int status;
  assert_int_equal(posix_spawn(&pid, arguments[0], NULL, NULL, (char **)arguments, environ), 0);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool write_part(void *out, const void *part, size_t len) {
  return fwrite(part, 1, len, out) == len;
}

/* As "holdfast backup" does. */
static void fetch_backup(void) {
  hf_conn *conn;
  FILE *out = fopen(file, "we");
  assert_non_null(out);
  crowd_expect_ok(hf_connect(server.ipc_url, NULL, &conn), "connect");
  crowd_expect_ok(hf_server_backup(conn, write_part, out), "backup");
  hf_close(conn);
  assert_int_equal(fclose(out), 0);
}

static void make_backup(int round) {
  const char *const arguments[] = {daemon_program(), "--data", data, "--backup", file, NULL};
  if (round % 2 == 0) {
    fetch_backup();
  } else {
    assert_int_equal(run(arguments), 0);
  }
}

static int64_t read_number(hf_dict *dict, int key) {
  hf_value value;
  if (hf_dict_get(dict, hf_int(key), &value) != HF_OK) {
    return 0;
  }
  int64_t number = value.integer;
  hf_value_clear(&value);
  return number;
}

static void check_restored(const struct daemon *other, const uint64_t *least,
                           const uint64_t *most) {
  hf_conn *conn;
  hf_dict *accounts, *steps;
  int64_t sum = 0;
  crowd_expect_ok(hf_connect(other->ipc_url, NULL, &conn), "connect");
  crowd_expect_ok(hf_dict_open(conn, "accounts", &accounts), "open");
  crowd_expect_ok(hf_dict_open(conn, "steps", &steps), "open");
  for (int i = 0; i < ACCOUNTS; i++) {
    sum += read_number(accounts, i);
  }
  assert_int_equal(sum, ACCOUNTS * BALANCE);
  for (int i = 0; i < WRITERS; i++) {
    uint64_t done = (uint64_t)read_number(steps, i);
    if (done < least[i] || done > most[i]) {
      fail_msg("writer %d: %llu steps in the backup, %llu when it began, %llu when it ended", i,
               (unsigned long long)done, (unsigned long long)least[i], (unsigned long long)most[i]);
    }
    steps_in_backups += done;
  }
  hf_dict_close(accounts);
  hf_dict_close(steps);
  hf_close(conn);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status, (void)kind, (void)place;
  return remove(path);
}

static void back_up_and_restore(int round) {
  uint64_t least[WRITERS], most[WRITERS];
  struct daemon other;
  for (int i = 0; i < WRITERS; i++) {
    least[i] = atomic_load(&board->done[i]);
  }
  make_backup(round);
  for (int i = 0; i < WRITERS; i++) {
    most[i] = atomic_load(&board->begun[i]);
  }
  const char *const arguments[] = {daemon_program(), "--data", restored, "--restore", file, NULL};
  assert_int_equal(run(arguments), 0);
  daemon_start(&other, with_restored);
  check_restored(&other, least, most);
  daemon_stop(&other);
  assert_int_equal(nftw(restored, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static uint64_t snapshot_index(void) {
  struct hf_server_info info;
  hf_conn *conn;
  crowd_expect_ok(hf_connect(server.ipc_url, NULL, &conn), "connect");
  crowd_expect_ok(hf_server_info(conn, &info), "info");
  hf_close(conn);
  return info.journal.snapshot_index;
}

static void test_a_backup_is_a_consistent_prefix(void **state) {
  pid_t pids[WRITERS];
  uint64_t done = 0;
  (void)state;
  fill_accounts();
  for (int i = 0; i < WRITERS; i++) {
    pids[i] = crowd_start(write_often, server.ipc_url, i, NULL);
  }
  usleep(FIRST_MS * 1000);
  for (int round = 0; round < rounds; round++) {
    usleep((useconds_t)random_below(&randomness, (uint64_t)UP_TO_MS * 1000));
    back_up_and_restore(round);
    for (int i = 0; i < WRITERS; i++) {
      crowd_expect_running(pids[i]);
    }
  }
  atomic_store(&board->stop, true);
  for (int i = 0; i < WRITERS; i++) {
    assert_int_equal(crowd_wait(pids[i], END_MS), CROWD_DONE);
    done += atomic_load(&board->done[i]);
  }
  print_message("%d backups with %llu steps, of %llu at the end; the last snapshot: %llu\n", rounds,
                (unsigned long long)steps_in_backups, (unsigned long long)done,
                (unsigned long long)snapshot_index());
  assert_true(steps_in_backups > 0);
  assert_true(snapshot_index() > 0);
}

static int set_up(void **state) {
  (void)state;
  board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (board == MAP_FAILED || mkdtemp(directory) == NULL) {
    return -1;
  }
  snprintf(data, sizeof data, "%s/data", directory);
  snprintf(restored, sizeof restored, "%s/restored", directory);
  snprintf(file, sizeof file, "%s/file", directory);
  daemon_start(&server, with_data);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  daemon_stop(&server);
  return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(int argc, char **argv) {
  static const struct option known[] = {{"rounds", required_argument, NULL, 'r'}, {0}};
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_backup_is_a_consistent_prefix)};
  for (int letter; (letter = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    rounds = letter == 'r' ? atoi(optarg) : 0;
    if (rounds <= 0) {
      fprintf(stderr, "see the head of tests/fault/backup.c\n");
      return 2;
    }
  }
  seed = random_seed(argc - optind + 1, argv + optind - 1);
  randomness = (struct random){seed};
  return cmocka_run_group_tests_name("fault.backup", tests, set_up, tear_down);
}
