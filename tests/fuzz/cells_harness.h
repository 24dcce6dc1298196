/* An engine with clients whose requests and answers are kept, to compare what it says with what it
 * may say:
 *
 *   a request is answered once at most, where it was asked, and in time
 *   a cell's lock has one grant at a time; no other thread's operation is performed meanwhile, nor while a
 *   local thread has the mutex by the rules
 *   an element changes only when a request that stores is answered
 *
 * Clients 0 and 1 are processes on the server's machine, 2 is elsewhere, 3 has no session.
 */
#ifndef HF_TESTS_FUZZ_CELLS_HARNESS_H
#define HF_TESTS_FUZZ_CELLS_HARNESS_H

#include "proto/base/arena.h"
#include "proto/holdfast.pb-c.h"
#include "proto/limits.h"
#include "server/cells/shared_cells.h"
#include "server/engine/engine.h"
#include "tests/fuzz/cells_slots.h"

#define CLIENTS_COUNT 4
#define SESSIONLESS 3
#define OBJECTS_COUNT 8
#define ASKS_MAX 4096
#define GRANTS_MAX 512
#define GRACE_MS 200
#define PROCESS_OF(client) (101u + (unsigned)(client))
#define THREAD_OF(client) (UINT32_C(0x1001) + (uint32_t)(client))

struct client {
  uint64_t connection; /* 0: none */
  int session;         /* the session opened last, or CELLS_NOBODY */
  /* Sessions that were bound to the connection, oldest first. */
  int bound[HF_SESSIONS_OF_CONNECTION_MAX];
  size_t bound_count;
};

struct client_session {
  uint8_t id[HF_SESSION_BYTES];
  uint64_t serial;
  int client;
  bool is_visible; /* the server can identify its process */
  enum { SESSION_BOUND, SESSION_LOST, SESSION_ENDED } state;
  uint64_t sequence, attempt, heard_ns, lost_ns;
};

/* A sent request; its index is its route. */
struct ask {
  uint64_t connection, sequence, deadline_ns;
  int session;
  uint8_t *body;
  size_t len;
  bool is_answered, went_well;
  bool is_over;        /* not answered: repeated, or its connection is closed */
  bool is_silent;      /* has no reply unless it fails */
  bool is_repeat;      /* a repetition of a successful request, which grants nothing */
  bool waits_for_lock; /* waits only for a lock */
  uint64_t granted;    /* the object whose lock was granted; 0: none, or revoked */
  uint64_t token;
};

/* The lock of one object. */
struct grant {
  uint64_t object, token, thread, depth, lease_ms, since_ns;
  int session;
  bool robust;
};

/* An object that is opened repeatedly, under one name or anonymously. */
struct known_object {
  const char *name; /* NULL: anonymous */
  Holdfast__Kind kind;
  char typecode;
  uint64_t length;
  uint64_t id; /* the id of the last; 0: none */
};

struct harness {
  struct engine *engine;
  struct slots slots;
  struct shared_cells cells; /* in `slots` */
  struct arena arena, reading;
  uint64_t now_ns, next_connection, to_close;
  uint32_t threads; /* bit per client: its process has every thread that is asked for */
  struct client clients[CLIENTS_COUNT];
  struct known_object objects[OBJECTS_COUNT];
  struct client_session sessions[CELLS_SESSIONS_MAX];
  size_t sessions_count;
  struct ask asks[ASKS_MAX];
  size_t asks_count;
  struct grant grants[GRANTS_MAX];
  size_t grants_count;
};

void harness_begin(struct harness *harness);
/* No process has threads: all waits for locks end. Then all sessions say goodbye, and nothing may
 * be left. */
void harness_end(struct harness *harness);
/* Frees the engine with all its objects. */
void harness_drop(struct harness *harness);

/* Sends the request; fills in session, sequence and connection. false: the client has no
 * connection. */
bool harness_send(struct harness *harness, int client, Holdfast__Request *request,
                  bool is_numbered);
/* Sends the same bytes again. */
void harness_repeat(struct harness *harness, int client, size_t idx);
bool harness_is_bound(const struct harness *harness, int client);

void harness_connect(struct harness *harness, int client);
void harness_disconnect(struct harness *harness, int client);
void harness_open_session(struct harness *harness, int client, bool is_hidden);
/* Resumes the session on a new connection. */
void harness_resume(struct harness *harness, int client);
void harness_close_session(struct harness *harness, int client);
/* Ends the process of a lost session. */
void harness_end_process(struct harness *harness, int client);
/* Passes time, at once or in steps from one deadline to the next. */
void harness_pass_ms(struct harness *harness, uint64_t ms, bool at_once);

#endif
