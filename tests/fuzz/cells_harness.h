/* An engine with clients whose requests and answers are kept, to compare what it says with what it
 * may say:
 *
 *   a request is answered once at most, where it was asked, and in time
 *   a cell's lock has one grant at a time; nobody else's operation passes it meanwhile, nor while a
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
  int session;         /* the last it opened, or CELLS_NOBODY */
  /* The sessions that were bound to the connection, the oldest first. */
  int bound[HF_SESSIONS_OF_CONNECTION_MAX];
  size_t bound_count;
};

struct client_session {
  uint8_t id[HF_SESSION_BYTES];
  uint64_t serial;
  int client;
  bool is_visible; /* the server can look at its process */
  enum { SESSION_BOUND, SESSION_LOST, SESSION_ENDED } state;
  uint64_t sequence, attempt, heard_ns, lost_ns;
};

/* A request that was sent; its index is its route. */
struct ask {
  uint64_t connection, sequence, deadline_ns;
  int session;
  uint8_t *body;
  size_t len;
  bool is_answered, went_well;
  bool is_over;        /* without an answer: it was repeated, or its connection is gone */
  bool is_silent;      /* has no answer if all is well */
  bool is_repeat;      /* of one that went well: it gives nothing */
  bool waits_for_lock; /* and for nothing else */
  uint64_t granted;    /* the object whose lock it was given; 0: none, or taken back */
  uint64_t token;
};

/* The lock of one object. */
struct grant {
  uint64_t object, token, caller, depth, lease_ms, since_ns;
  int session;
  bool robust;
};

/* One that is opened again and again, under one name or none. */
struct known_object {
  const char *name; /* NULL: anonymous */
  Holdfast__Kind kind;
  char typecode;
  uint64_t length;
  uint64_t id; /* the last; 0: none */
};

struct harness {
  struct engine *engine;
  struct slots slots;
  struct shared_cells cells; /* in the places */
  struct arena arena, reading;
  uint64_t now_ns, next_connection, to_close;
  uint32_t threads; /* bit for each client: its process has any thread one asks for */
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
/* Nobody has a thread: whoever waits for a lock gets it. Then all goodbyes, and nothing is left. */
void harness_end(struct harness *harness);
/* Whatever there is goes with the engine. */
void harness_drop(struct harness *harness);

/* Session, sequence and connection are seen to. false: the client has no connection. */
bool harness_send(struct harness *harness, int client, Holdfast__Request *request,
                  bool is_numbered);
/* The same bytes again. */
void harness_repeat(struct harness *harness, int client, size_t idx);
bool harness_is_bound(const struct harness *harness, int client);

void harness_connect(struct harness *harness, int client);
void harness_disconnect(struct harness *harness, int client);
void harness_open_session(struct harness *harness, int client, bool is_hidden);
/* On a new connection. */
void harness_resume(struct harness *harness, int client);
void harness_close_session(struct harness *harness, int client);
/* If it is lost. */
void harness_end_process(struct harness *harness, int client);
/* All at once, or as often as there is something to do. */
void harness_pass_ms(struct harness *harness, uint64_t ms, bool at_once);

#endif
