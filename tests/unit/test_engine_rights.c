/* The rights of users: every row of the operation table with every set of rights, in every way in which a
 * request can come; and conditions of transactions.
 *
 * Connection 1 is the owner's, 2 is web's.
 */
#include "server/dispatch/operations.h"
#include "server/engine/core.h"
#include "server/engine/kinds/kind.h"
#include "tests/support/messages.h"
#include "tests/support/request_maker.h"
#include "tests/support/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define RIGHTS_SETS 16                   /* READ, WRITE and CREATE are 1, 2 and 8 */
#define ROUNDS 3                         /* of other arguments */
#define OBJECTS_FROM (UINT64_C(1) << 40) /* no random argument refers to one */

static struct story story;
static struct request_maker maker;

/* ---- the world */

static void begin(unsigned access) {
  const struct user_right right = {STORY_TEXT(""), (uint8_t)access};
  story_begin_with_web(&story, &right, 1);
  story.engine->registry.next_id = OBJECTS_FROM;
}

static void open_all(void) {
  for (int kind = HOLDFAST__KIND__DICT; kind < (int)holdfast__kind__descriptor.n_values; kind++) {
    story_send(&story, 1, request_maker_open(&maker, (Holdfast__Kind)kind));
  }
  story_forget(&story);
}

static bool is_denied(void) {
  return story_said(&story, "PERMISSION_DENIED NO_RIGHT");
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
    bool is_hidden = !allows(rights, ACCESS_EITHER) && story_said(&story, "NO_SUCH_OBJECT");
    assert_false(is_denied() && !allows(rights, ACCESS_EITHER));
    check(operation, rights, is_denied() || is_hidden, "by id");
  }
}

static void go_in_transaction(const struct operation *operation, Holdfast__Request *request,
                              unsigned rights) {
  if (operation->flags & OPERATION_IN_TRANSACTION) {
    ask(&story, 2, 1,
        REQUEST(TRANSACTION, Transaction, transaction, .n_operations = 1, .operations = &request));
    if (!story_said(&story, "NOT_NESTABLE")) { /* with that argument */
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
  story_end(&story);
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
  return story_said(&story, "NO_RIGHT of part 1");
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
    story_end(&story);
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
    assert_int_equal(story_said(&story, "NO_SUCH_OBJECT of part 1"), rights == 0);
    assert_int_equal(story_said(&story, "OK"), rights == ACCESS_READ);
    story_end(&story);
  }
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_operation_needs_what_its_row_says),
      cmocka_unit_test(test_conditions_need_read),
      cmocka_unit_test(test_conditions_by_id_need_read),
  };
  request_maker_init(&maker, 1);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  request_maker_deinit(&maker);
  return failed;
}
