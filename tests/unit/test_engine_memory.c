/* A whole story again and again, in which the first, second, third ... allocation fails: whatever
 * is refused then, nothing is used after it is gone and nothing stays. */
#include "proto/base/clock.h"
#include "server/dispatch/operations.h"
#include "server/engine/core.h"
#include "tests/support/apply.h"
#include "tests/support/malloc_hook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

static struct engine *engine;
static uint64_t now_ns, object, reservation;

static void deliver(void *ctx, uint64_t connection, const struct sp_route *route,
                    struct reply *reply) {
  (void)ctx;
  (void)connection;
  (void)route;
  if (reply->shape == REPLY_OBJECT) {
    object = reply->objects[0].id;
  } else if (reply->shape == REPLY_RESERVATION) {
    reservation = reply->reservation;
  }
  reply_release(reply);
}

static void close_connection(void *ctx, uint64_t connection) {
  (void)ctx;
  (void)connection;
}

/* In the session `serial`, 0: the connection's. */
static void send(uint64_t connection, uint64_t serial, uint64_t sequence, const char *name,
                 int64_t timeout_ms, Holdfast__Request__OperationCase operation, void *message) {
  static uint8_t body[1024];
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  uint64_t id[2] = {serial, 0};
  request.sequence = sequence;
  request.operation_case = operation;
  request.ping = message; /* all arms are pointers */
  if (serial) {
    request.session = (ProtobufCBinaryData){sizeof id, (uint8_t *)id};
  }
  if (name) {
    request.target_case = HOLDFAST__REQUEST__TARGET_NAME;
    request.name = (ProtobufCBinaryData){strlen(name), (uint8_t *)name};
  }
  if (timeout_ms >= 0) {
    request.wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
    request.timeout_ms = timeout_ms;
  }
  struct engine_request applied = {
      .connection = connection,
      .body = bytes_of(body, holdfast__request__pack(&request, body)),
      .message = &request,
      .operation = operations_find(&request),
  };
  assert_true(applied.body.len <= sizeof body);
  memcpy(applied.entropy, &connection, sizeof connection); /* a session is named as what opens it */
  apply_request(engine, now_ns, &applied);
}

#define SEND(connection, serial, sequence, name, timeout_ms, OPERATION, message)                 \
  send(connection, serial, sequence, name, timeout_ms, HOLDFAST__REQUEST__OPERATION_##OPERATION, \
       message)

static const char long_name[] = "a name that does not fit into a value without a box";

static void open_session(uint64_t connection) {
  Holdfast__OpenSession open = HOLDFAST__OPEN_SESSION__INIT;
  open.client = (ProtobufCBinaryData){sizeof long_name - 1, (uint8_t *)long_name};
  SEND(connection, 0, 0, NULL, -1, OPEN_SESSION, &open);
}

static void open_object(uint64_t connection, uint64_t sequence, Holdfast__Kind kind,
                        const char *name) {
  Holdfast__ObjectOpen open = HOLDFAST__OBJECT_OPEN__INIT;
  Holdfast__Value initial = HOLDFAST__VALUE__INIT, *items[] = {&initial};
  initial.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  open.kind = kind;
  open.typecode = (ProtobufCBinaryData){1, (uint8_t *)"i"};
  open.initial = items;
  open.n_initial = 1;
  if (name) {
    open.name = (ProtobufCBinaryData){strlen(name), (uint8_t *)name};
  }
  SEND(connection, 0, sequence, NULL, -1, OBJECT_OPEN, &open);
}

/* A tuple of a reference and a text, in and out of containers. */
static void move_references(void) {
  Holdfast__Reference reference = HOLDFAST__REFERENCE__INIT;
  Holdfast__Value text = HOLDFAST__VALUE__INIT, referring = text, value = text;
  Holdfast__Value *items[] = {&referring, &text};
  Holdfast__Tuple tuple = HOLDFAST__TUPLE__INIT;
  open_object(1, 1, HOLDFAST__KIND__LIST, NULL);
  reference.object = object;
  referring.kind_case = HOLDFAST__VALUE__KIND_REFERENCE;
  referring.reference = &reference;
  text.kind_case = HOLDFAST__VALUE__KIND_TEXT;
  text.text = (ProtobufCBinaryData){sizeof long_name - 1, (uint8_t *)long_name};
  tuple.items = items;
  tuple.n_items = 2;
  value.kind_case = HOLDFAST__VALUE__KIND_TUPLE;
  value.tuple = &tuple;

  Holdfast__DictSet set = HOLDFAST__DICT_SET__INIT;
  Holdfast__DictPop pop = HOLDFAST__DICT_POP__INIT;
  Holdfast__DictSetDefault set_default = HOLDFAST__DICT_SET_DEFAULT__INIT;
  Holdfast__DictCompareAndSet exchange = HOLDFAST__DICT_COMPARE_AND_SET__INIT;
  set.key = pop.key = set_default.key = exchange.key = &text;
  set.value = set_default.value = exchange.expected = &value;
  SEND(1, 0, 2, "dict", -1, DICT_SET_DEFAULT, &set_default);
  SEND(1, 0, 3, "dict", -1, DICT_SET, &set);
  SEND(1, 0, 4, "dict", -1, DICT_ITEMS, &(Holdfast__DictItems)HOLDFAST__DICT_ITEMS__INIT);
  SEND(1, 0, 5, "dict", -1, DICT_COMPARE_AND_SET, &exchange);
  SEND(1, 0, 6, "dict", -1, DICT_SET, &set);
  SEND(1, 0, 7, "dict", -1, DICT_POP, &pop);

  Holdfast__ListSetSlice slice = HOLDFAST__LIST_SET_SLICE__INIT;
  Holdfast__ListRepeatInPlace repeat = HOLDFAST__LIST_REPEAT_IN_PLACE__INIT;
  slice.items = (Holdfast__Value *[]){&value, &text, &value};
  slice.n_items = 3;
  repeat.count = 3;
  SEND(1, 0, 8, long_name, -1, LIST_SET_SLICE, &slice);
  SEND(1, 0, 9, long_name, -1, LIST_REPEAT_IN_PLACE, &repeat);
  SEND(1, 0, 10, long_name, -1, LIST_SET_SLICE, &slice);
  Holdfast__ListPop list_pop = HOLDFAST__LIST_POP__INIT;
  SEND(1, 0, 11, long_name, -1, LIST_POP, &list_pop);

  Holdfast__QueuePut put = HOLDFAST__QUEUE_PUT__INIT;
  put.value = &value;
  SEND(2, 0, 12, "q", -1, QUEUE_PUT, &put);
  SEND(9, 1, 1, "q", -1, QUEUE_PUT, &put);
}

static void reserve(uint64_t sequence, const char *queue, uint64_t lease_ms) {
  Holdfast__QueueReserve message = HOLDFAST__QUEUE_RESERVE__INIT;
  message.lease_ms = lease_ms;
  SEND(1, 0, sequence, queue, 0, QUEUE_RESERVE, &message);
}

/* Items that are put, given out, returned, buried: whatever fails, all that were put are somewhere. */
static void work(void) {
  Holdfast__Value text = HOLDFAST__VALUE__INIT;
  Holdfast__QueuePut put = HOLDFAST__QUEUE_PUT__INIT;
  Holdfast__QueuePutMany put_many = HOLDFAST__QUEUE_PUT_MANY__INIT;
  Holdfast__QueueGetMany get_many = HOLDFAST__QUEUE_GET_MANY__INIT;
  Holdfast__QueueExtend extend = HOLDFAST__QUEUE_EXTEND__INIT;
  Holdfast__QueueReturn give_back = HOLDFAST__QUEUE_RETURN__INIT;
  Holdfast__QueueBury bury = HOLDFAST__QUEUE_BURY__INIT;
  Holdfast__QueueShutdown shutdown = HOLDFAST__QUEUE_SHUTDOWN__INIT;
  Holdfast__QueueKick kick = HOLDFAST__QUEUE_KICK__INIT;
  text.kind_case = HOLDFAST__VALUE__KIND_TEXT;
  text.text = (ProtobufCBinaryData){sizeof long_name - 1, (uint8_t *)long_name};
  put.value = &text;
  put_many.items = (Holdfast__Value *[]){&text, &text, &text, &text};
  put_many.n_items = 4;
  SEND(1, 0, 31, "work", -1, QUEUE_PUT_MANY, &put_many);
  for (uint64_t i = 0; i < 20; i++) { /* more than the delays have room for at first */
    put.delay_ms = 1 + i % 2;
    put.priority = (int64_t)i % 3;
    SEND(1, 0, 32 + i, "work", -1, QUEUE_PUT, &put);
  }
  now_ns += CLOCK_NS_PER_MS;
  apply_tick(engine, now_ns);
  for (uint64_t i = 0; i < 18; i++) {
    reserve(60 + i, "work", i % 4 == 0 ? 0 : 1000);
    extend.reservation = give_back.reservation = bury.reservation = reservation;
    extend.lease_ms = 2000;
    SEND(1, 0, 80 + 2 * i, "work", -1, QUEUE_EXTEND, &extend);
    give_back.delay_ms = i;
    if (i % 3 == 0) {
      SEND(1, 0, 81 + 2 * i, "work", -1, QUEUE_BURY, &bury);
    } else if (i % 3 == 1) {
      SEND(1, 0, 81 + 2 * i, "work", -1, QUEUE_RETURN, &give_back);
    }
  }
  const struct object *queue = registry_find_name(&engine->registry, bytes_of_text("work"));
  if (queue) {
    assert_int_equal(queue->queue.unfinished, queue_waiting_count(&queue->queue) +
                                                  queue_reserved_count(&queue->queue) +
                                                  queue_buried_count(&queue->queue));
  }
  kick.count = 2;
  SEND(1, 0, 120, "work", -1, QUEUE_KICK, &kick);
  get_many.count = 3;
  SEND(2, 0, 121, "work", 0, QUEUE_GET_MANY, &get_many);
  shutdown.immediate = true;
  SEND(2, 0, 122, "work", -1, QUEUE_SHUTDOWN, &shutdown);
}

/* A request within a list of them. */
static Holdfast__Request part(const char *name, Holdfast__Request__OperationCase operation,
                              void *message) {
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  request.target_case = HOLDFAST__REQUEST__TARGET_NAME;
  request.name = (ProtobufCBinaryData){strlen(name), (uint8_t *)name};
  request.operation_case = operation;
  request.ping = message;
  return request;
}

/* One that waits for two things, one that waits for another to be done. */
static void wait_for_several(void) {
  Holdfast__QueueGet get = HOLDFAST__QUEUE_GET__INIT;
  Holdfast__DictWait wait = HOLDFAST__DICT_WAIT__INIT;
  Holdfast__DictSet set = HOLDFAST__DICT_SET__INIT;
  Holdfast__Value text = HOLDFAST__VALUE__INIT;
  text.kind_case = HOLDFAST__VALUE__KIND_TEXT;
  text.text = (ProtobufCBinaryData){sizeof long_name - 1, (uint8_t *)long_name};
  set.key = set.value = wait.key = &text;
  Holdfast__Request parts[] = {
      part("q", HOLDFAST__REQUEST__OPERATION_QUEUE_GET, &get),
      part("dict", HOLDFAST__REQUEST__OPERATION_DICT_WAIT, &wait),
      part("dict", HOLDFAST__REQUEST__OPERATION_DICT_SET, &set),
  };
  Holdfast__WaitAny first = HOLDFAST__WAIT_ANY__INIT;
  Holdfast__Transaction transaction = HOLDFAST__TRANSACTION__INIT;
  Holdfast__Condition unmet = HOLDFAST__CONDITION__INIT;
  first.operations = (Holdfast__Request *[]){&parts[0], &parts[1]};
  first.n_operations = 2;
  unmet.target_case = HOLDFAST__CONDITION__TARGET_NAME;
  unmet.name = (ProtobufCBinaryData){4, (uint8_t *)"dict"};
  unmet.check_case = HOLDFAST__CONDITION__CHECK_LENGTH_AT_LEAST;
  unmet.length_at_least = 1;
  transaction.conditions = (Holdfast__Condition *[]){&unmet};
  transaction.n_conditions = 1;
  transaction.operations = (Holdfast__Request *[]){&parts[2], &parts[0]}; /* the second fails */
  transaction.n_operations = 2;
  SEND(2, 0, 14, NULL, -1, WAIT_ANY, &first);
  SEND(2, 0, 15, NULL, -1, TRANSACTION, &transaction);
  SEND(1, 0, 14, "dict", -1, DICT_SET, &set);
  SEND(2, 0, 16, NULL, -1, WAIT_ANY, &first);
}

/* More deadlines than the timers have room for at first, then the session moves and is lost. */
static void wait_and_move(void) {
  Holdfast__QueueGet get = HOLDFAST__QUEUE_GET__INIT;
  Holdfast__LockAcquire acquire = HOLDFAST__LOCK_ACQUIRE__INIT;
  Holdfast__PipeAttach attach = HOLDFAST__PIPE_ATTACH__INIT;
  Holdfast__ResumeSession resume = HOLDFAST__RESUME_SESSION__INIT;
  Holdfast__Flush flush = HOLDFAST__FLUSH__INIT;
  for (uint64_t i = 0; i < 64 + 2; i++) { /* two find an item */
    SEND(2, 0, 20 + i, "q", 1000, QUEUE_GET, &get);
  }
  SEND(1, 0, 20, "lock", 0, LOCK_ACQUIRE, &acquire);
  SEND(2, 0, 95, "lock", -1, LOCK_ACQUIRE, &acquire);
  SEND(1, 0, 21, "pipe", -1, PIPE_ATTACH, &attach);
  SEND(1, 0, 22, NULL, -1, FLUSH, &flush);
  resume.attempt = 1;
  SEND(3, 2, 0, NULL, -1, RESUME_SESSION, &resume);
  SEND(4, 1, 0, NULL, -1, RESUME_SESSION, &resume);
  apply_disconnect(engine, now_ns, 4);
  apply_disconnect(engine, now_ns, 9);
  now_ns += 3600000 * CLOCK_NS_PER_MS;
  apply_tick(engine, now_ns);
}

static void tell_story(void) {
  struct engine_config config = {
      .first_object = 1,
      .memory_bytes_max = 1u << 20,
      .find_operation = operations_find,
  };
  struct engine_sink sink = {NULL, deliver, close_connection};
  now_ns = 1;
  object = 1;
  engine = engine_new(&config, &sink);
  if (!engine) {
    return;
  }
  for (uint64_t connection = 1; connection <= 4; connection++) {
    apply_connect(engine, connection, ADDRESS_LOCAL, false);
  }
  apply_connect(engine, 9, ADDRESS_LOCAL, true);
  open_session(1);
  open_session(2);
  open_object(2, 1, HOLDFAST__KIND__DICT, "dict");
  open_object(2, 2, HOLDFAST__KIND__LIST, long_name);
  open_object(2, 3, HOLDFAST__KIND__QUEUE, "q");
  open_object(2, 4, HOLDFAST__KIND__LOCK, "lock");
  open_object(2, 5, HOLDFAST__KIND__PIPE, "pipe");
  open_object(2, 6, HOLDFAST__KIND__ARRAY, "array");
  open_object(2, 7, HOLDFAST__KIND__QUEUE, "work");
  wait_for_several();
  move_references();
  work();
  wait_and_move();
  engine_free(engine);
}

static void test_engine_any_allocation_may_fail(void **state) {
  (void)state;
  size_t n = 0, before = malloc_hook_live_bytes();
  do {
    malloc_hook_fail(++n);
    tell_story();
    assert_int_equal(malloc_hook_live_bytes(), before);
  } while (malloc_hook_has_failed());
  malloc_hook_fail(0);
  assert_true(n > 100);
}

/* What is given out comes back without memory; what a get took too, as long as anything is left of
 * it. */
static void test_engine_items_come_back_without_memory(void **state) {
  (void)state;
  struct queue queue;
  struct task *tasks[4];
  struct taken taken[4];
  queue_init(&queue, 0);
  assert_true(queue_begin_tasks(&queue));
  for (int i = 0; i < 8; i++) {
    assert_int_equal(queue_put(&queue, value_int(i)), HF_REASON_NONE);
  }
  for (int i = 0; i < 4; i++) {
    assert_int_equal(queue_reserve(&queue, 1000 + (uint64_t)i, &tasks[i]), HF_REASON_NONE);
  }
  for (int i = 0; i < 4; i++) {
    queue_get(&queue, &taken[i]);
  }
  queue_bury(tasks[0]);
  for (int i = 0; i < 4; i++) {
    malloc_hook_fail(1);
    if (i > 0) {
      queue_give_back(tasks[i], true);
    }
    assert_int_equal(queue_kick(&queue, 0), i == 0);
    assert_false(malloc_hook_has_failed());
    assert_int_equal(queue_put_back(&queue, value_int(4 + i), &taken[i]), HF_REASON_NONE);
  }
  malloc_hook_fail(0);
  assert_int_equal(queue_ready_count(&queue), 8);
  queue_deinit(&queue);
}

/* Where each item was is kept with the answer. */
static void test_engine_answer_of_many_is_counted_whole(void **state) {
  (void)state;
  enum { COUNT = 100 };
  struct engine_config config = {
      .first_object = 1, .memory_bytes_max = 1u << 20, .find_operation = operations_find};
  struct engine_sink sink = {NULL, deliver, close_connection};
  Holdfast__Value number = HOLDFAST__VALUE__INIT;
  Holdfast__QueuePut put = HOLDFAST__QUEUE_PUT__INIT;
  Holdfast__QueueGetMany get = HOLDFAST__QUEUE_GET_MANY__INIT;
  Holdfast__CloseSession close = HOLDFAST__CLOSE_SESSION__INIT;
  engine = engine_new(&config, &sink);
  apply_connect(engine, 1, ADDRESS_LOCAL, false);
  open_session(1);
  open_object(1, 1, HOLDFAST__KIND__QUEUE, "q");
  number.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  put.value = &number;
  for (uint64_t i = 0; i < COUNT; i++) {
    SEND(1, 0, 2 + i, "q", 0, QUEUE_PUT, &put);
  }
  size_t before = engine->memory.used[MEMORY_WINDOWS];
  get.count = COUNT;
  SEND(1, 0, 2 + COUNT, "q", 0, QUEUE_GET_MANY, &get);
  assert_true(engine->memory.used[MEMORY_WINDOWS] - before >=
              COUNT * (sizeof(struct value) + sizeof(struct reply_taken)));
  SEND(1, 0, 0, NULL, 0, CLOSE_SESSION, &close);
  assert_int_equal(engine->memory.used[MEMORY_WINDOWS], 0);
  engine_free(engine);
}

/* A party that is gone for want of memory is not counted on. */
static void test_engine_party_without_memory_breaks_the_barrier(void **state) {
  (void)state;
  struct engine_config config = {
      .first_object = 1, .memory_bytes_max = 1u << 20, .find_operation = operations_find};
  struct engine_sink sink = {NULL, deliver, close_connection};
  Holdfast__ObjectOpen open = HOLDFAST__OBJECT_OPEN__INIT;
  Holdfast__BarrierWait wait = HOLDFAST__BARRIER_WAIT__INIT;
  now_ns = 1;
  engine = engine_new(&config, &sink);
  apply_connect(engine, 1, ADDRESS_LOCAL, false);
  open_session(1);
  open.kind = HOLDFAST__KIND__BARRIER;
  open.name = (ProtobufCBinaryData){1, (uint8_t *)"b"};
  open.parties = 2;
  SEND(1, 0, 1, NULL, -1, OBJECT_OPEN, &open);
  SEND(1, 0, 2, "b", 10, BARRIER_WAIT, &wait);
  now_ns += 10 * CLOCK_NS_PER_MS;
  malloc_hook_fail(1);
  apply_tick(engine, now_ns);
  assert_true(malloc_hook_has_failed());
  malloc_hook_fail(0);
  const struct object *barrier = registry_find(&engine->registry, object);
  assert_int_equal(barrier->barrier.arrived, 0);
  assert_int_equal(barrier->barrier.state, BARRIER_BROKEN);
  engine_free(engine);
}

/* All users as in the command, or all as they were. */
static void test_engine_users_change_all_or_none(void **state) {
  (void)state;
  const struct user_right read = {bytes_of_text("some."), ACCESS_READ};
  const struct user_right write = {bytes_of_text("some."), ACCESS_WRITE};
  const struct user_settings one = {
      .name = bytes_of_text("web"), .rights = &read, .rights_count = 1};
  const struct user_settings two[] = {
      {.name = bytes_of_text("web"), .rights = &write, .rights_count = 1},
      {.name = bytes_of_text("eve"), .rights = &write, .rights_count = 1}};
  const struct users_settings before = {&one, 1}, after = {two, 2};
  struct engine_config config = {.memory_bytes_max = 1u << 20, .find_operation = operations_find};
  struct engine_sink sink = {NULL, deliver, close_connection};
  engine = engine_new(&config, &sink);
  assert_true(apply_users(engine, 1, &before));
  assert_true(apply_connect_as(engine, 1, ADDRESS_LOCAL, false, "web"));
  bool is_set = false;
  for (size_t n = 1; !is_set; n++) {
    malloc_hook_fail(n);
    is_set = apply_users(engine, 1, &after);
    assert_int_equal(is_set, !malloc_hook_has_failed());
    malloc_hook_fail(0);
    const struct user *web = users_find_name(&engine->users, bytes_of_text("web"));
    assert_int_equal(user_rights(web, bytes_of_text("some.x")),
                     is_set ? ACCESS_WRITE : ACCESS_READ);
    assert_int_equal(users_find_name(&engine->users, bytes_of_text("eve")) != NULL, is_set);
  }
  engine_free(engine);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_engine_any_allocation_may_fail),
      cmocka_unit_test(test_engine_items_come_back_without_memory),
      cmocka_unit_test(test_engine_answer_of_many_is_counted_whole),
      cmocka_unit_test(test_engine_party_without_memory_breaks_the_barrier),
      cmocka_unit_test(test_engine_users_change_all_or_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
