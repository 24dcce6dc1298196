/* The rights of users: every row of the operation table with every set of rights, in every way in which a
 * request can come; and what the table can't say: names, references, sessions, lists, reloads.
 *
 * Connection 1 is the owner's, 2 is web's. Each has a session.
 */
#include "server/dispatch/operations.h"
#include "server/engine/core.h"
#include "server/engine/kinds/kind.h"
#include "tests/support/apply.h"
#include "tests/support/messages.h"
#include "tests/support/request_maker.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RIGHTS_SETS 16                   /* READ, WRITE and CREATE are 1, 2 and 8 */
#define ROUNDS 3                         /* of other arguments */
#define OBJECTS_FROM (UINT64_C(1) << 40) /* no random argument refers to one */
#define PREFIX(text) \
  { (const uint8_t *)(text), sizeof(text) - 1 }
#define NAME_OF(text) PREFIX(text)

static struct story story;
static struct request_maker maker;

/* ---- the world */

/* The right to all that begins so is all that web has. */
static void set_web(const char *prefix, unsigned access) {
  struct user_right right = {bytes_of_text(prefix), (uint8_t)access};
  struct user_settings web = {.name = NAME_OF("web"), .rights = &right, .rights_count = 1};
  story_set_users(&story, &web, 1);
}

static void connect_web(uint64_t connection) {
  story_connect_as(&story, connection, false, "web");
  story_open_session(&story, connection);
}

static void begin(unsigned access) {
  story_begin_connected(&story, 1);
  story.engine->registry.next_id = OBJECTS_FROM;
  set_web("", access);
  connect_web(2);
  story_forget(&story);
}

static void open_all(void) {
  for (int kind = HOLDFAST__KIND__DICT; kind < (int)holdfast__kind__descriptor.n_values; kind++) {
    story_send(&story, 1, request_maker_open(&maker, (Holdfast__Kind)kind));
  }
  story_forget(&story);
}

static void end(void) {
  story_end(&story);
}

static bool said(const char *text) {
  return strstr(story.text, text) != NULL;
}

static bool is_denied(void) {
  return said("PERMISSION_DENIED NO_RIGHT");
}

/* ---- every row */

static bool allows(unsigned rights, unsigned access) {
  if (access == ACCESS_EITHER) {
    return (rights & ACCESS_READ) || (rights & ACCESS_WRITE);
  }
  return (rights & access) == access;
}

static int kind_of(const struct operation *operation) {
  int kind = HOLDFAST__KIND__DICT;
  while (!(operation->kinds & (1u << kind))) {
    kind++;
  }
  return kind;
}

/* Aimed at an object of the right kind, without waiting. */
static Holdfast__Request *make(size_t idx, const struct operation **operation) {
  Holdfast__Request *request = request_maker_make(&maker, idx);
  *operation = operations_find(request);
  request->sequence = 1;
  request->wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
  request->timeout_ms = 0;
  if ((*operation)->kinds) {
    const char *name = request_maker_name((Holdfast__Kind)kind_of(*operation));
    request->target_case = HOLDFAST__REQUEST__TARGET_NAME;
    request->name = (ProtobufCBinaryData){strlen(name), (uint8_t *)name};
  }
  return request;
}

static void check(const struct operation *operation, unsigned rights, bool denied,
                  const char *way) {
  bool is_allowed = allows(rights, operation->access);
  if (denied == is_allowed) {
    fail_msg("%s %s with rights %u: %s", operations_name(operation->arm), way, rights, story.text);
  }
}

static void go_directly(const struct operation *operation, Holdfast__Request *request,
                        unsigned rights) {
  story_send(&story, 2, request);
  if (!(operation->flags & OPERATION_SILENT)) {
    check(operation, rights, is_denied(), "by name");
  }
}

/* The session has no reference: what it has no right to at all is not there. */
static void go_by_id(const struct operation *operation, Holdfast__Request *request,
                     unsigned rights) {
  struct object *object =
      registry_find_name(&story.engine->registry, bytes_of(request->name.data, request->name.len));
  request->target_case = HOLDFAST__REQUEST__TARGET_OBJECT;
  request->object = object->id;
  story_send(&story, 2, request);
  if (!(operation->flags & OPERATION_SILENT)) {
    bool is_hidden = !allows(rights, ACCESS_EITHER) && said("NO_SUCH_OBJECT");
    assert_false(is_denied() && !allows(rights, ACCESS_EITHER));
    check(operation, rights, is_denied() || is_hidden, "by id");
  }
}

static void go_in_transaction(const struct operation *operation, Holdfast__Request *request,
                              unsigned rights) {
  if (operation->flags & OPERATION_IN_TRANSACTION) {
    ask(&story, 2, 1,
        REQUEST(TRANSACTION, Transaction, transaction, .n_operations = 1, .operations = &request));
    if (!said("NOT_NESTABLE")) { /* with that argument */
      check(operation, rights, is_denied(), "in a transaction");
    }
  }
}

static void go_in_wait_any(const struct operation *operation, Holdfast__Request *request,
                           unsigned rights) {
  if (operation->flags & OPERATION_SELECTABLE) {
    ask_within(&story, 2, 1, 0,
               REQUEST(WAIT_ANY, WaitAny, wait_any, .n_operations = 1, .operations = &request));
    check(operation, rights, is_denied(), "in a wait-any");
  }
}

/* Nobody is answered: what the session remembers of it is read. */
static void go_one_way(const struct operation *operation, Holdfast__Request *request,
                       unsigned rights) {
  uint8_t id[HF_SESSION_BYTES];
  memset(id, story.next_entropy, sizeof id);
  story_connect_as(&story, 3, true, "web");
  request->session = (ProtobufCBinaryData){sizeof id, id};
  request->wait_case = HOLDFAST__REQUEST__WAIT__NOT_SET;
  story_send(&story, 3, request);
  const struct session *session = core_peer(story.engine, 2)->session;
  bool is_failed = session && session->failures_count > 0;
  if (operation->flags & OPERATION_ONE_WAY) {
    check(operation, rights, is_failed && session->failures[0].reason == HF_REASON_NO_RIGHT,
          "one-way");
  }
}

typedef void (*way)(const struct operation *operation, Holdfast__Request *request, unsigned rights);

static const way ways[] = {go_directly, go_by_id, go_in_transaction, go_in_wait_any, go_one_way};

/* These name objects other than as a target. */
static bool names_objects(const struct operation *operation) {
  return operation->arm == HOLDFAST__REQUEST__OPERATION_TRANSACTION ||
         operation->arm == HOLDFAST__REQUEST__OPERATION_WAIT_ANY ||
         operation->arm == HOLDFAST__REQUEST__OPERATION_OBJECT_RETAIN;
}

/* What was refused has changed no object: they are as the owner opened them. */
static void expect_untouched(size_t objects) {
  uint64_t position = 0, id;
  void *item;
  assert_int_equal(story.engine->registry.by_id.count, objects);
  while (map64_next(&story.engine->registry.by_id, &position, &id, &item)) {
    struct object *object = item;
    const struct lock *lock = object_lock(object);
    assert_int_equal(object->references, 1);
    assert_int_equal(object->stored_references, 0);
    assert_true(!lock || lock->depth == 0);
    if (!object->row->has_cells) {
      assert_int_equal(object_length(object), 0);
    }
  }
}

static void try_way(size_t idx, unsigned rights, way go) {
  const struct operation *operation;
  begin(rights);
  open_all();
  Holdfast__Request *request = make(idx, &operation);
  assert_int_equal(operation->kinds == 0 && operation->access != ACCESS_CREATE,
                   operation->access == ACCESS_NOTHING); /* an object is never free for all */
  if (operation->kinds) {
    size_t objects = story.engine->registry.by_id.count;
    go(operation, request, rights);
    if (!allows(rights, operation->access)) {
      expect_untouched(objects);
    }
  } else if (go == go_directly && !names_objects(operation) &&
             operation->access == ACCESS_NOTHING) {
    bool is_for_admins = operation->arm == HOLDFAST__REQUEST__OPERATION_SERVER_SNAPSHOT ||
                         operation->arm == HOLDFAST__REQUEST__OPERATION_SERVER_BACKUP;
    story_send(&story, 2, request);
    assert_int_equal(is_denied(), is_for_admins);
  }
  end();
}

static void test_every_operation_needs_what_its_row_says(void **state) {
  (void)state;
  for (size_t idx = 0; idx < request_maker_operations_count(); idx++) {
    for (unsigned rights = 0; rights < RIGHTS_SETS; rights++) {
      for (size_t i = 0; !(rights & ACCESS_EITHER) && i < sizeof ways / sizeof *ways; i++) {
        for (size_t round = 0; round < ROUNDS; round++) {
          try_way(idx, rights, ways[i]);
        }
      }
    }
  }
}

/* ---- conditions */

#define CONDITION(target, CHECK, field, ...)                                      \
  MESSAGE(Condition, condition, .target_case = HOLDFAST__CONDITION__TARGET_NAME,  \
          .name = DATA(target), .check_case = HOLDFAST__CONDITION__CHECK_##CHECK, \
          .field = (__VA_ARGS__))

static bool is_condition_denied(Holdfast__Condition *condition) {
  story_forget(&story);
  ask_within(
      &story, 2, 0, 0,
      REQUEST(TRANSACTION, Transaction, transaction, .n_conditions = 1, .conditions = &condition));
  return said("NO_RIGHT of part 1");
}

static void test_conditions_need_read(void **state) {
  (void)state;
  for (unsigned rights = 0; rights < RIGHTS_SETS; rights++) {
    if (rights & ACCESS_EITHER) {
      continue;
    }
    bool is_denied_all = !(rights & ACCESS_READ);
    begin(rights);
    story_open(&story, 1, 0, HOLDFAST__KIND__DICT, "d", 0);
    Holdfast__KeyEquals *equals = MESSAGE(KeyEquals, key_equals, .key = TEXT("k"));
    assert_int_equal(is_condition_denied(CONDITION("d", KEY_EQUALS, key_equals, equals)),
                     is_denied_all);
    assert_int_equal(is_condition_denied(CONDITION("d", LENGTH_AT_LEAST, length_at_least, 1)),
                     is_denied_all);
    assert_int_equal(is_condition_denied(CONDITION("d", ROOM_AT_LEAST, room_at_least, 1)),
                     is_denied_all);
    assert_int_equal(is_condition_denied(CONDITION("d", VALUE_AT_LEAST, value_at_least, INT(1))),
                     is_denied_all);
    assert_int_equal(is_condition_denied(CONDITION("d", OWNED_WITH_TOKEN, owned_with_token, 1)),
                     is_denied_all);
    assert_int_equal(is_condition_denied(CONDITION("none", FREE, free, 0)), is_denied_all);
    assert_int_equal(is_condition_denied(CONDITION("d", IS_SET, is_set, 0)), is_denied_all);
    end();
  }
}

/* What the session has no reference to, and its user no right to, is not there. */
static void test_conditions_by_id_need_read(void **state) {
  (void)state;
  for (unsigned rights = 0; rights <= ACCESS_READ; rights++) {
    begin(rights);
    uint64_t id = story_open(&story, 1, 0, HOLDFAST__KIND__DICT, "d", 0);
    Holdfast__Condition *condition =
        MESSAGE(Condition, condition, .target_case = HOLDFAST__CONDITION__TARGET_OBJECT,
                .object = id, .check_case = HOLDFAST__CONDITION__CHECK_LENGTH_AT_LEAST);
    story_forget(&story);
    ask_within(&story, 2, 0, 0,
               REQUEST(TRANSACTION, Transaction, transaction, .n_conditions = 1,
                       .conditions = &condition));
    assert_int_equal(said("NO_SUCH_OBJECT of part 1"), rights == 0);
    assert_int_equal(said("OK"), rights == ACCESS_READ);
    end();
  }
}

/* ---- sentences */

static void test_a_denial_says_who_what_and_why(void **state) {
  (void)state;
  const struct user_right rights[] = {{PREFIX("jobs."), ACCESS_READ},
                                      {PREFIX("results."), ACCESS_READ | ACCESS_WRITE}};
  const struct user_settings web = {.name = NAME_OF("web"), .rights = rights, .rights_count = 2};
  story_begin_connected(&story, 1);
  story_set_users(&story, &web, 1);
  connect_web(2);
  story_forget(&story);
  story_put(&story, 2, 1, "jobs.in", 5, 0);
  story_expect(&story, "2 <- #1 PERMISSION_DENIED NO_RIGHT\n");
  assert_string_equal(story.sentence,
                      "user \"web\" may read \"jobs.in\", not write it "
                      "(queue_put needs w; rights: results.:rw jobs.:r)");
  story_put(&story, 2, 2, "secret\n\xff", 5, 0);
  assert_string_equal(story.sentence,
                      "user \"web\" may not write \"secret??\" "
                      "(queue_put needs w; rights: results.:rw jobs.:r)");
  end();
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
  end();
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
  end();
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
    end();
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
      end();
    }
  }
}

static void test_the_longest_prefix_decides_alone(void **state) {
  (void)state;
  const struct user_right rights[] = {{PREFIX(""), ACCESS_READ | ACCESS_WRITE},
                                      {PREFIX("jobs."), ACCESS_READ},
                                      {PREFIX("jobs.secret."), ACCESS_NOTHING},
                                      {PREFIX("jobs.secret.mine"), ACCESS_WRITE}};
  const struct user_settings web = {.name = NAME_OF("web"), .rights = rights, .rights_count = 4};
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
  story_begin_connected(&story, 1);
  story_set_users(&story, &web, 1);
  connect_web(2);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    story_open(&story, 1, 0, HOLDFAST__KIND__QUEUE, rows[i].name, 0);
    story_forget(&story);
    story_put(&story, 2, 0, rows[i].name, 5, 0);
    assert_int_equal(is_denied(), !rows[i].may_put);
  }
  end();
}

/* ---- references and objects without a name */

static void open_two_users(void) {
  const struct user_right web = {PREFIX("web."), ACCESS_ALL};
  const struct user_right rights[] = {{PREFIX("web.read."), ACCESS_READ},
                                      {PREFIX("web.both."), ACCESS_READ | ACCESS_WRITE},
                                      {PREFIX("own."), ACCESS_ALL}};
  const struct user_settings users[] = {
      {.name = NAME_OF("web"), .rights = &web, .rights_count = 1},
      {.name = NAME_OF("eve"), .rights = rights, .rights_count = 3}};
  story_begin_connected(&story, 1);
  story_set_users(&story, users, 2);
  connect_web(2);
  story_connect_as(&story, 3, false, "eve");
  story_open_session(&story, 3);
  story_open(&story, 2, 0, HOLDFAST__KIND__LIST, "web.read.list", 0);
  story_open(&story, 2, 0, HOLDFAST__KIND__LIST, "web.both.list", 0);
  story_open(&story, 3, 0, HOLDFAST__KIND__LIST, "own.list", 0);
  story_forget(&story);
}

#define ON(id, CASE, Type, lower, ...)                                                       \
  MESSAGE(Request, request, .target_case = HOLDFAST__REQUEST__TARGET_OBJECT, .object = (id), \
          .operation_case = HOLDFAST__REQUEST__OPERATION_##CASE,                             \
          .ping = (void *)MESSAGE(Type, lower, __VA_ARGS__))

static bool may(uint64_t connection, Holdfast__Request *request) {
  story_forget(&story);
  ask(&story, connection, 0, request);
  return said("OK");
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
  connect_web(4); /* another process of the same user */
  assert_true(may_read(4, id) && may_write(4, id) && may_retain(4, id));
  assert_false(may_read(3, id) || may_write(3, id) || may_retain(3, id) || may_delete(3, id));
  assert_string_equal(story.text, "3 <- #0 NOT_FOUND NO_SUCH_OBJECT\n"); /* it could guess ids */
  assert_false(may_store(3, "own.list", id));
  assert_true(may_read(1, id) && may_write(1, id) && may_delete(1, id));
  end();
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
  end();
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
  end();
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
  end();
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
  end();
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
  end();
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
  end();
}

static uint64_t open_condition(const char *name, uint64_t lock) {
  story_forget(&story);
  ask(&story, 2, 0,
      REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__CONDITION,
              .name = DATA(name), .lock = lock));
  assert_true(said("OK created"));
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
  end();
}

/* Settings that leave eve only her own names. */
static void narrow_eve(void) {
  const struct user_right web = {PREFIX("web."), ACCESS_ALL};
  const struct user_right own = {PREFIX("own."), ACCESS_ALL};
  const struct user_settings users[] = {
      {.name = NAME_OF("web"), .rights = &web, .rights_count = 1},
      {.name = NAME_OF("eve"), .rights = &own, .rights_count = 1}};
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
  end();
}

/* The wait would end with a lock that its session may not have. */
static void test_a_wait_ends_with_the_right_to_its_lock(void **state) {
  (void)state;
  const struct user_right web = {PREFIX("web."), ACCESS_ALL};
  struct user_right eve[] = {{PREFIX("web.both."), ACCESS_READ | ACCESS_WRITE},
                             {PREFIX("web.both.lock"), ACCESS_READ | ACCESS_WRITE}};
  const struct user_settings users[] = {{.name = NAME_OF("web"), .rights = &web, .rights_count = 1},
                                        {.name = NAME_OF("eve"), .rights = eve, .rights_count = 2}};
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
  end();
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
  end();
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
  end();
}

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
  end();
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
  const struct user_right rights[] = {{PREFIX("b"), ACCESS_READ},
                                      {PREFIX("bx"), ACCESS_CREATE},
                                      {PREFIX("bxy"), ACCESS_WRITE},
                                      {PREFIX("d"), ACCESS_READ | ACCESS_WRITE}};
  const struct user_settings web = {.name = NAME_OF("web"), .rights = rights, .rights_count = 4};
  static const char *const names[] = {"a",   "b1", "b2", "bx", "bx1", "bxy",
                                      "bxz", "c",  "d",  "d1", "e"};
  story_begin_connected(&story, 1);
  story_set_users(&story, &web, 1);
  connect_web(2);
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
  end();
}

/* Names that may not be seen cost no looks, however many there are. */
static void test_a_list_passes_names_that_may_not_be_seen(void **state) {
  (void)state;
  char name[16];
  begin(ACCESS_NOTHING);
  story.engine->memory.max = 64u << 20;
  set_web("z", ACCESS_READ);
  for (size_t i = 0; i < 2 * HF_PAGE_COUNT_MAX; i++) {
    snprintf(name, sizeof name, "n%06zu", i);
    story_open(&story, 1, 0, HOLDFAST__KIND__EVENT, name, 0);
    story_forget(&story);
  }
  story_open(&story, 1, 0, HOLDFAST__KIND__EVENT, "z", 0);
  list_objects("", "", 0, false);
  story_expect(&story, "2 <- #0 OK 1: z\n");
  end();
}

static void list_locks(void) {
  story_forget(&story);
  ask(&story, 2, 0, REQUEST(LOCK_LIST, LockList, lock_list));
}

static void test_locks_of_others_are_for_admins(void **state) {
  (void)state;
  struct user_right right = {PREFIX("seen"), ACCESS_READ | ACCESS_WRITE};
  struct user_settings web = {.name = NAME_OF("web"), .rights = &right, .rights_count = 1};
  story_begin_connected(&story, 1);
  story_set_users(&story, &web, 1);
  connect_web(2);
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
  end();
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
  assert_true(said(" more after an id"));
  assert_int_equal(story.page_end, first);
  end();
}

static void ask_about(uint64_t connection, const char *name) {
  ask(&story, connection, 0, IN(name, OBJECT_INFO, ObjectInfo, object_info));
}

static void test_who_owns_a_lock_is_for_its_user(void **state) {
  (void)state;
  open_two_users();
  story_open(&story, 2, 0, HOLDFAST__KIND__LOCK, "web.read.lock", 0);
  story_acquire(&story, 2, 0, "web.read.lock", 1, 0);
  connect_web(4);
  story_forget(&story);
  for (uint64_t connection = 1; connection <= 4; connection++) {
    ask_about(connection, "web.read.lock");
  }
  story_expect(&story,
               "1 <- #0 OK there locked by \"?\"\n"
               "2 <- #0 OK there locked by \"?\"\n"
               "3 <- #0 OK there locked by \"\"\n"
               "4 <- #0 OK there locked by \"?\"\n");
  end();
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_operation_needs_what_its_row_says),
      cmocka_unit_test(test_conditions_need_read),
      cmocka_unit_test(test_conditions_by_id_need_read),
      cmocka_unit_test(test_a_denial_says_who_what_and_why),
      cmocka_unit_test(test_a_sentence_is_bounded),
      cmocka_unit_test(test_what_may_not_be_seen_is_denied_whether_or_not_it_exists),
      cmocka_unit_test(test_opening_by_name),
      cmocka_unit_test(test_opening_does_not_tell_which_names_there_are),
      cmocka_unit_test(test_the_longest_prefix_decides_alone),
      cmocka_unit_test(test_an_object_without_a_name_is_its_users),
      cmocka_unit_test(test_a_reference_hands_over_the_rights_to_where_it_was),
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
      cmocka_unit_test(test_a_session_that_the_owner_resumes_keeps_its_rights),
      cmocka_unit_test(test_a_list_has_what_may_be_seen),
      cmocka_unit_test(test_a_list_passes_names_that_may_not_be_seen),
      cmocka_unit_test(test_locks_of_others_are_for_admins),
      cmocka_unit_test(test_a_page_ends_with_what_may_be_seen),
      cmocka_unit_test(test_who_owns_a_lock_is_for_its_user),
  };
  request_maker_init(&maker, 1);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  request_maker_deinit(&maker);
  return failed;
}
