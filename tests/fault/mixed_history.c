/* Clients do everything at once through a bad network, and what they saw is judged afterwards: it
 * must be explained by one server that does one thing at a time (checker.h). With --local they call
 * through shared memory, and cut their connections themselves (cutter.h).
 *
 * usage: mixed_history [OPTIONS] [SEED]
 *   --operations N    in all, 20,000 by default; with --local 200,000
 *   --processes N     8 by default
 *   --local           needs HOLDFAST_LOCAL=on
 * and for a history made on several hosts (tests/hosts/history.sh), which share the directory and
 * the clock:
 *   --server IP:PORT  a server that runs already
 *   --directory DIR   where the histories are
 *   --first N         number of the first process here
 *   --part clients|check
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <holdfast/holdfast.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/fault/attacker.h"
#include "tests/fault/checker.h"
#include "tests/fault/crowd.h"
#include "tests/fault/cutter.h"
#include "tests/fault/proxy.h"
#include "tests/fault/workload.h"
#include "tests/support/daemon.h"
#include "tests/support/random.h"

#define PROCESSES_MAX 64
#define OPERATIONS 20000
/* For the slowest machine, under sanitizers. */
#define TIMEOUT_MS 60000
#define TIMEOUT_PER_OPERATION_MS 10
#define LOCAL_TIMEOUT_PER_OPERATION_MS 2
#define LOCAL_LIFE_MS 20
#define LOCAL_CUTS_MIN 100
#define LOCAL_OPERATIONS 200000

static struct {
  uint64_t operations, seed;
  int processes, first;
  const char *server, *directory;
  bool has_clients, checks, is_local;
} options = {.processes = 8, .has_clients = true, .checks = true};

static char directory[] = "/tmp/holdfast-history-XXXXXX";
static struct daemon server;
static char server_ip[64] = "127.0.0.1";
static uint16_t server_port;

static void start_proxy(struct proxy *proxy) {
  const struct proxy_options network = {
      .seed = options.seed,
      .life_ms = 400,
      .stall_every_ms = 100,
      .stall_ms = 30,
      .delay_ms_max = 1,
      .dribble_bytes = options.seed % 2 == 0 ? 0 : 700,
      .half_open_every_ms = 2000,
      .half_open_ms = 900,
      .storm_every_ms = 1500,
      .storm_cuts = 3,
      .refuse_ms = 150,
      .target_address = ntohl(inet_addr(server_ip)),
  };
  proxy_start(proxy, server_port, &network);
}

static unsigned long long number_of(atomic_ullong *count) {
  return atomic_load(count);
}

static void print_network(struct proxy *proxy, int64_t took_ms) {
  struct proxy_counts *counts = proxy->counts;
  print_message(
      "network: %llu cuts, %llu stalls, %llu half-open, %llu storms, %llu refused, %llu "
      "connections, %llu bytes, %lld ms\n",
      number_of(&counts->cut), number_of(&counts->stalled), number_of(&counts->half_opened),
      number_of(&counts->storms), number_of(&counts->refused), number_of(&counts->accepted),
      number_of(&counts->bytes), (long long)took_ms);
  assert_true(number_of(&counts->cut) > 0);
  assert_true(number_of(&counts->stalled) > 0);
}

/* How many failed. */
static int run_processes(const char *url, struct workload *workload) {
  pid_t pids[PROCESSES_MAX] = {0};
  int failed_count = 0;
  int each_ms = options.is_local ? LOCAL_TIMEOUT_PER_OPERATION_MS : TIMEOUT_PER_OPERATION_MS;
  int timeout_ms = TIMEOUT_MS + (int)workload->operations * each_ms;
  for (int i = 0; i < options.processes; i++) {
    pids[i] = crowd_start(workload_run, url, options.first + i, workload);
  }
  for (int i = 0; i < options.processes; i++) {
    failed_count += crowd_wait(pids[i], timeout_ms) != CROWD_DONE ? 1 : 0;
  }
  return failed_count;
}

static void run_behind_proxy(struct workload *workload) {
  struct proxy proxy;
  char url[64];
  int64_t begun_ms = attacker_now_ms();
  start_proxy(&proxy);
  snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", proxy.port);
  int failed_count = run_processes(url, workload);
  print_network(&proxy, attacker_now_ms() - begun_ms);
  proxy_stop(&proxy);
  assert_int_equal(failed_count, 0);
}

static void run_in_shared_memory(const struct workload *uncut) {
  const struct cutter_options cutter = {
      .seed = options.seed, .life_ms = LOCAL_LIFE_MS, .counts = cutter_counts_new()};
  struct workload workload = *uncut;
  int64_t begun_ms = attacker_now_ms();
  workload.cutter = &cutter;
  int failed_count = run_processes(server.ipc_url, &workload);
  print_message("%lld ms\n", (long long)(attacker_now_ms() - begun_ms));
  cutter_report(cutter.counts, LOCAL_CUTS_MIN);
  assert_int_equal(failed_count, 0);
}

static void run_clients(void) {
  struct workload workload = {.directory = options.directory,
                              .operations = options.operations / (uint64_t)options.processes,
                              .seed = options.seed};
  if (options.is_local) {
    run_in_shared_memory(&workload);
  } else {
    run_behind_proxy(&workload);
  }
}

static void judge(void) {
  static struct checker_report report;
  size_t count;
  int64_t begun_ms = attacker_now_ms();
  struct history_record *records = history_load(options.directory, &count);
  checker_run(records, count, &report);
  free(records);
  checker_print(&report);
  print_message("judged in %lld ms\n", (long long)(attacker_now_ms() - begun_ms));
  if (report.violations + report.undecided > 0) {
    print_message("the history is kept in %s\n", options.directory);
  } else {
    history_remove(options.directory);
  }
  assert_int_equal(report.undecided, 0);
  assert_int_equal(report.violations, 0);
}

static void check_history(void) {
  struct hf_server_info info;
  char url[96];
  hf_conn *conn;
  snprintf(url, sizeof(url), "tcp://%s:%u", server_ip, server_port);
  assert_int_equal(workload_finish(url, options.directory), CROWD_DONE);
  crowd_expect_ok(hf_connect(url, NULL, &conn), "connect");
  crowd_expect_ok(hf_server_info(conn, &info), "server info");
  hf_close(conn);
  print_message("server: %llu requests, %llu duplicates answered\n",
                (unsigned long long)info.requests, (unsigned long long)info.duplicates);
  judge();
  assert_true(info.duplicates > 0);
}

static void test_history_over_a_bad_network_is_explained(void **state) {
  (void)state;
  if (options.has_clients) {
    run_clients();
  }
  if (options.checks) {
    check_history();
  }
}

static int set_up(void **state) {
  (void)state;
  if (options.directory == NULL) {
    options.directory = mkdtemp(directory);
  }
  if (options.server == NULL) {
    daemon_start(&server, NULL);
    server_port = server.tcp_port;
  } else if (sscanf(options.server, "%63[^:]:%hu", server_ip, &server_port) != 2) {
    fprintf(stderr, "--server is IP:PORT\n");
    return -1;
  }
  return options.directory == NULL ? -1 : 0;
}

static int tear_down(void **state) {
  (void)state;
  if (options.server == NULL) {
    daemon_stop(&server);
  }
  return 0;
}

static bool read_part(const char *part) {
  options.has_clients = strcmp(part, "clients") == 0;
  options.checks = strcmp(part, "check") == 0;
  return options.has_clients || options.checks;
}

static bool read_option(int letter) {
  switch (letter) {
    case 'o':
      options.operations = strtoull(optarg, NULL, 10);
      return options.operations > 0;
    case 'p':
      options.processes = atoi(optarg);
      return options.processes > 0 && options.processes <= PROCESSES_MAX;
    case 's':
      options.server = optarg;
      return true;
    case 'd':
      options.directory = optarg;
      return true;
    case 'f':
      options.first = atoi(optarg);
      return options.first >= 0;
    case 'P':
      return read_part(optarg);
    case 'l':
      options.is_local = true;
      return true;
    default:
      return false;
  }
}

int main(int argc, char **argv) {
  static const struct option known[] = {{"operations", required_argument, NULL, 'o'},
                                        {"processes", required_argument, NULL, 'p'},
                                        {"server", required_argument, NULL, 's'},
                                        {"directory", required_argument, NULL, 'd'},
                                        {"first", required_argument, NULL, 'f'},
                                        {"part", required_argument, NULL, 'P'},
                                        {"local", no_argument, NULL, 'l'},
                                        {0}};
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_history_over_a_bad_network_is_explained),
  };
  for (int letter; (letter = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    if (!read_option(letter)) {
      fprintf(stderr, "see the head of tests/fault/mixed_history.c\n");
      return 2;
    }
  }
  if (options.is_local && options.server != NULL) {
    fprintf(stderr, "--local brings its own server\n");
    return 2;
  }
  if (options.operations == 0) {
    options.operations = options.is_local ? LOCAL_OPERATIONS : OPERATIONS;
  }
  options.seed = random_seed(argc - optind + 1, argv + optind - 1);
  return cmocka_run_group_tests_name("fault.history", tests, set_up, tear_down);
}
