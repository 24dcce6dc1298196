/* Calls through the C client library: one at a time, pipelined, and from several processes.
 *
 * Every call's status is checked; a failure ends the benchmark.
 */
#ifndef HF_TESTS_BENCH_LIBRARY_H
#define HF_TESTS_BENCH_LIBRARY_H

#include "tests/bench/bench.h"

#include <holdfast/holdfast.h>

/* The value that set, append and put store everywhere. */
#define LIBRARY_VALUE 12345

struct library {
  hf_conn *conn;
  hf_dict *dict;
  hf_list *list;
  hf_queue *queue;
  uint32_t random;
};

/* The name under which the operation's object is found, on every system. */
const char *library_object_name(enum bench_op op);
/* Ends the benchmark unless status is HF_OK. */
void library_expect(hf_status status, const char *what);

void library_open(struct library *library, const char *url);
void library_close(struct library *library);
/* Puts all BENCH_KEY_COUNT keys into the dict. */
void library_fill(struct library *library);
/* Empties list and queue, so that every run finds the same. */
void library_clear(struct library *library);

struct bench_sample library_run_one(struct library *library, enum bench_op op,
                                    unsigned duration_ms);
/* Only the rate is set. */
struct bench_sample library_run_pipeline(struct library *library, enum bench_op op,
                                         unsigned duration_ms);
/* BENCH_PROCESS_COUNT processes, each with a connection of its own, one call at a time. */
struct bench_sample library_run_processes(const char *url, enum bench_op op, unsigned duration_ms);

#endif
