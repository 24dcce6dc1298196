#include "tests/support/random_story_parts.h"

#include "proto/base/clock.h"
#include "tests/support/random_users.h"

#include <stdlib.h>

/* Whether the party does something about its connection. */
static bool sees_to_connection(struct random_story *story, struct random_party *party) {
  bool needs_session = party < &story->parties[RANDOM_PARTIES - 2];
  if (!party->connection) {
    if (below(story, 8) == 0 || story->events < 50) {
      random_party_connect(story, party);
      return true;
    }
    return false;
  }
  if (needs_session && !party->is_bound) {
    random_party_bind(story, party);
    return true;
  }
  if (below(story, 60) == 0) {
    random_party_disconnect(story, party);
    return true;
  }
  return false;
}

void random_story_next(struct random_story *story) {
  struct random_party *party = &story->parties[below(story, RANDOM_PARTIES)];
  story->events++;
  story->one_way = false;
  if (story->events == 1) { /* before anybody comes */
    story->event = RANDOM_USERS;
    story->users = story->has_users ? 0 : RANDOM_USERS_NONE;
    return;
  }
  if (story->events <= RANDOM_PARTIES + 1) {
    party = &story->parties[story->events - 2];
  }
  if (!story->script && (story->wants_script || below(story, 12) == 0)) {
    random_script_begin(story);
  }
  if (story->script && random_script_step(story)) {
    return;
  }
  if (sees_to_connection(story, party)) {
    return;
  }
  uint64_t choice = below(story, 100);
  if (choice < 6) {
    story->event = RANDOM_TIME;
    story->now_ns += below(story, 300) * CLOCK_NS_PER_MS;
  } else if (choice < 7 && story->has_users && below(story, 2)) {
    story->event = RANDOM_USERS;
    story->users = below(story, 2) ? 0 : below(story, RANDOM_USERS_VARIANTS);
  } else if (choice < 7) {
    story->event = RANDOM_PROCESS;
    story->serial = 1 + below(story, story->next_session + 1);
  } else {
    story->now_ns += below(story, CLOCK_NS_PER_MS);
    random_scene_send(story);
  }
}

void random_story_init(struct random_story *story, uint64_t seed) {
  *story = (struct random_story){.now_ns = 1, .has_users = seed % 2};
  request_maker_init(&story->maker, seed);
}

void random_story_deinit(struct random_story *story) {
  request_maker_deinit(&story->maker);
  free(story->body);
}
