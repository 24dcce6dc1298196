/* A random story for engines: connections that come and go, sessions that are opened, lost,
 * resumed, forked and ended, requests of every kind, time, jobs. The same seed makes the same
 * story, as long as the engine it learns objects from answers the same.
 *
 * Half of the requests are of request_maker.h; the others work together: many locks that are owned
 * and awaited, ends of pipes, semaphores, barriers, conditions, reservations, lists that are long
 * enough to be lent, values and arrays that are volatile, mapped and lost.
 */
#ifndef HF_TESTS_SUPPORT_STEP_MAKER_H
#define HF_TESTS_SUPPORT_STEP_MAKER_H

#include "tests/support/replay.h"
#include "tests/support/request_maker.h"

#define STEP_MAKER_CONNECTIONS 8 /* numbered from 1; the last is one-way */
#define STEP_MAKER_SESSIONS 24

struct step_session {
  uint8_t id[HF_SESSION_BYTES];
  uint64_t sequence, one_way_sequence, attempt;
};

struct step_maker {
  struct request_maker requests;
  struct step_session sessions[STEP_MAKER_SESSIONS]; /* the oldest is replaced */
  size_t sessions_count;
  struct step_session *bound[STEP_MAKER_CONNECTIONS + 1]; /* by connection; NULL: none */
  bool open[STEP_MAKER_CONNECTIONS + 1];
  bool has_long_arrays; /* so long that jobs move them to shared memory */
  uint64_t now_ns;
  uint32_t next_id;
  uint8_t *body; /* malloc: of the last step */
};

void step_maker_init(struct step_maker *maker, uint64_t seed);
void step_maker_deinit(struct step_maker *maker);
/* The next step; what it points to lives until the one after. */
struct replay_step step_maker_make(struct step_maker *maker);
/* The same, mostly about a value or an array that may be volatile. */
struct replay_step step_maker_make_cell(struct step_maker *maker);
/* A step that sends the request; for what a test does itself. */
struct replay_step step_maker_send(struct step_maker *maker, uint64_t connection,
                                   const Holdfast__Request *request);
/* A step that opens a session there. */
struct replay_step step_maker_open_session(struct step_maker *maker, uint64_t connection);
/* Names of objects that requests work on: `count` of a kind, "lock3"; for a test that opens them.
 */
#define STEP_MAKER_SHARED 16
#define STEP_MAKER_OBJECTS (10 * STEP_MAKER_SHARED)
struct replay_step step_maker_open_shared(struct step_maker *maker, uint64_t connection,
                                          size_t object);

#endif
