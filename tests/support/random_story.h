/* A random story for engines: connections come and go, sessions are opened, lost and resumed, and
 * ask for everything there is, with arguments that mostly make sense, so that much waits at any
 * time. The same again for the same seed, whatever the engines answer.
 *
 *   random_story_next(&story);               what happens next
 *   random_stage_play(&a, &story);           to one engine, and to another
 *   random_stage_play(&b, &story);           a.len, a.bytes: what came of it, byte for byte
 */
#ifndef HF_TESTS_SUPPORT_RANDOM_STORY_H
#define HF_TESTS_SUPPORT_RANDOM_STORY_H

#include "server/engine/engine.h"
#include "tests/support/request_maker.h"

#define RANDOM_PARTIES 6 /* the second to last has no session, the last is one-way */
#define RANDOM_RESERVATIONS 16

enum random_event {
  RANDOM_REQUEST,
  RANDOM_CONNECT,
  RANDOM_DISCONNECT,
  RANDOM_PROCESS,
  RANDOM_TIME,
  RANDOM_USERS
};

struct random_party {
  uint64_t connection; /* 0: none */
  uint8_t session[HF_SESSION_BYTES];
  bool has_session, is_bound;
  uint64_t sequence, acked, attempt;
  uint64_t one_way_sequence;
};

struct random_step;

struct random_story {
  struct request_maker maker;
  const char *word; /* of the request that is made */
  struct random_party parties[RANDOM_PARTIES];
  uint64_t reservations[RANDOM_RESERVATIONS]; /* seen in replies */
  size_t reservations_count;
  /* One that a session was bound to before it was resumed elsewhere; 0: none. */
  uint64_t stale_connection;
  uint64_t now_ns, next_connection, next_session, events;
  const struct random_step *script; /* the rest of a script of two parties; NULL: none */
  struct random_party *actors[2];
  bool has_users;    /* beside the owner */
  bool wants_script; /* the next pair that can begins a script */
  /* The next event. */
  enum random_event event;
  uint64_t connection, serial;
  const char *user; /* of a new connection: static; it may be none */
  uint64_t users;   /* which of random_users.h there are from now on */
  bool one_way;
  uint8_t entropy[HF_SESSION_BYTES];
  uint8_t *body;
  size_t body_len, body_capacity;
  uint64_t also[2]; /* the request's selective acknowledgements */
};

void random_story_init(struct random_story *story, uint64_t seed);
void random_story_deinit(struct random_story *story);
void random_story_next(struct random_story *story);

/* An engine, and its effects since the last event. */
struct random_stage {
  struct engine *engine;
  struct random_story *learner; /* learns ids from the replies; or NULL */
  uint8_t *bytes;
  size_t len, capacity;
  uint64_t replies;
};

struct engine_config random_stage_config(void);
struct engine_sink random_stage_sink(struct random_stage *stage);
/* Frees the engine. */
void random_stage_end(struct random_stage *stage);
void random_stage_play(struct random_stage *stage, const struct random_story *story);

#endif
