/* How long one client's request delays another's: what the cases of bench_stalls share.
 *
 * Each group of cases has a server of its own. While a case runs, another process sends a ping
 * every millisecond and remembers how long each took.
 */
#ifndef HF_TESTS_BENCH_STALLS_H
#define HF_TESTS_BENCH_STALLS_H

#include "tests/fault/attacker.h"
#include "tests/support/messages.h"

/* The client that makes the requests; its session, if one was opened, is bound. */
extern struct attacker stalls_client;

/* The size at the limit, times what the command line says; at least 1. */
uint64_t stalls_scaled(uint64_t size);

/* Sends it and waits for the answer. */
void stalls_call(Holdfast__Request *request);
/* `count` of them, several in flight; the request of that index is valid until the next is made. */
void stalls_call_many(uint64_t count, Holdfast__Request *(*make)(uint64_t idx));
/* Sends requests that will wait, from as many connections as they need; all wait when it returns.
 * They are kept until the server ends. */
void stalls_park(uint64_t count, Holdfast__Request *request);
/* The id of the object of that name. */
uint64_t stalls_object(const char *name);
/* Opens a session on the client's connection; 0: the server's grace. */
void stalls_open_session(uint32_t grace_ms);

/* From here on pings count. */
void stalls_begin(void);
/* A line of the table. */
void stalls_end(const char *what, uint64_t size);
/* Both, around one request, whose outcome is printed if it is not OK. */
void stalls_measure(const char *what, uint64_t size, Holdfast__Request *request);

/* The groups; each finds a server that was just started. */
void stalls_idle(void);
void stalls_lists(void);
void stalls_list_changes(void);
void stalls_slices(void);
void stalls_references(void);
void stalls_tuples(void);
void stalls_replies(void);
void stalls_arrays(void);
void stalls_names(void);
void stalls_sessions(void);
void stalls_chain(void);
void stalls_watchers(void);
void stalls_known(void);
void stalls_events(void);
void stalls_locks(void);
void stalls_queues(void);
void stalls_delayed(void);
void stalls_acknowledgements(void);

#endif
