/* Common code of the integration tests: a server, a connection, expectations.
 *
 *   test_dict tcp      all tests of the file over tcp; or tls, ipc, or local: shared memory
 *
 * Each file's server is its own. `world` is there in every test.
 */
#ifndef HF_TESTS_INTEGRATION_WORLD_H
#define HF_TESTS_INTEGRATION_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before itself. */
#include <cmocka.h>
#include <holdfast/holdfast.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/daemon.h"

struct world {
  struct daemon daemon;
  const char *url;  /* over the transport under test */
  const char *path; /* hf_conn_path(conn) */
  hf_conn *conn;
};
extern struct world world;

#define expect_ok(call) world_expect((call), HF_OK, "", #call, __FILE__, __LINE__)
/* expect_fails(hf_dict_get(..), NOT_FOUND, NO_SUCH_KEY) */
#define expect_fails(call, status, reason) \
  world_expect((call), HF_##status, #reason, #call, __FILE__, __LINE__)
void world_expect(hf_status got, hf_status status, const char *reason, const char *call,
                  const char *file, int line);

/* The value is equal to expected; clears it. */
void expect_equal(hf_value got, hf_value expected);
/* The values are these integers; frees them. */
void expect_ints(hf_value *values, size_t count, const int64_t *expected, size_t expected_count);
#define EXPECT_INTS(values, count, ...)                          \
  expect_ints((values), (count), (const int64_t[]){__VA_ARGS__}, \
              sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

/* A further connection with a session of its own. call_timeout_ms 0: the default. */
hf_conn *connect_again(int64_t call_timeout_ms);
/* Stops the server process until all its threads are stopped; continues it. */
void server_stop(void);
void server_continue(void);
/* Runs work in a forked child, which exits with what it returns. */
pid_t child_start(int (*work)(void *), void *argument);
/* Waits for the child; returns its exit status. */
int child_end(pid_t child);
/* Sends SIGKILL and waits for the end. */
void child_kill(pid_t child);
/* In a child: a connection whose session ends soon after the child is killed. Exits on failure. */
hf_conn *child_connect(void);
uint64_t now_ms(void);
void sleep_ms(long ms);
/* The number of objects, and of parked requests, on the server. */
uint64_t object_count(void);
uint64_t waiting_count(void);
/* Waits until the server has `count` objects, since earlier ends release some later. Fails after 5
 * s. */
void await_objects(uint64_t count);
/* Waits until `count` requests are parked on the server; fails after 5 s. */
void await_waiting(uint64_t count);

/* Sets the url and the path. Sockets stay sockets: shared memory is off unless it is what is tested.
 * false: there is no such transport. */
bool world_choose(const char *transport);
int world_main(int argc, char **argv, const char *name, const struct CMUnitTest *tests,
               size_t count);
#define WORLD_MAIN(name, tests)                                                  \
  int main(int argc, char **argv) {                                              \
    return world_main(argc, argv, name, tests, sizeof(tests) / sizeof *(tests)); \
  }

#endif
