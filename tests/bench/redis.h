/* Redis as a peer: a server of our own, driven by redis-benchmark and by the load generator. */
#ifndef HF_TESTS_BENCH_REDIS_H
#define HF_TESTS_BENCH_REDIS_H

#include "tests/bench/loadgen.h"

#include <sys/types.h>

/* Persistence off, on a loopback port and a socket in servers->dir; fills in servers->redis,
 * redis_pid and the BENCH_KEY_COUNT keys, plain and in a hash. Stopped by process_stop. */
pid_t redis_start(struct bench_servers *servers);

/* redis-benchmark with the mode's connections and pipelining; keys: plain GET and SET instead of
 * the hash's. For the queue, RPUSH and LPOP run one after the other and the slower one's
 * percentiles are reported. */
struct bench_sample redis_run_benchmark(const struct bench_servers *servers,
                                        enum bench_transport transport, enum bench_mode mode,
                                        enum bench_op op, bool keys, unsigned duration_ms);

/* HGET, HSET, LPUSH, RPUSH and LPOP for the load generator. */
extern const struct loadgen_protocol redis_raw_protocol;

/* Sets `entries` fields key:000000123 of a hash to small numbers. out used_bytes: the growth of
 * INFO's used_memory */
void redis_fill_hash(const struct bench_servers *servers, uint64_t entries, uint64_t *used_bytes);

#endif
