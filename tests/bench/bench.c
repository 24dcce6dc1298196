/* Measures Holdfast next to what it is to be compared with. See README.md beside this file.
 *
 * Options -> servers -> interleaved rounds -> memory and growth -> report. Every process started
 * here dies with this one.
 */
#include "tests/bench/bench.h"

#include "tests/bench/floor.h"
#include "tests/bench/holdfast_raw.h"
#include "tests/bench/library.h"
#include "tests/bench/manager.h"
#include "tests/bench/memory.h"
#include "tests/bench/process.h"
#include "tests/bench/redis.h"
#include "tests/bench/report.h"
#include "tests/support/daemon.h"

#include <stdio.h>
#include <stdlib.h>

/* Everything that runs during the rounds. */
struct bench {
  const struct bench_options *options;
  struct bench_servers servers;
  struct daemon daemon;
  pid_t echo;
  bool with_manager;
  struct manager managers[BENCH_TRANSPORT_COUNT];
  struct library libraries[BENCH_TRANSPORT_COUNT];
};

/* ---------------------------------------------------------------- one cell */

/* Which systems a mode is measured on, in the order of the table. */
static bool system_has_mode(enum bench_system system, enum bench_mode mode, enum bench_op op) {
  switch (system) {
    case BENCH_ECHO:
      return mode == BENCH_ONE || mode == BENCH_MANY;
    case BENCH_HOLDFAST:
      return true;
    case BENCH_HOLDFAST_RAW:
      return mode == BENCH_ONE; /* with many clients it is what BENCH_HOLDFAST does */
    case BENCH_REDIS:
      return mode != BENCH_PROCESSES;
    case BENCH_REDIS_KEYS:
      return mode != BENCH_PROCESSES && (op == BENCH_GET || op == BENCH_SET);
    case BENCH_REDIS_RAW:
      return mode == BENCH_ONE || mode == BENCH_MANY;
    case BENCH_MANAGER:
      return mode == BENCH_ONE || mode == BENCH_PROCESSES;
    case BENCH_SYSTEM_COUNT:
      break;
  }
  return false;
}

static bool system_is_there(const struct bench *bench, enum bench_system system) {
  if (system == BENCH_MANAGER)
    return bench->with_manager;
  bool redis = system == BENCH_REDIS || system == BENCH_REDIS_KEYS || system == BENCH_REDIS_RAW;
  return !redis || bench->servers.redis_pid > 0;
}

static struct bench_sample run_load(const struct bench *bench, const struct bench_cell *cell,
                                    const struct loadgen_protocol *protocol, const char *address,
                                    pid_t server) {
  double cpu_us = process_cpu_us(server);
  struct bench_sample sample = loadgen_run(protocol, cell->transport, address, cell->op,
                                           cell->mode == BENCH_MANY ? BENCH_CLIENT_COUNT : 1, 1,
                                           bench->options->duration_ms);
  sample.cpu = (process_cpu_us(server) - cpu_us) / sample.count;
  return sample;
}

static struct bench_sample run_holdfast(struct bench *bench, const struct bench_cell *cell) {
  struct library *library = &bench->libraries[cell->transport];
  const char *url = bench->servers.url[cell->transport];
  unsigned duration_ms = bench->options->duration_ms;
  struct bench_sample sample;
  double cpu_us = process_cpu_us(bench->daemon.pid);
  if (cell->mode == BENCH_MANY || cell->system == BENCH_HOLDFAST_RAW)
    sample =
        run_load(bench, cell, &holdfast_raw_protocol, holdfast_raw_address(url), bench->daemon.pid);
  else if (cell->mode == BENCH_ONE)
    sample = library_run_one(library, cell->op, duration_ms);
  else if (cell->mode == BENCH_PIPELINE)
    sample = library_run_pipeline(library, cell->op, duration_ms);
  else
    sample = library_run_processes(url, cell->op, duration_ms);
  sample.cpu = (process_cpu_us(bench->daemon.pid) - cpu_us) / sample.count;
  library_clear(library);
  return sample;
}

static struct bench_sample run_cell(struct bench *bench, const struct bench_cell *cell) {
  unsigned duration_ms = bench->options->duration_ms;
  switch (cell->system) {
    case BENCH_ECHO:
      return run_load(bench, cell, &floor_protocol, bench->servers.echo[cell->transport],
                      bench->echo);
    case BENCH_REDIS_RAW:
      return run_load(bench, cell, &redis_raw_protocol, bench->servers.redis[cell->transport],
                      bench->servers.redis_pid);
    case BENCH_REDIS:
    case BENCH_REDIS_KEYS:
      return redis_run_benchmark(&bench->servers, cell->transport, cell->mode, cell->op,
                                 cell->system == BENCH_REDIS_KEYS, duration_ms);
    case BENCH_MANAGER:
      return manager_run(&bench->managers[cell->transport], cell->op,
                         cell->mode == BENCH_ONE ? 1 : BENCH_PROCESS_COUNT, duration_ms);
    default:
      return run_holdfast(bench, cell);
  }
}

/* ---------------------------------------------------------------- rounds */

static bool wanted(unsigned set, int member) {
  return (set >> member & 1) != 0;
}

static void plan_cells(const struct bench *bench, struct bench_report *report) {
  const struct bench_options *options = bench->options;
  for (int mode = 0; mode < BENCH_MODE_COUNT; mode++)
    for (int transport = 0; transport < BENCH_TRANSPORT_COUNT; transport++)
      for (int op = 0; op < BENCH_OP_COUNT; op++)
        for (int system = 0; system < BENCH_SYSTEM_COUNT; system++) {
          bool asked = wanted(options->modes, mode) && wanted(options->transports, transport) &&
                       wanted(options->ops, op);
          if (asked &&
              system_has_mode((enum bench_system)system, (enum bench_mode)mode,
                              (enum bench_op)op) &&
              system_is_there(bench, (enum bench_system)system))
            report->cells[report->cell_count++] =
                (struct bench_cell){(enum bench_transport)transport,
                                    (enum bench_mode)mode,
                                    (enum bench_op)op,
                                    (enum bench_system)system,
                                    0,
                                    {{0}}};
        }
}

/* Cells of one comparison are neighbours; every other round goes backwards, A B then B A, so that a
 * machine that gets slower favours no system. */
static void run_rounds(struct bench *bench, struct bench_report *report) {
  for (unsigned round = 0; round < bench->options->rounds; round++) {
    fprintf(stderr, "bench: round %u of %u, %zu cells\n", round + 1, bench->options->rounds,
            report->cell_count);
    for (size_t i = 0; i < report->cell_count; i++) {
      struct bench_cell *cell = &report->cells[round % 2 == 0 ? i : report->cell_count - 1 - i];
      cell->rounds[cell->round_count++] = run_cell(bench, cell);
    }
  }
}

static void start_all(struct bench *bench) {
  struct bench_servers *servers = &bench->servers;
  bench->echo = floor_start(servers);
  daemon_start(&bench->daemon, NULL);
  snprintf(servers->url[BENCH_TCP], sizeof(servers->url[0]), "%s", bench->daemon.tcp_url);
  snprintf(servers->url[BENCH_IPC], sizeof(servers->url[0]), "%s", bench->daemon.ipc_url);
  if (bench->options->peers && process_installed("redis-server") &&
      process_installed("redis-benchmark"))
    redis_start(servers);
  bench->with_manager = bench->options->peers && process_installed("python3");
  for (int i = 0; i < BENCH_TRANSPORT_COUNT; i++) {
    library_open(&bench->libraries[i], servers->url[i]);
    if (bench->with_manager)
      manager_start(&bench->managers[i], (enum bench_transport)i);
  }
  library_fill(&bench->libraries[0]);
}

static void stop_all(struct bench *bench) {
  for (int i = 0; i < BENCH_TRANSPORT_COUNT; i++) {
    manager_stop(&bench->managers[i]);
    library_close(&bench->libraries[i]);
  }
  process_stop(bench->servers.redis_pid);
  daemon_stop(&bench->daemon);
  process_stop(bench->echo);
}

static void measure(const struct bench_options *options, struct bench_report *report) {
  struct bench bench = {.options = options};
  directory_make(bench.servers.dir);
  if (options->modes != 0) {
    start_all(&bench);
    plan_cells(&bench, report);
    run_rounds(&bench, report);
    stop_all(&bench);
  }
  if (options->memory) {
    fprintf(stderr, "bench: memory\n");
    bool redis =
        options->peers && process_installed("redis-server") && process_installed("redis-cli");
    memory_measure(&bench.servers, options->memory_entries, redis, &report->memory);
  }
  if (options->growth) {
    fprintf(stderr, "bench: growth\n");
    growth_measure_dict(options->growth_entries, &report->growth);
    growth_measure_server(options->growth_entries, &report->growth);
  }
}

int main(int argc, char **argv) {
  struct bench_options options;
  setenv("HOLDFAST_LOCAL", "off", 1); /* of sockets; of shared memory is bench_local */
  bench_options_parse(argc, argv, &options);
  struct bench_report *report = bench_alloc(1, sizeof(*report));
  report->options = &options;
  measure(&options, report);
  report_print(report, stdout);
  if (options.json_path != NULL)
    report_write_json(report, options.json_path);
  if (options.svg_path != NULL)
    report_write_svg(report, options.svg_path);
  free(report);
  return 0;
}
