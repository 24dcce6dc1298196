/* What another client sees meanwhile: a process that pings the server each millisecond, and one that sends a
 * byte to a process which only echoes, for what the machine adds.
 *
 * threads one; the processes end with this one
 */
#ifndef HF_TESTS_BENCH_PINGS_H
#define HF_TESTS_BENCH_PINGS_H

#include <stdint.h>
#include <sys/types.h>

/* Of the pings of a round. */
struct pings {
  double max_ms, p99_ms;
};

/* Once: the echo, whose socket is in dir, and the process that pings it. */
void pings_init(char dir[64]);
/* Pings the server at that port until process_stop, or the server ends. */
pid_t pings_start(uint16_t tcp_port);
/* Pings count from here on. */
void pings_begin(void);
void pings_end(struct pings *server, struct pings *echo);

#endif
