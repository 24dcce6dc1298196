/* What the hostile tests share: one server, and the question after each attack whether it still
 * serves an honest client quickly and within its memory.
 */
#ifndef HF_TESTS_FAULT_HOSTILE_H
#define HF_TESTS_FAULT_HOSTILE_H

#include "proto/sp.h"
#include "tests/fault/attacker.h"
#include "tests/support/daemon.h"

/* Whatever is thrown at it, the server's peak stays below. Sanitizers keep what was freed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RESIDENT_BYTES_MAX (2048ull << 20)
#else
#define RESIDENT_BYTES_MAX (512ull << 20)
#endif
/* An honest ping over a new connection while an attack goes on. */
#define HONEST_PING_MS_MAX 2000

extern struct daemon hostile_server;

/* cmocka fixtures. The arguments of the server: hostile_arguments, NULL-terminated or NULL. */
extern const char *const *hostile_arguments;
int hostile_start(void **state);
int hostile_stop(void **state);
/* After each test: fails unless an honest client is served and memory is within its bound. */
int hostile_check(void **state);

/* Both, for tests that have a server each: memory that one of them leaves does not hide another's.
 */
int hostile_check_and_stop(void **state);

/* The same in the middle of an attack. */
void hostile_expect_healthy(const char *when);
/* An attacker that said hello as REQ; the test fails otherwise. */
void hostile_open(struct attacker *attacker);

/* Requests on the object named `name`; opened anew where it is not there. */
void hostile_open_object(struct attacker *attacker, Holdfast__Kind kind, const char *name,
                         int64_t maxsize);
/* A request whose target is `name`. Borrows it. */
Holdfast__Request hostile_request(const char *name);
ProtobufCBinaryData hostile_data(const char *text);
/* Receives replies until none is outstanding or one is late; answers how many came. */
size_t hostile_drain(struct attacker *attacker, size_t outstanding);

#endif
