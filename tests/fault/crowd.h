/* Client processes of a fault test: started, waited for with a deadline, killed.
 *
 * A worker is a function that runs in a process of its own and returns its exit code; it uses the
 * public library only, and never cmocka.
 */
#ifndef HF_TESTS_FAULT_CROWD_H
#define HF_TESTS_FAULT_CROWD_H

#include <holdfast/holdfast.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef int crowd_worker(const char *url, int idx, void *arg);

/* Exit codes a worker may use; others are its own. */
enum { CROWD_DONE = 0, CROWD_FAILED = 1 };

/* Dies with its parent. */
pid_t crowd_start(crowd_worker *worker, const char *url, int idx, void *arg);
/* Waits; fails the test after timeout_ms. Returns the exit code, or 128 + the signal. */
int crowd_wait(pid_t pid, int timeout_ms);
/* Fails the test, saying how, if the client has ended by itself. */
void crowd_expect_running(pid_t pid);
/* Sends SIGKILL and waits for the end. */
void crowd_kill(pid_t pid);

/* In a worker: connects with that grace and call timeout; prints the error and exits if it can't,
 * or if HOLDFAST_LOCAL=on and the path is not shared memory. */
hf_conn *crowd_connect(const char *url, uint32_t grace_ms, int64_t call_timeout_ms);
/* In a worker: prints the library's last error; returns CROWD_FAILED. */
int crowd_fail(const char *what, int idx);
/* In the test: fails unless status is HF_OK, with the library's last error. */
void crowd_expect_ok(hf_status status, const char *what);

/* In the test: waits until the server has at most that many objects and sessions. */
void crowd_expect_left(hf_conn *conn, uint64_t objects, uint64_t sessions, int timeout_ms);

#endif
