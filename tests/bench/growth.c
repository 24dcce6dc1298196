/* How long single insertions take while a dict grows. Declared in memory.h.
 *
 * In process, several fresh dicts are filled with the same keys in the same order, so what the dict
 * does at an insertion is the same each time and what the machine does is not. Each insertion's
 * fastest time over the dicts is the dict's own.
 */
#include "proto/base/clock.h"
#include "server/objects/dict.h"
#include "tests/bench/histogram.h"
#include "tests/bench/library.h"
#include "tests/bench/memory.h"
#include "tests/bench/process.h"
#include "tests/support/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define GROWTH_DICTS 3
#define GROWTH_CALLS 4096

static size_t growth_key(uint64_t number, char key[32]) {
  return (size_t)snprintf(key, 32, "key:%09llu", (unsigned long long)number);
}

/* best_ns[i] becomes the least of itself and the time insertion i takes. */
static uint64_t fill_timed(uint64_t entries, uint32_t *best_ns) {
  static const struct value_hash_key hash_key = {
      {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
  struct dict *dict = dict_new(&hash_key);
  uint64_t worst_ns = 0;
  for (uint64_t i = 0; i < entries; i++) {
    char text[32];
    struct value key;
    if (!value_text(bytes_of(text, growth_key(i, text)), &key))
      bench_fail("out of memory");
    uint64_t start_ns = clock_now_ns();
    hf_reason reason = dict_set(dict, key, value_int((int64_t)i), NULL);
    uint64_t took_ns = clock_now_ns() - start_ns;
    if (reason != HF_REASON_NONE)
      bench_fail("dict_set: %s", hf_reason_name(reason));
    if (took_ns < best_ns[i])
      best_ns[i] = (uint32_t)took_ns;
    if (took_ns > worst_ns)
      worst_ns = took_ns;
  }
  if (dict_len(dict) != entries)
    bench_fail("the dict has %zu entries instead of %llu", dict_len(dict),
               (unsigned long long)entries);
  dict_free(dict);
  return worst_ns;
}

void growth_measure_dict(uint64_t entries, struct bench_growth *out) {
  uint32_t *best_ns = bench_alloc(entries, sizeof(*best_ns));
  struct histogram *histogram = bench_alloc(1, sizeof(*histogram));
  uint64_t worst_ns = 0;
  for (uint64_t i = 0; i < entries; i++)
    best_ns[i] = UINT32_MAX;
  for (int round = 0; round < GROWTH_DICTS; round++) {
    uint64_t round_ns = fill_timed(entries, best_ns);
    worst_ns = round_ns > worst_ns ? round_ns : worst_ns;
  }
  for (uint64_t i = 0; i < entries; i++)
    histogram_add(histogram, best_ns[i]);
  out->entries = entries;
  out->p50 = (double)histogram_quantile_ns(histogram, 0.5) / 1e3;
  out->p9999 = (double)histogram_quantile_ns(histogram, 0.9999) / 1e3;
  out->worst = (double)histogram->max_ns / 1e3;
  out->worst_raw = (double)worst_ns / 1e3;
  free(histogram);
  free(best_ns);
}

static _Noreturn void run_writer(const char *url, uint64_t entries) {
  hf_conn *conn;
  hf_dict *dict;
  library_expect(hf_connect(url, NULL, &conn), url);
  library_expect(hf_dict_open(conn, "bench:growth", &dict), "dict");
  for (uint64_t i = 0; i < entries;) {
    library_expect(hf_pipeline_begin(conn, BENCH_PIPELINE_COUNT), "growth");
    for (uint64_t end = i + GROWTH_CALLS; i < end && i < entries; i++) {
      char key[32];
      size_t len = growth_key(i, key);
      library_expect(hf_dict_set(dict, hf_text_n(key, len), hf_int((int64_t)i)), "growth");
    }
    library_expect(hf_pipeline_end(conn, NULL), "growth");
  }
  hf_dict_close(dict);
  hf_close(conn);
  _exit(0);
}

/* Pings while another process sets keys 0 to entries. Microseconds. */
static void ping_during_writes(const char *url, hf_conn *conn, uint64_t entries, double *p9999,
                               double *worst) {
  struct histogram *histogram = bench_alloc(1, sizeof(*histogram));
  pid_t writer = process_fork();
  int status = 0;
  if (writer == 0)
    run_writer(url, entries);
  while (waitpid(writer, &status, WNOHANG) == 0) {
    uint64_t start_ns = clock_now_ns();
    library_expect(hf_ping(conn, NULL), "ping");
    histogram_add(histogram, clock_now_ns() - start_ns);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    bench_fail("the writing process failed");
  *p9999 = (double)histogram_quantile_ns(histogram, 0.9999) / 1e3;
  *worst = (double)histogram->max_ns / 1e3;
  free(histogram);
}

void growth_measure_server(uint64_t entries, struct bench_growth *out) {
  struct daemon daemon;
  hf_conn *conn;
  daemon_start(&daemon, NULL);
  library_expect(hf_connect(daemon.tcp_url, NULL, &conn), daemon.tcp_url);
  ping_during_writes(daemon.tcp_url, conn, entries, &out->ping_p9999, &out->ping_worst);
  /* The keys are there now: the same load, and nothing grows. */
  ping_during_writes(daemon.tcp_url, conn, entries, &out->rest_p9999, &out->rest_worst);
  hf_close(conn);
  daemon_stop(&daemon);
}
