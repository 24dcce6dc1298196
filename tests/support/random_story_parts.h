/* The parts of a random story: parties with their connections, requests that make sense, scripts.
 * Private to random_*.c; random_story.c chooses among them.
 */
#ifndef HF_TESTS_SUPPORT_RANDOM_STORY_PARTS_H
#define HF_TESTS_SUPPORT_RANDOM_STORY_PARTS_H

#include "tests/support/random_story.h"

static inline uint64_t below(struct random_story *story, uint64_t limit) {
  return random_below(&story->maker.random, limit);
}

/* ---- random_party.c: each function makes the story's next event */

void random_party_connect(struct random_story *story, struct random_party *party);
void random_party_disconnect(struct random_story *story, struct random_party *party);
/* Opens a session, or comes back to the one it had. */
void random_party_bind(struct random_story *story, struct random_party *party);
void random_party_resume(struct random_story *story, struct random_party *party);
/* The body of the next event, which is a request. */
void random_party_put_body(struct random_story *story, Holdfast__Request *request);
/* One of a few, static. */
const char *random_party_word(struct random_story *story);

/* ---- random_scenes.c */

/* A request of any party's that makes sense, mostly. */
void random_scene_send(struct random_story *story);

/* ---- random_script.c */

/* Begins one, if two parties with sessions are there. */
void random_script_begin(struct random_story *story);
/* The next step of the script under way. false: the script is over, or an actor has gone. */
bool random_script_step(struct random_story *story);

#endif
