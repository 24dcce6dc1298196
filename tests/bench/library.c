/* See library.h. */
#include "tests/bench/library.h"

#include "proto/base/clock.h"
#include "tests/bench/process.h"
#include "tests/bench/workers.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* Calls between hf_pipeline_begin and hf_pipeline_end; long, so that starting and draining weigh
 * little. */
#define PIPELINE_CALLS 4096

const char *library_object_name(enum bench_op op) {
  static const char *const names[] = {"bench:hash", "bench:hash", "bench:list", "bench:queue"};
  return names[op];
}

void library_expect(hf_status status, const char *what) {
  if (status != HF_OK)
    bench_fail("%s: %s %s: %s", what, hf_status_name(status), hf_last_error()->reason,
               hf_last_error()->message);
}

void library_open(struct library *library, const char *url) {
  *library = (struct library){.random = 1 + (uint32_t)getpid()};
  library_expect(hf_connect(url, NULL, &library->conn), url);
  library_expect(hf_dict_open(library->conn, library_object_name(BENCH_GET), &library->dict),
                 "dict");
  library_expect(hf_list_open(library->conn, library_object_name(BENCH_APPEND), &library->list),
                 "list");
  library_expect(hf_queue_open(library->conn, library_object_name(BENCH_QUEUE), 0, &library->queue),
                 "queue");
}

void library_close(struct library *library) {
  hf_queue_close(library->queue);
  hf_list_close(library->list);
  hf_dict_close(library->dict);
  hf_close(library->conn);
}

void library_fill(struct library *library) {
  library_expect(hf_pipeline_begin(library->conn, BENCH_PIPELINE_COUNT), "fill");
  for (uint32_t i = 0; i < BENCH_KEY_COUNT; i++)
    library_expect(
        hf_dict_set(library->dict, hf_text_n(bench_key(i), BENCH_KEY_BYTES), hf_int(LIBRARY_VALUE)),
        "fill");
  library_expect(hf_pipeline_end(library->conn, NULL), "fill");
}

void library_clear(struct library *library) {
  library_expect(hf_list_clear(library->list), "clear");
  uint64_t left;
  library_expect(hf_queue_size(library->queue, &left), "queue size");
  for (; left > 0; left--) {
    hf_value value;
    library_expect(hf_queue_get(library->queue, 0, &value), "queue get");
    hf_value_clear(&value);
  }
}

/* One call of the operation. The caller clears *value when the call is done. */
static inline hf_status call_one(struct library *library, enum bench_op op, uint64_t turn,
                                 hf_value *value) {
  if (op == BENCH_APPEND)
    return hf_list_append(library->list, hf_int(LIBRARY_VALUE));
  if (op == BENCH_QUEUE)
    return turn % 2 == 0 ? hf_queue_put(library->queue, hf_int(LIBRARY_VALUE), 0)
                         : hf_queue_get(library->queue, 0, value);
  const char *key = bench_key(bench_random(&library->random) % BENCH_KEY_COUNT);
  if (op == BENCH_SET)
    return hf_dict_set(library->dict, hf_text_n(key, BENCH_KEY_BYTES), hf_int(LIBRARY_VALUE));
  return hf_dict_get(library->dict, hf_text_n(key, BENCH_KEY_BYTES), value);
}

/* Ends after an even number of calls, so that every put has its get. Answers the elapsed time. */
static uint64_t run_calls(struct library *library, enum bench_op op, unsigned duration_ms,
                          struct histogram *histogram) {
  uint64_t start_ns = clock_now_ns(), before_ns = start_ns;
  uint64_t deadline_ns = start_ns + duration_ms * CLOCK_NS_PER_MS;
  for (uint64_t turn = 0; turn % 2 == 1 || before_ns < deadline_ns; turn++) {
    hf_value value = hf_none();
    library_expect(call_one(library, op, turn, &value), bench_op_name(op));
    hf_value_clear(&value);
    uint64_t after_ns = clock_now_ns();
    histogram_add(histogram, after_ns - before_ns);
    before_ns = after_ns;
  }
  return before_ns - start_ns;
}

struct bench_sample library_run_one(struct library *library, enum bench_op op,
                                    unsigned duration_ms) {
  struct histogram *histogram = bench_alloc(1, sizeof(*histogram));
  uint64_t elapsed_ns = run_calls(library, op, duration_ms, histogram);
  struct bench_sample sample = histogram_sample(histogram, elapsed_ns);
  free(histogram);
  return sample;
}

struct bench_sample library_run_pipeline(struct library *library, enum bench_op op,
                                         unsigned duration_ms) {
  hf_value *values = bench_alloc(PIPELINE_CALLS, sizeof(*values));
  uint64_t start_ns = clock_now_ns(), now_ns = start_ns, count = 0;
  uint64_t deadline_ns = start_ns + duration_ms * CLOCK_NS_PER_MS;
  while (now_ns < deadline_ns) {
    library_expect(hf_pipeline_begin(library->conn, BENCH_PIPELINE_COUNT), "pipeline");
    for (unsigned i = 0; i < PIPELINE_CALLS; i++) {
      values[i] = hf_none();
      library_expect(call_one(library, op, i, &values[i]), bench_op_name(op));
    }
    library_expect(hf_pipeline_end(library->conn, NULL), bench_op_name(op));
    for (unsigned i = 0; i < PIPELINE_CALLS; i++)
      hf_value_clear(&values[i]);
    count += PIPELINE_CALLS;
    now_ns = clock_now_ns();
  }
  free(values);
  return (struct bench_sample){(double)count * 1e9 / (double)(now_ns - start_ns),
                               NAN,
                               NAN,
                               NAN,
                               NAN,
                               NAN,
                               NAN,
                               (double)count};
}

struct worker {
  const char *url;
  enum bench_op op;
  struct library library;
};

static void *open_worker(const void *ctx) {
  struct worker *worker = bench_alloc(1, sizeof(*worker));
  *worker = *(const struct worker *)ctx;
  library_open(&worker->library, worker->url);
  return worker;
}

static uint64_t run_worker(void *opened, unsigned duration_ms, struct histogram *histogram) {
  struct worker *worker = opened;
  return run_calls(&worker->library, worker->op, duration_ms, histogram);
}

static void close_worker(void *opened) {
  struct worker *worker = opened;
  library_close(&worker->library);
  free(worker);
}

struct bench_sample library_run_processes(const char *url, enum bench_op op, unsigned duration_ms) {
  static const struct worker_calls work = {open_worker, run_worker, close_worker};
  const struct worker worker = {.url = url, .op = op};
  return workers_run(&work, &worker, duration_ms);
}
