/* A server with --data is killed again and again at random moments and started again on the same
 * addresses; its clients go on. Half of them are steady (steady.h): no call of theirs may fail, and at
 * the end the server has exactly what they were answered. The others give calls up soon and do
 * everything at once (workload.h): their history must be explained by one server that does one thing
 * at a time (checker.h).
 *
 * usage: resume_after_kill [OPTIONS] [SEED]
 *   --rounds N     kills, 50 by default; each 200 of them have a server, clients and a history of their own
 *   --clients N    8 by default
 *   --transport T  tcp, ipc or tls; through shared memory with HOLDFAST_LOCAL=on
 *   --pause        the server is stopped and continued instead; needs no --data
 *   --programs P,P..  each start is of the next of these servers: each loads what the others wrote, and compares the
 *                  digest that every batch has of the state before it
 *   --broken-disk  its disk fails instead, and it ends by itself
 */
#include <getopt.h>
#include <holdfast/holdfast.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/attacker.h"
#include "tests/fault/broken_disk.h"
#include "tests/fault/checker.h"
#include "tests/fault/crowd.h"
#include "tests/fault/steady.h"
#include "tests/fault/workload.h"
#include "tests/support/daemon.h"
#include "tests/support/random.h"

#define ROUNDS 50
#define ROUNDS_EACH 200 /* of a server: histories have to be judged */
#define CLIENTS 8
#define FIRST_MS 1000   /* until all are connected */
#define UP_MS 700       /* the bound of the time that a server lives */
#define LONG_UP_MS 2500 /* of one in eight: clients that begin anew need some commits in a row */
#define AWAY_MS 150     /* and is away */
#define AT_ONCE_MS 30   /* of one that is killed while clients come back */
#define SNAPSHOT_EVERY 3
#define SNAPSHOT_MS 2000      /* that is waited for one at most */
#define OPERATIONS_MAX 200000 /* of a history */
#define END_MS 60000
#define PROGRAMS_MAX 4

static struct {
  int rounds, clients;
  uint64_t seed;
  const char *transport;
  bool pauses, breaks_disk;
  char *programs[PROGRAMS_MAX];
  unsigned programs_count;
} options = {.rounds = ROUNDS, .clients = CLIENTS, .transport = "tcp"};

static char histories[32], data[32];
static const char *const with_data[] = {"--data", data, NULL};
static struct daemon server;
static struct random randomness;
static unsigned starts_count;

static const char *const *server_arguments(void) {
  return options.pauses ? NULL : with_data;
}

static const char *server_url(void) {
  return strcmp(options.transport, "ipc") == 0 ? server.ipc_url : server.tcp_url;
}

static void sleep_up_to(uint64_t ms) {
  usleep((useconds_t)random_below(&randomness, ms * 1000));
}

/* For the next start. */
static void choose_program(void) {
  if (options.programs_count > 0) {
    setenv("HOLDFASTD", options.programs[starts_count % options.programs_count], 1);
  }
  starts_count++;
}

static void restart(void) {
  choose_program();
  daemon_restart(&server, server_arguments());
}

static void kill_and_start(void) {
  daemon_kill(&server);
  sleep_up_to(AWAY_MS);
  restart();
}

static void interrupt_server(void) {
  if (options.pauses) {
    kill(server.pid, SIGSTOP);
    sleep_up_to(AWAY_MS);
    kill(server.pid, SIGCONT);
    return;
  }
  if (options.breaks_disk) {
    broken_disk_end(&server, &randomness);
    restart();
    return;
  }
  kill_and_start();
}

/* It is being made when the server is killed, or its journal's files are being removed; or it was made. */
static void request_snapshot(void) {
  int64_t deadline_ms = attacker_now_ms() + (random_below(&randomness, 2) == 0 ? SNAPSHOT_MS : 0);
  struct hf_server_info before, now;
  hf_conn *conn;
  crowd_expect_ok(hf_connect(server_url(), NULL, &conn), "connect");
  crowd_expect_ok(hf_server_info(conn, &before), "server info");
  crowd_expect_ok(hf_server_snapshot(conn), "snapshot");
  do {
    usleep(1000);
    crowd_expect_ok(hf_server_info(conn, &now), "server info");
  } while (now.journal.snapshot_index == before.journal.snapshot_index &&
           attacker_now_ms() < deadline_ms);
  hf_close(conn);
}

static void run_rounds(const pid_t *pids) {
  for (int round = 0; round < options.rounds; round++) {
    uint64_t dice = random_below(&randomness, 8);
    sleep_up_to(dice < 2 ? AT_ONCE_MS : dice == 2 ? LONG_UP_MS : UP_MS);
    if (round % SNAPSHOT_EVERY == SNAPSHOT_EVERY - 1 && !options.pauses) {
      request_snapshot();
      sleep_up_to(options.breaks_disk ? AT_ONCE_MS : AWAY_MS);
    }
    for (int i = 0; i < options.clients; i++) {
      crowd_expect_running(pids[i]);
    }
    interrupt_server();
  }
}

static void print_batches(void) {
  struct hf_server_info info;
  hf_conn *conn;
  crowd_expect_ok(hf_connect(server_url(), NULL, &conn), "connect");
  crowd_expect_ok(hf_server_info(conn, &info), "server info");
  print_message("%llu batches, the newest snapshot of %llu; %u starts",
                (unsigned long long)info.journal.committed,
                (unsigned long long)info.journal.snapshot_index, starts_count);
  for (unsigned i = 0; i < options.programs_count; i++) {
    print_message("%s %s", i == 0 ? ", of" : ",", options.programs[i]);
  }
  print_message("\n");
  hf_close(conn);
}

static void judge(void) {
  static struct checker_report report;
  size_t count;
  assert_int_equal(workload_finish(server_url(), histories), CROWD_DONE);
  struct history_record *records = history_load(histories, &count);
  checker_run(records, count, &report);
  free(records);
  checker_print(&report);
  if (report.violations + report.undecided > 0) {
    print_message("the history is kept in %s\n", histories);
  } else {
    history_remove(histories);
  }
  assert_int_equal(report.undecided, 0);
  assert_int_equal(report.violations, 0);
}

static void test_clients_go_on_when_the_server_was_killed(void **state) {
  struct steady_board *board = steady_board_new(options.seed);
  struct workload workload = {.directory = histories,
                              .operations = OPERATIONS_MAX,
                              .seed = options.seed,
                              .stop = &board->stop};
  pid_t pids[2 * STEADY_CLIENTS_MAX] = {0};
  int steady_count = options.clients / 2, failed_count = 0;
  (void)state;
  int64_t begun_ms = attacker_now_ms();
  for (int i = 0; i < options.clients; i++) {
    bool is_steady = i < steady_count;
    pids[i] = crowd_start(is_steady ? steady_run : workload_run, server_url(), i,
                          is_steady ? (void *)board : (void *)&workload);
  }
  usleep(FIRST_MS * 1000);
  run_rounds(pids);
  sleep_up_to(UP_MS);
  atomic_store(&board->stop, true);
  for (int i = 0; i < options.clients; i++) {
    failed_count += crowd_wait(pids[i], END_MS) != CROWD_DONE ? 1 : 0;
  }
  print_message("%s: %d %s in %lld ms\n", options.transport, options.rounds,
                options.pauses        ? "pauses"
                : options.breaks_disk ? "broken disks"
                                      : "kills",
                (long long)(attacker_now_ms() - begun_ms));
  assert_int_equal(failed_count, 0);
  if (!options.pauses) {
    kill_and_start(); /* what was answered last is there too */
    print_batches();
  }
  if (options.breaks_disk) {
    broken_disk_print();
  }
  steady_verify(board, server_url(), steady_count);
  judge();
}

/* ---------------------------------------------------------------- around it */

static int set_up(void **state) {
  (void)state;
  snprintf(histories, sizeof histories, "/tmp/holdfast-history-XXXXXX");
  snprintf(data, sizeof data, "/tmp/holdfast-data-XXXXXX");
  if (mkdtemp(histories) == NULL || mkdtemp(data) == NULL) {
    return -1;
  }
  if (options.breaks_disk) {
    broken_disk_prepare(data);
  }
  choose_program();
  daemon_start(&server, server_arguments());
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  daemon_stop(&server);
  daemon_remove_data(data);
  return 0;
}

static bool read_programs(char *list) {
  char *rest;
  for (char *program = strtok_r(list, ",", &rest);
       program != NULL && options.programs_count < PROGRAMS_MAX;
       program = strtok_r(NULL, ",", &rest)) {
    options.programs[options.programs_count++] = program;
  }
  return options.programs_count > 0;
}

static bool read_option(int letter) {
  switch (letter) {
    case 'r':
      options.rounds = atoi(optarg);
      return options.rounds > 0;
    case 'c':
      options.clients = atoi(optarg);
      return options.clients >= 2 && options.clients <= 2 * STEADY_CLIENTS_MAX;
    case 't':
      options.transport = optarg;
      return strcmp(optarg, "tcp") == 0 || strcmp(optarg, "ipc") == 0 || strcmp(optarg, "tls") == 0;
    case 'p':
      options.pauses = true;
      return true;
    case 'P':
      return read_programs(optarg);
    case 'b':
      options.breaks_disk = true;
      return true;
    default:
      return false;
  }
}

int main(int argc, char **argv) {
  static const struct option known[] = {{"rounds", required_argument, NULL, 'r'},
                                        {"clients", required_argument, NULL, 'c'},
                                        {"transport", required_argument, NULL, 't'},
                                        {"pause", no_argument, NULL, 'p'},
                                        {"programs", required_argument, NULL, 'P'},
                                        {"broken-disk", no_argument, NULL, 'b'},
                                        {0}};
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_clients_go_on_when_the_server_was_killed),
  };
  for (int letter; (letter = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    if (!read_option(letter)) {
      fprintf(stderr, "see the head of tests/fault/resume_after_kill.c\n");
      return 2;
    }
  }
  options.seed = random_seed(argc - optind + 1, argv + optind - 1);
  randomness = (struct random){options.seed};
  if (strcmp(options.transport, "tls") == 0) {
    daemon_use_tls();
  }
  int failures = 0;
  for (int left = options.rounds; left > 0 && failures == 0; left -= ROUNDS_EACH) {
    options.rounds = left < ROUNDS_EACH ? left : ROUNDS_EACH;
    failures = cmocka_run_group_tests_name("fault.resume_after_kill", tests, set_up, tear_down);
    options.seed++;
  }
  return failures;
}
