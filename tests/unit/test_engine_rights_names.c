/* What rights to prefixes of names let a user see: the sentence of a denial, names that are opened, lists and
 * their pages.
 *
 * Connection 1 is the owner's, 2 is web's.
 */
#include "server/engine/core.h"
#include "tests/support/messages.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct story story;

static void begin(unsigned access) {
  const struct user_right right = {STORY_TEXT(""), (uint8_t)access};
  story_begin_with_web(&story, &right, 1);
}

static bool is_denied(void) {
  return story_said(&story, "PERMISSION_DENIED NO_RIGHT");
}

/* ---- sentences */

static void test_a_denial_says_who_what_and_why(void **state) {
  (void)state;
  const struct user_right rights[] = {{STORY_TEXT("jobs."), ACCESS_READ},
                                      {STORY_TEXT("results."), ACCESS_READ | ACCESS_WRITE}};
  story_begin_with_web(&story, rights, 2);
  story_put(&story, 2, 1, "jobs.in", 5, 0);
  story_expect(&story, "2 <- #1 PERMISSION_DENIED NO_RIGHT\n");
  assert_string_equal(story.sentence,
                      "user \"web\" may read \"jobs.in\", not write it "
                      "(queue_put needs w; rights: results.:rw jobs.:r)");
  story_put(&story, 2, 2, "secret\n\xff", 5, 0);
  assert_string_equal(story.sentence,
                      "user \"web\" may not write \"secret??\" "
                      "(queue_put needs w; rights: results.:rw jobs.:r)");
  story_end(&story);
}

/* However long all names are. */
static void test_a_sentence_is_bounded(void **state) {
  (void)state;
  char name[HF_NAME_BYTES_MAX + 1];
  struct user_right rights[20];
  memset(name, 'x', sizeof name);
  for (size_t i = 0; i < 20; i++) {
    rights[i] = (struct user_right){bytes_of(name, 100 + i), ACCESS_READ};
  }
  struct user_settings user = {
      .name = bytes_of(name, USER_NAME_BYTES_MAX), .rights = rights, .rights_count = 20};
  name[HF_NAME_BYTES_MAX] = 0;
  story_begin(&story);
  story_set_users(&story, &user, 1);
  char user_name[USER_NAME_BYTES_MAX + 1] = {0};
  memset(user_name, 'x', USER_NAME_BYTES_MAX);
  story_connect_as(&story, 2, false, user_name);
  story_put(&story, 2, 0, name, 5, 0);
  assert_true(is_denied());
  assert_true(strlen(story.sentence) < DENIAL_BYTES_MAX);
  assert_non_null(strstr(story.sentence, " ...)"));
  story_end(&story);
}

/* ---- names */

/* What a request is answered must not depend on whether what it may not see exists. */
static void test_what_may_not_be_seen_is_denied_whether_or_not_it_exists(void **state) {
  (void)state;
  char sentence[sizeof story.sentence];
  begin(ACCESS_NOTHING);
  story_get(&story, 2, 1, "q", 0);
  story_expect(&story, "2 <- #1 PERMISSION_DENIED NO_RIGHT\n");
  memcpy(sentence, story.sentence, sizeof sentence);
  story_open(&story, 1, 1, HOLDFAST__KIND__QUEUE, "q", 0);
  story_forget(&story);
  story_get(&story, 2, 2, "q", 0);
  story_expect(&story, "2 <- #2 PERMISSION_DENIED NO_RIGHT\n");
  assert_string_equal(story.sentence, sentence);
  story_end(&story);
}

static const char *open_mode(Holdfast__ObjectOpen__Mode mode, const char *name) {
  story_forget(&story);
  ask(&story, 2, 0,
      REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__LIST,
              .name = DATA(name), .mode = mode));
  return story.text;
}

/* Rights, mode, and what is answered if the name is free, and if it is not. */
static void test_opening_by_name(void **state) {
  (void)state;
  static const char created[] = "2 <- #0 OK created\n", there[] = "2 <- #0 OK there\n";
  static const char denied[] = "2 <- #0 PERMISSION_DENIED NO_RIGHT\n";
  static const char none[] = "2 <- #0 NOT_FOUND NO_SUCH_OBJECT\n";
  static const char taken[] = "2 <- #0 ALREADY_EXISTS NAME_TAKEN\n";
  enum {
    ANY_MODE = HOLDFAST__OBJECT_OPEN__MODE__OPEN_OR_CREATE,
    CREATE = HOLDFAST__OBJECT_OPEN__MODE__CREATE,
    OPEN = HOLDFAST__OBJECT_OPEN__MODE__OPEN
  };
  static const struct {
    unsigned rights;
    int mode;
    const char *if_free, *if_taken;
  } rows[] = {
      {ACCESS_NOTHING, OPEN, denied, denied},
      {ACCESS_NOTHING, CREATE, denied, denied},
      {ACCESS_NOTHING, ANY_MODE, denied, denied},
      {ACCESS_READ, OPEN, none, there},
      {ACCESS_READ, CREATE, denied, denied},
      {ACCESS_READ, ANY_MODE, denied, there},
      {ACCESS_WRITE, OPEN, none, there},
      {ACCESS_WRITE, CREATE, denied, denied},
      {ACCESS_WRITE, ANY_MODE, denied, there},
      {ACCESS_CREATE, OPEN, denied, denied},
      {ACCESS_CREATE, CREATE, created, denied},
      {ACCESS_CREATE, ANY_MODE, created, denied},
      {ACCESS_CREATE | ACCESS_READ, OPEN, none, there},
      {ACCESS_CREATE | ACCESS_READ, CREATE, created, taken},
      {ACCESS_CREATE | ACCESS_READ, ANY_MODE, created, there},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    begin(rows[i].rights);
    story_open(&story, 1, 0, HOLDFAST__KIND__LIST, "taken", 0);
    Holdfast__ObjectOpen__Mode mode = (Holdfast__ObjectOpen__Mode)rows[i].mode;
    assert_string_equal(open_mode(mode, "free"), rows[i].if_free);
    assert_string_equal(open_mode(mode, "taken"), rows[i].if_taken);
    story_end(&story);
  }
}

/* To a name that may be neither read, written nor created every mode has one answer, to the byte. */
static void test_opening_does_not_tell_which_names_there_are(void **state) {
  (void)state;
  static const unsigned rights[] = {ACCESS_NOTHING, ACCESS_CREATE};
  char answer[200], sentence[sizeof story.sentence];
  for (size_t i = 0; i < sizeof rights / sizeof *rights; i++) {
    for (int mode = HOLDFAST__OBJECT_OPEN__MODE__OPEN_OR_CREATE;
         mode <= HOLDFAST__OBJECT_OPEN__MODE__OPEN; mode++) {
      if (rights[i] && mode != HOLDFAST__OBJECT_OPEN__MODE__OPEN) {
        continue; /* it is created, or is not */
      }
      begin(rights[i]);
      snprintf(answer, sizeof answer, "%s", open_mode((Holdfast__ObjectOpen__Mode)mode, "name"));
      memcpy(sentence, story.sentence, sizeof sentence);
      assert_true(is_denied());
      story_open(&story, 1, 0, HOLDFAST__KIND__LIST, "name", 0);
      assert_string_equal(open_mode((Holdfast__ObjectOpen__Mode)mode, "name"), answer);
      assert_string_equal(story.sentence, sentence);
      story_end(&story);
    }
  }
}

static void test_the_longest_prefix_decides_alone(void **state) {
  (void)state;
  const struct user_right rights[] = {{STORY_TEXT(""), ACCESS_READ | ACCESS_WRITE},
                                      {STORY_TEXT("jobs."), ACCESS_READ},
                                      {STORY_TEXT("jobs.secret."), ACCESS_NOTHING},
                                      {STORY_TEXT("jobs.secret.mine"), ACCESS_WRITE}};
  static const struct {
    const char *name;
    bool may_put;
  } rows[] = {{"a", true},
              {"jobs", true},
              {"jobs.", false},
              {"jobs.x", false},
              {"jobs.secret.", false},
              {"jobs.secret.min", false},
              {"jobs.secret.mine", true}};
  story_begin_with_web(&story, rights, 4);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    story_open(&story, 1, 0, HOLDFAST__KIND__QUEUE, rows[i].name, 0);
    story_forget(&story);
    story_put(&story, 2, 0, rows[i].name, 5, 0);
    assert_int_equal(is_denied(), !rows[i].may_put);
  }
  story_end(&story);
}

/* ---- sessions */

static void test_a_session_that_the_owner_resumes_keeps_its_rights(void **state) {
  (void)state;
  begin(ACCESS_READ);
  story_open(&story, 1, 0, HOLDFAST__KIND__QUEUE, "q", 0);
  uint8_t session = core_peer(story.engine, 2)->session->id[0];
  story_connect(&story, 9);
  story_put(&story, 9, 0, "q", 5, 0);
  story_forget(&story);
  story_resume(&story, 9, session, 1);
  story_put(&story, 9, 1, "q", 5, 0);
  story_expect(&story,
               "2 closed\n"
               "9 <- #0 OK session\n"
               "9 <- #1 PERMISSION_DENIED NO_RIGHT\n");
  story_end(&story);
}

/* ---- lists */

static void list_objects(const char *prefix, const char *after, uint32_t limit, bool anonymous) {
  story_forget(&story);
  ask(&story, 2, 0,
      REQUEST(OBJECT_LIST, ObjectList, object_list, .prefix = DATA(prefix), .after = DATA(after),
              .limit = limit, .anonymous = anonymous));
}

static void test_a_list_has_what_may_be_seen(void **state) {
  (void)state;
  const struct user_right rights[] = {{STORY_TEXT("b"), ACCESS_READ},
                                      {STORY_TEXT("bx"), ACCESS_CREATE},
                                      {STORY_TEXT("bxy"), ACCESS_WRITE},
                                      {STORY_TEXT("d"), ACCESS_READ | ACCESS_WRITE}};
  static const char *const names[] = {"a",   "b1", "b2", "bx", "bx1", "bxy",
                                      "bxz", "c",  "d",  "d1", "e"};
  story_begin_with_web(&story, rights, 4);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    story_open(&story, 1, 0, HOLDFAST__KIND__EVENT, names[i], 0);
  }
  story_open(&story, 1, 0, HOLDFAST__KIND__EVENT, NULL, 0);
  story_open(&story, 2, 0, HOLDFAST__KIND__EVENT, NULL, 0);
  list_objects("", "", 0, false);
  story_expect(&story, "2 <- #0 OK 5: b1 b2 bxy d d1\n");
  list_objects("", "", 2, false);
  story_expect(&story, "2 <- #0 OK 2: b1 b2, more after b2\n");
  list_objects("", "b2", 2, false);
  story_expect(&story, "2 <- #0 OK 2: bxy d, more after d\n");
  list_objects("", "d", 1, false);
  story_expect(&story, "2 <- #0 OK 1: d1\n"); /* "e" is no more */
  list_objects("c", "", 0, false);
  story_expect(&story, "2 <- #0 OK 0:\n");
  list_objects("bx", "", 0, false);
  story_expect(&story, "2 <- #0 OK 1: bxy\n");
  list_objects("", "", 0, true);
  story_expect(&story, "2 <- #0 OK 6: b1 b2 bxy d d1 anonymous\n");
  story_end(&story);
}

/* Names that may not be seen cost no looks, however many there are. */
static void test_a_list_passes_names_that_may_not_be_seen(void **state) {
  (void)state;
  char name[16];
  begin(ACCESS_NOTHING);
  story.engine->memory.max = 64u << 20;
  const struct user_right right = {STORY_TEXT("z"), ACCESS_READ};
  const struct user_settings web = {.name = STORY_TEXT("web"), .rights = &right, .rights_count = 1};
  story_set_users(&story, &web, 1);
  for (size_t i = 0; i < 2 * HF_PAGE_COUNT_MAX; i++) {
    snprintf(name, sizeof name, "n%06zu", i);
    story_open(&story, 1, 0, HOLDFAST__KIND__EVENT, name, 0);
    story_forget(&story);
  }
  story_open(&story, 1, 0, HOLDFAST__KIND__EVENT, "z", 0);
  list_objects("", "", 0, false);
  story_expect(&story, "2 <- #0 OK 1: z\n");
  story_end(&story);
}

static void list_locks(void) {
  story_forget(&story);
  ask(&story, 2, 0, REQUEST(LOCK_LIST, LockList, lock_list));
}

static void test_locks_of_others_are_for_admins(void **state) {
  (void)state;
  struct user_right right = {STORY_TEXT("seen"), ACCESS_READ | ACCESS_WRITE};
  struct user_settings web = {.name = STORY_TEXT("web"), .rights = &right, .rights_count = 1};
  story_begin_with_web(&story, &right, 1);
  static const char *const names[] = {"hidden", "seen1", "seen2"};
  for (size_t i = 0; i < 3; i++) {
    story_open(&story, 1, 0, HOLDFAST__KIND__LOCK, names[i], 0);
  }
  story_acquire(&story, 1, 0, "hidden", 1, 0);
  story_acquire(&story, 1, 0, "seen1", 1, 0);
  story_acquire(&story, 2, 0, "seen2", 1, 0);
  story_acquire(&story, 1, 10, "seen2", 1, STORY_WAIT_FOREVER);
  list_locks();
  story_expect(&story, "2 <- #0 OK seen1 of 0 awaited by; seen2 of 2 awaited by 0;\n");
  web.is_admin = true;
  story_set_users(&story, &web, 1);
  list_locks();
  story_expect(
      &story,
      "2 <- #0 OK hidden of 1 awaited by; seen1 of 1 awaited by; seen2 of 2 awaited by 1;\n");
  story_end(&story);
}

/* The ids of what may not be seen are not where a page ends. */
static void test_a_page_ends_with_what_may_be_seen(void **state) {
  (void)state;
  begin(ACCESS_NOTHING);
  uint64_t first = story_open(&story, 2, 0, HOLDFAST__KIND__LOCK, NULL, 0);
  story_open(&story, 1, 0, HOLDFAST__KIND__LOCK, NULL, 0);
  uint64_t last = story_open(&story, 2, 0, HOLDFAST__KIND__LOCK, NULL, 0);
  story_open(&story, 1, 0, HOLDFAST__KIND__LOCK, NULL, 0);
  list_objects("", "", 1, true);
  story_expect(&story, "2 <- #0 OK 1: anonymous, more after an id\n");
  assert_int_equal(story.page_end, first);
  list_objects("", "", 2, true);
  story_expect(&story, "2 <- #0 OK 2: anonymous anonymous\n");
  for (uint64_t i = 0; i <= HF_LISTING_COUNT_MAX; i++) {
    ask_within(&story, 2, 10 + i, STORY_WAIT_FOREVER,
               ON(i == 0 ? last : first, LOCK_ACQUIRE, LockAcquire, lock_acquire));
  }
  list_locks();
  assert_true(story_said(&story, " more after an id"));
  assert_int_equal(story.page_end, first);
  story_end(&story);
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_denial_says_who_what_and_why),
      cmocka_unit_test(test_a_sentence_is_bounded),
      cmocka_unit_test(test_what_may_not_be_seen_is_denied_whether_or_not_it_exists),
      cmocka_unit_test(test_opening_by_name),
      cmocka_unit_test(test_opening_does_not_tell_which_names_there_are),
      cmocka_unit_test(test_the_longest_prefix_decides_alone),
      cmocka_unit_test(test_a_session_that_the_owner_resumes_keeps_its_rights),
      cmocka_unit_test(test_a_list_has_what_may_be_seen),
      cmocka_unit_test(test_a_list_passes_names_that_may_not_be_seen),
      cmocka_unit_test(test_locks_of_others_are_for_admins),
      cmocka_unit_test(test_a_page_ends_with_what_may_be_seen),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
