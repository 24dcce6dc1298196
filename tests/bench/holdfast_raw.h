/* Holdfast without its client library: pre-encoded requests for the load generator. */
#ifndef HF_TESTS_BENCH_HOLDFAST_RAW_H
#define HF_TESTS_BENCH_HOLDFAST_RAW_H

#include "tests/bench/loadgen.h"

extern const struct loadgen_protocol holdfast_raw_protocol;

/* What follows the scheme of "tcp://127.0.0.1:4653" or "ipc:///run/holdfast.sock". */
const char *holdfast_raw_address(const char *url);

#endif
