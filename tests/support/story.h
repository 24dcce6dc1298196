/* Drives an engine with a clock of its own and writes down what happens, so that a test compares a
 * story:
 *
 *   story_get(&story, 1, 1, "q", STORY_WAIT_FOREVER);   1 asks, and waits
 *   story_put(&story, 2, 1, "q", 7);
 *   story_expect(&story, "2 <- #1 OK\n"
 *                        "1 <- #1 OK 7\n");
 *
 * Connections are numbers; a request is written as its connection, its sequence, its target.
 */
#ifndef HF_TESTS_SUPPORT_STORY_H
#define HF_TESTS_SUPPORT_STORY_H

#include "proto/holdfast.pb-c.h"
#include "server/engine/engine.h"

#include <stdint.h>

#define STORY_WAIT_FOREVER INT64_C(-1)
/* A struct bytes, in an initializer. */
#define STORY_TEXT(text) \
  { (const uint8_t *)(text), sizeof(text) - 1 }

struct story {
  struct engine *engine;
  uint64_t now_ns;
  uint8_t next_entropy;
  uint64_t watched_session; /* the last */
  bool keeps_jobs;          /* lent objects stay lent until story_run_job */
  bool in_slices;           /* deferred work waits for story_run_slice */
  uint64_t page_end;        /* the id that the last page of a listing ended with */
  char sentence[2048];      /* of the last error */
  uint64_t pause_ns; /* of the last request: for how long its connection is not to be read from */
  size_t len;
  char text[1 << 20]; /* the reply to one random request may be a whole list */
};

void story_begin(struct story *story);
void story_begin_with_memory(struct story *story, size_t memory_bytes_max);
/* With shared memory of `cells`, borrowed; NULL: none. */
void story_begin_sharing(struct story *story, const struct cell_host *cells,
                         size_t memory_bytes_max);
/* The same, with a session on each of the connections 1 to count, which is not recorded. */
void story_begin_connected(struct story *story, uint64_t count);
/* The same with memory for thousands of waiters. */
void story_begin_crowded(struct story *story, uint64_t count);
/* Connection 1 is the owner's, 2 that of the user web, who has these rights; each has a session. Nothing of it is
 * recorded. */
void story_begin_with_web(struct story *story, const struct user_right *rights, size_t count);
/* Drops the recorded text. */
void story_forget(struct story *story);
void story_end(struct story *story);
/* Whether this is in what was recorded. */
bool story_said(const struct story *story, const char *text);
/* Fails unless exactly this was recorded since the last call. */
void story_expect(struct story *story, const char *expected);
/* Runs the job of a lent object. false: there is none. */
bool story_run_job(struct story *story);
/* Peers stand in line, or do no more. */
void story_crowd(struct story *story, bool is_crowded);
void story_pass_ms(struct story *story, uint64_t ms);
/* An engine batch without a request. Whether deferred work is left. */
bool story_run_slice(struct story *story);
void story_connect(struct story *story, uint64_t connection);
void story_connect_one_way(struct story *story, uint64_t connection);
void story_connect_as(struct story *story, uint64_t connection, bool one_way, const char *user);
/* Who there is from now on. */
void story_set_users(struct story *story, const struct user_settings *users, size_t count);
void story_disconnect(struct story *story, uint64_t connection);

/* Sends any request. timeout_ms as above. */
void story_send(struct story *story, uint64_t connection, Holdfast__Request *request);
/* A request with its envelope filled: target by name, NULL: none. */
Holdfast__Request story_request(uint64_t sequence, const char *name, int64_t timeout_ms);

/* Opens a session on the connection; returns its number, for story_resume. */
uint8_t story_open_session(struct story *story, uint64_t connection);
/* The same for a client on the server's machine. */
uint8_t story_open_session_of(struct story *story, uint64_t connection, int process);
/* Ends the process of the session whose connection was lost last. */
void story_end_process(struct story *story);
void story_resume(struct story *story, uint64_t connection, uint8_t session, uint64_t attempt);
void story_close_session(struct story *story, uint64_t connection);
/* name NULL: anonymous. Returns the object's id. */
uint64_t story_open(struct story *story, uint64_t connection, uint64_t sequence,
                    Holdfast__Kind kind, const char *name, int64_t maxsize);
void story_put(struct story *story, uint64_t connection, uint64_t sequence, const char *queue,
               int64_t integer, int64_t timeout_ms);
void story_get(struct story *story, uint64_t connection, uint64_t sequence, const char *queue,
               int64_t timeout_ms);
void story_acquire(struct story *story, uint64_t connection, uint64_t sequence, const char *lock,
                   uint64_t thread, int64_t timeout_ms);
void story_release(struct story *story, uint64_t connection, uint64_t sequence, const char *lock,
                   uint64_t thread);
void story_append_reference(struct story *story, uint64_t connection, uint64_t sequence,
                            const char *list, uint64_t object);
void story_pop(struct story *story, uint64_t connection, uint64_t sequence, const char *list);
void story_drop(struct story *story, uint64_t connection, uint64_t sequence, uint64_t object,
                uint64_t count);
/* The number of objects, from ServerInfo. Records nothing. */
uint64_t story_objects(struct story *story, uint64_t connection);

#endif
