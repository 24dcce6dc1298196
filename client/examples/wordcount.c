/* Counts the words of a tree of files with workers on any number of hosts.
 *
 *   wordcount coordinator [--workers N] [--await N] [--out FILE] [--job NAME] DIR..
 *   wordcount worker [--job NAME] [--idle MS]
 *
 * The coordinator puts the files' contents on a queue, in chunks, because the hosts share no disk.
 * Workers take chunks, count them and add to one dict. The coordinator waits until every chunk is
 * done, prints totals and the ten most frequent words, and writes "word<TAB>count" lines, sorted by
 * bytes, to --out. It needs the server at $HOLDFAST_URL and nothing else; workers may start before
 * it.
 *
 * A word is a maximal run of ASCII letters, lowercased; no word spans two files. The result equals
 *
 *   find DIR -type f -exec sh -c 'for f; do cat "$f"; echo; done' sh {} + |
 *     tr -cs A-Za-z '\n' | tr A-Z a-z | grep . | LC_ALL=C sort | uniq -c
 *
 * Each chunk is counted exactly once however often connections break. A worker that is killed takes
 * the chunks it was counting with it: the coordinator notices, at the latest when all others are
 * done and the server has given the worker up, and fails.
 */
#include "client/examples/wordcount.h"

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void wordcount_must(hf_status status) {
  if (status != HF_OK)
    errx(1, "%s (%s)", hf_last_error()->message, hf_last_error()->reason);
}

void wordcount_name(char name[256], const char *job, const char *part) {
  if (snprintf(name, 256, "%s/%s", job, part) >= 256)
    errx(2, "the job's name is too long");
}

void wordcount_open_queue(hf_conn *conn, const char *job, hf_queue **queue) {
  char name[256];
  wordcount_name(name, job, "queue");
  wordcount_must(hf_queue_open(conn, name, QUEUE_CHUNKS, queue));
}

static int print_usage(FILE *stream, int code) {
  fputs(
      "Usage: wordcount coordinator [OPTIONS] DIR..   counts the words of all files below\n"
      "       wordcount worker [OPTIONS]              takes part, on any host\n"
      "  --job NAME     which job, when several share a server (default: wordcount)\n"
      "  --workers N    coordinator: start N workers here\n"
      "  --await N      coordinator: begin when N workers are there\n"
      "  --out FILE     coordinator: write word<TAB>count lines\n"
      "  --idle MS      worker: leave when nothing came for so long (default: wait for a job)\n"
      "The server is at $HOLDFAST_URL, or tcp://127.0.0.1:4653.\n"
      "Exit status: 0 done, 1 failed, 2 usage\n",
      stream);
  return code;
}

static long long read_number(const char *text, long long most) {
  char *end;
  long long number = strtoll(text, &end, 10);
  if (*text == '\0' || *end != '\0' || number < 0 || number > most)
    errx(2, "%s is not a number up to %lld", text, most);
  return number;
}

/* Options may stand before and after the role; `--help` ends the program. */
static void read_options(int argc, char **argv, struct wordcount_options *options) {
  static const struct option known[] = {
      {"job", required_argument, NULL, 'j'},
      {"workers", required_argument, NULL, 'w'},
      {"await", required_argument, NULL, 'a'},
      {"out", required_argument, NULL, 'o'},
      {"idle", required_argument, NULL, 'i'},
      {"help", no_argument, NULL, 'h'},
      {0},
  };
  int option;
  while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
    switch (option) {
      case 'j':
        options->job = optarg;
        break;
      case 'w':
        options->workers = (int)read_number(optarg, 1000);
        break;
      case 'a':
        options->await = (int)read_number(optarg, 10000);
        break;
      case 'o':
        options->out = optarg;
        break;
      case 'i':
        options->idle_ms = read_number(optarg, INT64_C(1) << 40);
        break;
      case 'h':
        exit(print_usage(stdout, 0));
      default:
        exit(print_usage(stderr, 2));
    }
  }
}

int main(int argc, char **argv) {
  struct wordcount_options options = {.job = "wordcount", .idle_ms = HF_FOREVER};
  read_options(argc, argv, &options);
  const char *role = optind < argc ? argv[optind] : "";
  options.paths = optind < argc ? argv + optind + 1 : argv + argc;
  if (strcmp(role, "coordinator") == 0 && options.paths[0] != NULL)
    return wordcount_coordinate(&options);
  if (strcmp(role, "worker") == 0 && options.paths[0] == NULL)
    return wordcount_work(&options);
  return print_usage(stderr, 2);
}
