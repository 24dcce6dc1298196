/* Processes and addresses the benchmark starts and finds again.
 *
 * threads one
 * memory  every child dies with this process, however it ends
 */
#ifndef HF_TESTS_BENCH_PROCESS_H
#define HF_TESTS_BENCH_PROCESS_H

#include "tests/bench/bench.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Ends this process with a message; children go with it. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Zeroed memory, or the benchmark fails. */
void *bench_alloc(size_t count, size_t size);

/* Starts a program with its output thrown away. Fails the benchmark when it can't. */
pid_t process_start(const char *const *argv);
/* The same with its standard input and output on pipes. */
pid_t process_start_piped(const char *const *argv, int *to, int *from);
/* fork() for a child that dies with this process. 0 in the child. */
pid_t process_fork(void);
/* SIGTERM, then SIGKILL after three seconds. 0 and less are harmless. */
void process_stop(pid_t pid);
/* Runs a program to its end; its output, NUL-terminated, cut at size. false: it failed. */
bool process_output(const char *const *argv, char *output, size_t size);
/* Resident memory now; 0 when it is gone. */
uint64_t process_resident_bytes(pid_t pid);
/* Processor time it has used, all its threads together. */
double process_cpu_us(pid_t pid);
/* Whether PATH has it. */
bool process_installed(const char *program);

/* A directory of our own, once; removed with the files in it when this process ends. */
void directory_make(char dir[64]);

/* A free loopback port. */
uint16_t port_find(void);
/* Connects to "HOST:PORT" (TCP_NODELAY set) or a socket path. -1: nothing listens there. */
int socket_connect(enum bench_transport transport, const char *address);
/* Tries for five seconds; fails the benchmark then. */
void socket_wait(enum bench_transport transport, const char *address);
/* All of it, or the benchmark fails. */
void socket_send(int fd, const void *data, size_t len);
void socket_receive(int fd, void *data, size_t len);

#endif
