/* The command line. Declared in bench.h. */
#include "tests/bench/bench.h"
#include "tests/bench/process.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: bench [options]\n"
    "Measures holdfastd next to a bare echo server, Redis and Python's multiprocessing.Manager.\n"
    "\n"
    "  --rounds N           how often everything is measured (5)\n"
    "  --duration MS        of one measurement in one round (500)\n"
    "  --only LIST          of: one processes pipeline many memory growth; separated by commas\n"
    "  --transport LIST     of: tcp ipc\n"
    "  --operation LIST     of: get set append queue\n"
    "  --entries N          dict entries for memory (1000000); growth takes four times as many\n"
    "  --no-peers           without Redis and Manager\n"
    "  --json FILE          write the results as JSON\n"
    "  --svg FILE           draw them\n"
    "  --help\n";

enum {
  OPTION_ROUNDS = 1,
  OPTION_DURATION,
  OPTION_ONLY,
  OPTION_TRANSPORT,
  OPTION_OPERATION,
  OPTION_ENTRIES,
  OPTION_NO_PEERS,
  OPTION_JSON,
  OPTION_SVG,
  OPTION_HELP
};

static const struct option long_options[] = {
    {"rounds", required_argument, NULL, OPTION_ROUNDS},
    {"duration", required_argument, NULL, OPTION_DURATION},
    {"only", required_argument, NULL, OPTION_ONLY},
    {"transport", required_argument, NULL, OPTION_TRANSPORT},
    {"operation", required_argument, NULL, OPTION_OPERATION},
    {"entries", required_argument, NULL, OPTION_ENTRIES},
    {"no-peers", no_argument, NULL, OPTION_NO_PEERS},
    {"json", required_argument, NULL, OPTION_JSON},
    {"svg", required_argument, NULL, OPTION_SVG},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0}};

static unsigned long parse_number(const char *text, unsigned long least, unsigned long most) {
  char *end;
  unsigned long number = strtoul(text, &end, 10);
  if (*text == '-' || end == text || *end != '\0' || number < least || number > most)
    bench_fail("%s is not a number from %lu to %lu", text, least, most);
  return number;
}

/* A set of the names in a comma-separated list. */
static unsigned parse_list(const char *list, const char *const *names, int count) {
  unsigned set = 0;
  for (size_t len; *list != '\0'; list += len + (list[len] == ',')) {
    len = strcspn(list, ",");
    int found = 0;
    while (found < count && (strlen(names[found]) != len || strncmp(names[found], list, len) != 0))
      found++;
    if (found == count)
      bench_fail("unknown name in a list: %.*s; see --help", (int)len, list);
    set |= 1u << found;
  }
  return set;
}

static void parse_only(const char *list, struct bench_options *options) {
  const char *names[BENCH_MODE_COUNT + 2];
  for (int i = 0; i < BENCH_MODE_COUNT; i++)
    names[i] = bench_mode_name((enum bench_mode)i);
  names[BENCH_MODE_COUNT] = "memory";
  names[BENCH_MODE_COUNT + 1] = "growth";
  unsigned set = parse_list(list, names, BENCH_MODE_COUNT + 2);
  options->modes = set & ((1u << BENCH_MODE_COUNT) - 1);
  options->memory = (set >> BENCH_MODE_COUNT & 1) != 0;
  options->growth = (set >> (BENCH_MODE_COUNT + 1) & 1) != 0;
}

static void parse_one(int option, const char *argument, struct bench_options *options) {
  static const char *const transports[] = {"tcp", "ipc"};
  static const char *const operations[] = {"get", "set", "append", "queue"};
  switch (option) {
    case OPTION_ROUNDS:
      options->rounds = (unsigned)parse_number(argument, 1, BENCH_ROUNDS_MAX);
      break;
    case OPTION_DURATION:
      options->duration_ms = (unsigned)parse_number(argument, 10, 60000);
      break;
    case OPTION_ONLY:
      parse_only(argument, options);
      break;
    case OPTION_TRANSPORT:
      options->transports = parse_list(argument, transports, BENCH_TRANSPORT_COUNT);
      break;
    case OPTION_OPERATION:
      options->ops = parse_list(argument, operations, BENCH_OP_COUNT);
      break;
    case OPTION_ENTRIES:
      options->memory_entries = parse_number(argument, 1000, 100000000);
      options->growth_entries = 4 * options->memory_entries;
      break;
    case OPTION_NO_PEERS:
      options->peers = false;
      break;
    case OPTION_JSON:
      options->json_path = argument;
      break;
    case OPTION_SVG:
      options->svg_path = argument;
      break;
    case OPTION_HELP:
      fputs(usage, stdout);
      exit(0);
    default:
      fputs(usage, stderr);
      exit(2);
  }
}

void bench_options_parse(int argc, char **argv, struct bench_options *options) {
  *options = (struct bench_options){.rounds = 5,
                                    .duration_ms = 500,
                                    .memory_entries = 1000000,
                                    .growth_entries = 4000000,
                                    .peers = true,
                                    .transports = (1u << BENCH_TRANSPORT_COUNT) - 1,
                                    .modes = (1u << BENCH_MODE_COUNT) - 1,
                                    .ops = (1u << BENCH_OP_COUNT) - 1,
                                    .memory = true,
                                    .growth = true};
  for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;)
    parse_one(option, optarg, options);
  if (optind < argc)
    bench_fail("%s: not an option; see --help", argv[optind]);
}
