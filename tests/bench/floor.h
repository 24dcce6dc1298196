/* The floor: what a round trip costs when the server does nothing but send the bytes back. */
#ifndef HF_TESTS_BENCH_FLOOR_H
#define HF_TESTS_BENCH_FLOOR_H

#include "tests/bench/loadgen.h"

#include <sys/types.h>

#define FLOOR_MESSAGE_BYTES 64

/* Starts the echo server in a process of its own, on a loopback port and a socket in servers->dir;
 * fills in servers->echo. Stopped by process_stop. */
pid_t floor_start(struct bench_servers *servers);

extern const struct loadgen_protocol floor_protocol;

#endif
