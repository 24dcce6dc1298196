/* A story of three users, with shared memory: connection 1 is the owner's, 2 and 3 are those of the users web and
 * eve, who may do all. Each has a session. */
#ifndef HF_TESTS_SUPPORT_STORY_USERS_H
#define HF_TESTS_SUPPORT_STORY_USERS_H

#include "tests/support/story.h"
#include "tests/support/story_cells.h"

struct story_users {
  struct story *story;
  struct story_cells cells;
  /* The next settings: web's is the first. */
  struct user_right web_right, eve_right;
  struct user_settings users[2];
};

/* Resets *users, which must outlive the story. */
void story_users_begin(struct story_users *users, struct story *story);
/* Fails unless what users use adds up; ends the story, too. */
void story_users_end(struct story_users *users);
/* The first `count` users are all that there are from now on. */
void story_users_set(const struct story_users *users, size_t count);
/* With a session, of a process of its own. */
void story_users_connect(const struct story_users *users, uint64_t connection, const char *user);
/* A new object, or one that is there. */
void story_users_open(const struct story_users *users, uint64_t connection, Holdfast__Kind kind,
                      const char *name);
/* An array of 100 reals, of shared memory, if its user may have that; recorded. */
void story_users_open_array(const struct story_users *users, uint64_t connection, const char *name);
/* As the engine knows web. */
const struct user *story_users_web(const struct story_users *users);

#endif
