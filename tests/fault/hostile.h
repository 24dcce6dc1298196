/* Common code of the hostile tests: a server, and the check after each attack that the server
 * still serves a regular client quickly and within its memory.
 */
#ifndef HF_TESTS_FAULT_HOSTILE_H
#define HF_TESTS_FAULT_HOSTILE_H

#include "proto/sp.h"
#include "tests/fault/attacker.h"
#include "tests/support/daemon.h"

/* The bound of the server's peak memory during attacks. Sanitizers delay freeing. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RESIDENT_BYTES_MAX (2048ull << 20)
#else
#define RESIDENT_BYTES_MAX (512ull << 20)
#endif
/* The bound of a ping over a new connection during an attack. */
#define HONEST_PING_MS_MAX 2000

extern struct daemon hostile_server;

/* cmocka fixtures. hostile_arguments: the server's arguments, NULL-terminated, or NULL. */
extern const char *const *hostile_arguments;
int hostile_start(void **state);
int hostile_stop(void **state);
/* After each test: fails unless a regular client is served, and memory is within its bound. */
int hostile_check(void **state);

/* Both, for tests with a server each, so that leaked memory of one does not hide another's. */
int hostile_check_and_stop(void **state);

/* The same during an attack. */
void hostile_expect_healthy(const char *when);
/* Connects an attacker as REQ; fails the test on failure. */
void hostile_open(struct attacker *attacker);

/* Requests on the object named `name`; opened anew where it is not there. */
void hostile_open_object(struct attacker *attacker, Holdfast__Kind kind, const char *name,
                         int64_t maxsize);
/* A request on the object `name`, which is borrowed. */
Holdfast__Request hostile_request(const char *name);
ProtobufCBinaryData hostile_data(const char *text);
/* Receives replies until none is outstanding or one is late; returns their count. */
size_t hostile_drain(struct attacker *attacker, size_t outstanding);

#endif
