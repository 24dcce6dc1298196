/* Steps of a random story that send a request: connections, the sessions that they are bound to, and the numbers of
 * their requests.
 *
 * What a step points to lives until the next one.
 */
#ifndef HF_TESTS_SUPPORT_STEP_SESSIONS_H
#define HF_TESTS_SUPPORT_STEP_SESSIONS_H

#include "tests/support/replay.h"
#include "tests/support/request_maker.h"

#define STEP_MAKER_CONNECTIONS 8 /* numbered from 1; the last is one-way */
#define STEP_ONE_WAY STEP_MAKER_CONNECTIONS
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

static inline uint64_t step_below(struct step_maker *maker, uint64_t limit) {
  return random_below(&maker->requests.random, limit);
}
/* A step now, without more. */
struct replay_step step_at(const struct step_maker *maker, enum replay_kind kind,
                           uint64_t connection);
/* The request as it is. */
struct replay_step step_send(struct step_maker *maker, uint64_t connection,
                             const Holdfast__Request *request);

/* NULL: there was none yet. */
struct step_session *step_any_session(struct step_maker *maker);
/* Numbers the request, mostly as a library would, sometimes again or out of order. */
void step_put_in_session(struct step_maker *maker, uint64_t connection, Holdfast__Request *request);
struct replay_step step_open_session(struct step_maker *maker, uint64_t connection);
/* Of any connection before; opens one if there is none. */
struct replay_step step_resume_session(struct step_maker *maker, uint64_t connection);
struct replay_step step_fork_session(struct step_maker *maker, uint64_t connection);
struct replay_step step_close_session(struct step_maker *maker, uint64_t connection);

#endif
