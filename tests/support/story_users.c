#include "tests/support/story_users.h"

#include "server/engine/core.h"
#include "tests/support/messages.h"
#include "tests/support/user_sums.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

void story_users_set(const struct story_users *users, size_t count) {
  story_set_users(users->story, users->users, count);
}

void story_users_connect(const struct story_users *users, uint64_t connection, const char *user) {
  story_connect_as(users->story, connection, false, user);
  story_open_session_of(users->story, connection, (int)(100 + connection));
}

void story_users_begin(struct story_users *users, struct story *story) {
  users->story = story;
  users->web_right = users->eve_right = (struct user_right){bytes_of_text(""), ACCESS_ALL};
  users->users[0] = (struct user_settings){
      .name = bytes_of_text("web"), .rights = &users->web_right, .rights_count = 1};
  users->users[1] = (struct user_settings){
      .name = bytes_of_text("eve"), .rights = &users->eve_right, .rights_count = 1};
  story_begin_sharing(story, story_cells_begin(&users->cells), 1u << 20);
  story_users_set(users, 2);
  story_users_connect(users, 1, "");
  story_users_connect(users, 2, "web");
  story_users_connect(users, 3, "eve");
  story_forget(story);
}

void story_users_end(struct story_users *users) {
  assert_true(user_sums_are_right(users->story->engine));
  story_end(users->story);
  story_cells_end(&users->cells);
}

const struct user *story_users_web(const struct story_users *users) {
  return users_find_name(&users->story->engine->users, bytes_of_text("web"));
}

void story_users_open(const struct story_users *users, uint64_t connection, Holdfast__Kind kind,
                      const char *name) {
  story_open(users->story, connection, 0, kind, name, 0);
  assert_true(story_said(users->story, "OK"));
  story_forget(users->story);
}

void story_users_open_array(const struct story_users *users, uint64_t connection,
                            const char *name) {
  story_forget(users->story);
  ask(users->story, connection, 0,
      REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__ARRAY,
              .name = DATA(name), .typecode = DATA("d"), .length = 100, .map = true));
}
