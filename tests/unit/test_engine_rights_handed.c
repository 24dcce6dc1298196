/* Rights that are handed over: by references, to objects without a name, to forked sessions; what is kept when
 * settings change; whose a session is.
 *
 * Connection 1 is the owner's, 2 is web's, 3 is eve's. Each has a session.
 */
#include "server/engine/core.h"
#include "tests/support/messages.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct story story;

static void connect_as(uint64_t connection, const char *user) {
  story_connect_as(&story, connection, false, user);
  story_open_session(&story, connection);
}

static void open_two_users(void) {
  const struct user_right web = {STORY_TEXT("web."), ACCESS_ALL};
  const struct user_right rights[] = {{STORY_TEXT("web.read."), ACCESS_READ},
                                      {STORY_TEXT("web.both."), ACCESS_READ | ACCESS_WRITE},
                                      {STORY_TEXT("own."), ACCESS_ALL}};
  const struct user_settings users[] = {
      {.name = STORY_TEXT("web"), .rights = &web, .rights_count = 1},
      {.name = STORY_TEXT("eve"), .rights = rights, .rights_count = 3}};
  story_begin_connected(&story, 1);
  story_set_users(&story, users, 2);
  connect_as(2, "web");
  connect_as(3, "eve");
  story_open(&story, 2, 0, HOLDFAST__KIND__LIST, "web.read.list", 0);
  story_open(&story, 2, 0, HOLDFAST__KIND__LIST, "web.both.list", 0);
  story_open(&story, 3, 0, HOLDFAST__KIND__LIST, "own.list", 0);
  story_forget(&story);
}

static bool is_denied(void) {
  return story_said(&story, "PERMISSION_DENIED NO_RIGHT");
}

static bool may(uint64_t connection, Holdfast__Request *request) {
  story_forget(&story);
  ask(&story, connection, 0, request);
  return story_said(&story, "OK");
}

static bool may_read(uint64_t connection, uint64_t id) {
  return may(connection, ON(id, LIST_COPY, ListCopy, list_copy));
}

static bool may_write(uint64_t connection, uint64_t id) {
  return may(connection, ON(id, LIST_APPEND, ListAppend, list_append, .value = INT(1)));
}

static bool may_delete(uint64_t connection, uint64_t id) {
  return may(connection, ON(id, OBJECT_DELETE, ObjectDelete, object_delete));
}

static bool may_retain(uint64_t connection, uint64_t id) {
  return may(connection,
             REQUEST(OBJECT_RETAIN, ObjectRetain, object_retain, .n_objects = 1, .objects = &id));
}

static bool may_store(uint64_t connection, const char *list, uint64_t id) {
  return may(connection, IN(list, LIST_APPEND, ListAppend, list_append, .value = REFERENCE(id)));
}

static void release(uint64_t connection, uint64_t id) {
  ask(&story, connection, 0,
      REQUEST(OBJECT_RELEASE, ObjectRelease, object_release, .n_releases = 1,
              .releases = LIST_OF(ObjectRelease__Release,
                                  MESSAGE(ObjectRelease__Release, object_release__release,
                                          .object = id, .count = 100))));
}

static void test_an_object_without_a_name_is_its_users(void **state) {
  (void)state;
  open_two_users();
  uint64_t id = story_open(&story, 2, 0, HOLDFAST__KIND__LIST, NULL, 0);
  connect_as(4, "web"); /* another process of the same user */
  assert_true(may_read(4, id) && may_write(4, id) && may_retain(4, id));
  assert_false(may_read(3, id) || may_write(3, id) || may_retain(3, id) || may_delete(3, id));
  assert_string_equal(story.text, "3 <- #0 NOT_FOUND NO_SUCH_OBJECT\n"); /* it could guess ids */
  assert_false(may_store(3, "own.list", id));
  assert_true(may_read(1, id) && may_write(1, id) && may_delete(1, id));
  story_end(&story);
}

static void test_a_reference_hands_over_the_rights_to_where_it_was(void **state) {
  (void)state;
  open_two_users();
  uint64_t id = story_open(&story, 2, 0, HOLDFAST__KIND__LIST, NULL, 0);
  assert_true(may_store(2, "web.read.list", id));
  assert_false(may_read(3, id));
  assert_true(may(3, IN("web.read.list", LIST_COPY, ListCopy, list_copy)));
  assert_true(may_read(3, id) && may_retain(3, id));
  assert_false(may_write(3, id));
  assert_string_equal(story.text, "3 <- #0 PERMISSION_DENIED NO_RIGHT\n");
  assert_non_null(strstr(story.sentence, "may read this object, not write it"));
  assert_false(may_delete(3, id));
  assert_false(may_store(3, "own.list", id)); /* it could be read from there with all rights */
  assert_true(is_denied());
  assert_true(may_store(2, "web.both.list", id));
  assert_true(may(3, IN("web.both.list", LIST_GET, ListGet, list_get)));
  assert_true(may_read(3, id) && may_write(3, id) && may_store(3, "own.list", id));
  assert_false(may_delete(3, id));
  release(3, id);
  assert_false(may_read(3, id) || may_write(3, id));
  assert_string_equal(story.text, "3 <- #0 NOT_FOUND NO_SUCH_OBJECT\n");
  story_end(&story);
}

/* The caller would find it in the reply, as if it had been in its own list. */
static void test_a_reference_in_a_reply_to_who_sent_it_hands_over_nothing(void **state) {
  (void)state;
  open_two_users();
  uint64_t id = story_open(&story, 2, 0, HOLDFAST__KIND__LIST, NULL, 0);
  assert_true(may_store(2, "web.read.list", id));
  assert_true(may(3, IN("web.read.list", LIST_COPY, ListCopy, list_copy)));
  assert_false(may(3, IN("own.list", LIST_CONCAT, ListConcat, list_concat, .n_items = 1,
                         .items = LIST_OF(Value, REFERENCE(id)))));
  assert_true(is_denied());
  assert_true(may_read(3, id));
  assert_false(may_write(3, id));
  story_end(&story);
}

/* From a container to what is in it, and to what is in that: no more at any step. */
static void test_rights_get_no_more_down_a_path(void **state) {
  (void)state;
  open_two_users();
  uint64_t outer = story_open(&story, 2, 0, HOLDFAST__KIND__LIST, NULL, 0);
  uint64_t inner = story_open(&story, 2, 0, HOLDFAST__KIND__LIST, NULL, 0);
  assert_true(may(2, ON(outer, LIST_APPEND, ListAppend, list_append, .value = REFERENCE(inner))));
  assert_true(may_store(2, "web.read.list", outer));
  assert_true(may(3, IN("web.read.list", LIST_COPY, ListCopy, list_copy)));
  assert_true(may_read(3, outer));
  assert_true(may_read(3, inner));
  assert_false(may_write(3, inner));
  story_end(&story);
}

/* In a list of operations each part hands over what there is to its own object. */
static void test_parts_hand_over_their_own_rights(void **state) {
  (void)state;
  open_two_users();
  uint64_t read = story_open(&story, 2, 0, HOLDFAST__KIND__LIST, NULL, 0);
  uint64_t both = story_open(&story, 2, 0, HOLDFAST__KIND__LIST, NULL, 0);
  assert_true(may_store(2, "web.read.list", read) && may_store(2, "web.both.list", both));
  assert_true(may(
      3, REQUEST(TRANSACTION, Transaction, transaction, .n_operations = 2,
                 .operations = LIST_OF(Request, IN("web.read.list", LIST_GET, ListGet, list_get),
                                       IN("web.both.list", LIST_GET, ListGet, list_get)))));
  assert_true(may_read(3, read) && may_read(3, both) && may_write(3, both));
  assert_false(may_write(3, read));
  story_end(&story);
}

static void test_a_named_object_in_a_value_is_checked_by_its_name(void **state) {
  (void)state;
  open_two_users();
  uint64_t id = story_open(&story, 2, 0, HOLDFAST__KIND__LIST, "web.secret", 0);
  assert_true(may_store(2, "web.both.list", id));
  assert_true(may(3, IN("web.both.list", LIST_GET, ListGet, list_get)));
  assert_false(may_read(3, id) || may_write(3, id) || may_store(3, "own.list", id));
  assert_true(is_denied()); /* it has a reference, which does not tell the name */
  assert_null(strstr(story.sentence, "secret"));
  assert_non_null(strstr(story.sentence, "may not read or write this object (list_append needs"));
  story_end(&story);
}

static void test_a_forked_session_has_what_its_parent_was_handed(void **state) {
  (void)state;
  uint8_t child[HF_SESSION_BYTES] = {77, 1};
  open_two_users();
  uint64_t id = story_open(&story, 2, 0, HOLDFAST__KIND__LIST, NULL, 0);
  assert_true(may_store(2, "web.read.list", id));
  assert_true(may(3, IN("web.read.list", LIST_COPY, ListCopy, list_copy)));
  assert_true(
      may(3, REQUEST(FORK_SESSION, ForkSession, fork_session, .child = {sizeof child, child})));
  story_connect_as(&story, 4, false, "eve");
  Holdfast__Request *resume = REQUEST(RESUME_SESSION, ResumeSession, resume_session, .attempt = 1);
  resume->session = (ProtobufCBinaryData){sizeof child, child};
  assert_true(may(4, resume));
  assert_true(may_read(4, id));
  assert_false(may_write(4, id));
  story_end(&story);
}

/* A condition uses the lock that it is given. */
static void test_a_condition_needs_the_right_to_its_lock(void **state) {
  (void)state;
  open_two_users();
  uint64_t lock = story_open(&story, 2, 0, HOLDFAST__KIND__LOCK, "web.read.lock", 0);
  assert_false(may(3, REQUEST(OBJECT_OPEN, ObjectOpen, object_open,
                              .kind = HOLDFAST__KIND__CONDITION, .lock = lock)));
  assert_true(is_denied());
  assert_true(may(2, REQUEST(OBJECT_OPEN, ObjectOpen, object_open,
                             .kind = HOLDFAST__KIND__CONDITION, .lock = lock)));
  story_end(&story);
}

static uint64_t open_condition(const char *name, uint64_t lock) {
  story_forget(&story);
  ask(&story, 2, 0,
      REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__CONDITION,
              .name = DATA(name), .lock = lock));
  assert_true(story_said(&story, "OK created"));
  return registry_find_name(&story.engine->registry, bytes_of_text(name))->id;
}

#define ACQUIRE(name) IN(name, LOCK_ACQUIRE, LockAcquire, lock_acquire)

/* Through a condition nobody gets at a lock that it may not write. */
static void test_a_conditions_lock_needs_its_own_right(void **state) {
  (void)state;
  open_two_users();
  open_condition("web.both.one",
                 story_open(&story, 2, 0, HOLDFAST__KIND__LOCK, "web.read.lock", 0));
  open_condition("web.both.two",
                 story_open(&story, 2, 0, HOLDFAST__KIND__LOCK, "web.both.lock", 0));
  assert_false(may(3, ACQUIRE("web.both.one")));
  assert_true(is_denied());
  assert_true(may(2, ACQUIRE("web.read.lock"))); /* a plain lock may have any owner */
  assert_false(may(3, IN("web.both.one", CONDITION_WAIT, ConditionWait, condition_wait)));
  assert_true(is_denied());
  assert_false(may(3, IN("web.both.one", CONDITION_NOTIFY, ConditionNotify, condition_notify)));
  assert_false(may(3, IN("web.both.one", LOCK_RELEASE, LockRelease, lock_release)));
  assert_true(is_denied());
  assert_true(may(3, ACQUIRE("web.both.two")));
  story_end(&story);
}

/* Settings that leave eve only her own names. */
static void narrow_eve(void) {
  const struct user_right web = {STORY_TEXT("web."), ACCESS_ALL};
  const struct user_right own = {STORY_TEXT("own."), ACCESS_ALL};
  const struct user_settings users[] = {
      {.name = STORY_TEXT("web"), .rights = &web, .rights_count = 1},
      {.name = STORY_TEXT("eve"), .rights = &own, .rights_count = 1}};
  story_forget(&story);
  story_set_users(&story, users, 2);
}

/* What was allowed without a name does not change with settings. */
static void test_what_is_held_without_a_name_is_kept(void **state) {
  (void)state;
  open_two_users();
  uint64_t lock = story_open(&story, 2, 0, HOLDFAST__KIND__LOCK, NULL, 0);
  uint64_t event = story_open(&story, 2, 0, HOLDFAST__KIND__EVENT, NULL, 0);
  assert_true(may_store(2, "web.both.list", lock) && may_store(2, "web.both.list", event));
  assert_true(may(3, IN("web.both.list", LIST_COPY, ListCopy, list_copy)));
  assert_true(may(3, ON(lock, LOCK_ACQUIRE, LockAcquire, lock_acquire)));
  ask(&story, 3, 1, ON(event, EVENT_WAIT, EventWait, event_wait));
  release(3, lock);
  release(3, event);
  narrow_eve();
  story_expect(&story, "");
  assert_non_null(core_peer(story.engine, 3)->session);
  story_end(&story);
}

/* The wait would end with a lock that its session may not have. */
static void test_a_wait_ends_with_the_right_to_its_lock(void **state) {
  (void)state;
  const struct user_right web = {STORY_TEXT("web."), ACCESS_ALL};
  struct user_right eve[] = {{STORY_TEXT("web.both."), ACCESS_READ | ACCESS_WRITE},
                             {STORY_TEXT("web.both.lock"), ACCESS_READ | ACCESS_WRITE}};
  const struct user_settings users[] = {
      {.name = STORY_TEXT("web"), .rights = &web, .rights_count = 1},
      {.name = STORY_TEXT("eve"), .rights = eve, .rights_count = 2}};
  open_two_users();
  story_set_users(&story, users, 2);
  open_condition("web.both.condition",
                 story_open(&story, 2, 0, HOLDFAST__KIND__LOCK, "web.both.lock", 0));
  assert_true(may(3, ACQUIRE("web.both.condition")));
  story_forget(&story);
  ask(&story, 3, 1, IN("web.both.condition", CONDITION_WAIT, ConditionWait, condition_wait));
  story_expect(&story, "");
  eve[1].access = ACCESS_READ;
  story_set_users(&story, users, 2);
  story_expect(&story, "3 <- #1 PERMISSION_DENIED NO_RIGHT\n");
  assert_non_null(strstr(story.sentence, "may read \"web.both.lock\", not write it"));
  story_end(&story);
}

/* ---- sessions */

static void test_a_session_is_its_users(void **state) {
  (void)state;
  open_two_users();
  story_connect_as(&story, 5, false, "web");
  uint8_t session = story_open_session(&story, 5);
  story_disconnect(&story, 5);
  story_forget(&story);
  story_connect_as(&story, 6, false, "eve");
  story_resume(&story, 6, session, 1);
  story_expect(&story, "6 <- #0 FAILED_PRECONDITION SESSION_ENDED\n");
  story_connect_as(&story, 7, false, "web");
  story_resume(&story, 7, session, 1);
  story_expect(&story, "7 <- #0 OK session\n");
  story_end(&story);
}

static void test_a_request_names_a_session_of_its_own_user(void **state) {
  (void)state;
  uint8_t id[HF_SESSION_BYTES];
  open_two_users();
  memset(id, core_peer(story.engine, 2)->session->id[0], sizeof id);
  story_connect_as(&story, 6, false, "eve");
  Holdfast__Request *get = IN("web.both.list", LIST_COPY, ListCopy, list_copy);
  get->session = (ProtobufCBinaryData){sizeof id, id};
  assert_false(may(6, get));
  assert_string_equal(story.text, "6 <- #0 FAILED_PRECONDITION SESSION_ENDED\n");
  story_end(&story);
}

/* ---- owners of locks */

static void ask_about(uint64_t connection, const char *name) {
  ask(&story, connection, 0, IN(name, OBJECT_INFO, ObjectInfo, object_info));
}

static void test_who_owns_a_lock_is_for_its_user(void **state) {
  (void)state;
  open_two_users();
  story_open(&story, 2, 0, HOLDFAST__KIND__LOCK, "web.read.lock", 0);
  story_acquire(&story, 2, 0, "web.read.lock", 1, 0);
  connect_as(4, "web");
  story_forget(&story);
  for (uint64_t connection = 1; connection <= 4; connection++) {
    ask_about(connection, "web.read.lock");
  }
  story_expect(&story,
               "1 <- #0 OK there locked by \"?\"\n"
               "2 <- #0 OK there locked by \"?\"\n"
               "3 <- #0 OK there locked by \"\"\n"
               "4 <- #0 OK there locked by \"?\"\n");
  story_end(&story);
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_an_object_without_a_name_is_its_users),
      cmocka_unit_test(test_a_reference_hands_over_the_rights_to_where_it_was),
      cmocka_unit_test(test_a_reference_in_a_reply_to_who_sent_it_hands_over_nothing),
      cmocka_unit_test(test_rights_get_no_more_down_a_path),
      cmocka_unit_test(test_parts_hand_over_their_own_rights),
      cmocka_unit_test(test_a_named_object_in_a_value_is_checked_by_its_name),
      cmocka_unit_test(test_a_forked_session_has_what_its_parent_was_handed),
      cmocka_unit_test(test_a_condition_needs_the_right_to_its_lock),
      cmocka_unit_test(test_a_conditions_lock_needs_its_own_right),
      cmocka_unit_test(test_what_is_held_without_a_name_is_kept),
      cmocka_unit_test(test_a_wait_ends_with_the_right_to_its_lock),
      cmocka_unit_test(test_a_session_is_its_users),
      cmocka_unit_test(test_a_request_names_a_session_of_its_own_user),
      cmocka_unit_test(test_who_owns_a_lock_is_for_its_user),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
