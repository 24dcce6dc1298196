/* Transactions of random operations against a twin: a second engine that does the operations of
 * those that succeed one by one, and nothing of those that fail. After each, both have the same
 * objects; after a failed one nothing has changed at all, the counts of references, the sessions'
 * locks and the memory counted included. */
#include "server/dispatch/operations.h"
#include "server/engine/core.h"
#include "server/engine/elements.h"
#include "tests/support/apply.h"
#include "tests/support/malloc_hook.h"
#include "tests/support/operation_maker.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#define STEPS 6000
#define SWEEP_STEPS 150
#define OPERATIONS_MAX 40
#define OBJECTS_MAX 32

static uint64_t seed;

/* ---- engines */

struct side {
  struct engine *engine;
  uint64_t sequence[3]; /* of the connections 1 and 2 */
  hf_reason reason;     /* of the last reply */
  uint32_t part;
  uint64_t object;
  char outcomes[OPERATIONS_MAX][64];
};

static void write_outcome(char *text, size_t size, const struct reply *reply) {
  const struct value *value = &reply->value;
  struct bytes content;
  switch (reply->shape) {
    case REPLY_VALUE:
      content = value_content(value);
      snprintf(text, size, "%d %" PRId64 " %.*s", value->kind, content.data ? 0 : value->integer,
               (int)content.len, (const char *)content.data);
      break;
    case REPLY_COUNT:
      snprintf(text, size, "count %" PRId64, reply->count);
      break;
    case REPLY_FLAG:
    case REPLY_EXCHANGE:
      snprintf(text, size, "flag %d", reply->shape == REPLY_FLAG ? reply->flag : reply->swapped);
      break;
    default:
      snprintf(text, size, "shape %d", (int)reply->shape);
  }
}

static void deliver(void *ctx, uint64_t connection, const struct sp_route *route,
                    struct reply *reply) {
  struct side *side = ctx;
  (void)connection;
  (void)route;
  side->reason = reply->reason;
  side->part = reply->part;
  if (reply->shape == REPLY_OBJECT) {
    side->object = reply->objects[0].id;
  } else if (reply->shape == REPLY_RESULTS) {
    for (size_t i = 0; i < reply->outcomes_count; i++) {
      write_outcome(side->outcomes[i], sizeof side->outcomes[i], reply->outcomes[i]);
    }
  } else if (!reply->reason) {
    write_outcome(side->outcomes[0], sizeof side->outcomes[0], reply);
  }
  reply_release(reply);
}

static void close_connection(void *ctx, uint64_t connection) {
  (void)ctx;
  (void)connection;
}

/* Without an allocation of its own. */
static void send(struct side *side, uint64_t connection, Holdfast__Request *request) {
  static uint8_t body[1 << 16];
  assert_true(holdfast__request__get_packed_size(request) <= sizeof body);
  struct engine_request applied = {
      .connection = connection,
      .body = bytes_of(body, holdfast__request__pack(request, body)),
      .message = request,
      .operation = operations_find(request),
  };
  memcpy(applied.entropy, &connection, sizeof connection);
  apply_request(side->engine, 1, &applied);
}

static void send_numbered(struct side *side, uint64_t connection, Holdfast__Request *request) {
  request->acked = side->sequence[connection]++;
  request->sequence = side->sequence[connection];
  request->wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
  request->timeout_ms = 0;
  send(side, connection, request);
}

static void open_object(struct side *side, Holdfast__Kind kind, const char *name, int64_t size) {
  Holdfast__ObjectOpen open = HOLDFAST__OBJECT_OPEN__INIT;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  open.kind = kind;
  open.maxsize = size;
  open.start = open.length = (uint64_t)size;
  open.typecode = (ProtobufCBinaryData){1, (uint8_t *)"h"};
  open.name = (ProtobufCBinaryData){strlen(name), (uint8_t *)name};
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN;
  request.object_open = &open;
  send_numbered(side, 1, &request);
  assert_int_equal(side->reason, HF_REASON_NONE);
}

static void begin(struct side *side, struct maker *maker) {
  static const Holdfast__Kind kinds[TARGETS] = {
      HOLDFAST__KIND__DICT,
      HOLDFAST__KIND__DICT,
      HOLDFAST__KIND__LIST,
      HOLDFAST__KIND__LIST,
      HOLDFAST__KIND__QUEUE,
      HOLDFAST__KIND__QUEUE,
      HOLDFAST__KIND__VALUE,
      HOLDFAST__KIND__RAW_VALUE,
      HOLDFAST__KIND__ARRAY,
      HOLDFAST__KIND__LOCK,
      HOLDFAST__KIND__RLOCK,
      HOLDFAST__KIND__SEMAPHORE,
      HOLDFAST__KIND__BOUNDED_SEMAPHORE,
      HOLDFAST__KIND__EVENT,
  };
  static const int64_t sizes[TARGETS] = {
      [Q] = 3, [V] = 1, [W] = 1, [A] = 4, [SEMAPHORE] = 3, [BOUNDED] = 2};
  struct engine_config config = {
      .first_object = 1,
      .memory_bytes_max = 64u << 20,
      .find_operation = operations_find,
  };
  struct engine_sink sink = {side, deliver, close_connection};
  Holdfast__OpenSession open = HOLDFAST__OPEN_SESSION__INIT;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  *side = (struct side){.engine = engine_new(&config, &sink)};
  assert_non_null(side->engine);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OPEN_SESSION;
  request.open_session = &open;
  for (uint64_t connection = 1; connection <= 2; connection++) {
    assert_true(apply_connect(side->engine, connection, ADDRESS_LOCAL, false));
    send(side, connection, &request);
  }
  for (size_t i = 0; i < TARGETS; i++) {
    open_object(side, kinds[i], target_names[i], sizes[i]);
  }
  for (size_t i = 0; i < 3; i++) { /* anonymous: deleted with the last reference */
    open_object(side, HOLDFAST__KIND__LIST, "", 0);
    maker->objects[i] = side->object;
  }
}

/* ---- what there is, as text */

struct text {
  size_t len;
  char bytes[1 << 16];
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int wrote = vsnprintf(text->bytes + text->len, sizeof text->bytes - text->len, format, args);
  va_end(args);
  assert_true(wrote >= 0 && text->len + (size_t)wrote < sizeof text->bytes);
  text->len += (size_t)wrote;
}

static void add_value(struct text *text, struct value value) {
  struct bytes content = value_content(&value);
  if (content.data) {
    add(text, " %.*s", (int)content.len, (const char *)content.data);
  } else {
    add(text, " %d:%" PRId64, value.kind, value.integer);
  }
}

static void add_list(struct text *text, const struct list *list) {
  for (size_t i = 0; i < list->len; i++) {
    add_value(text, list_at(list, i));
  }
}

static void add_lock(struct text *text, const struct lock *lock) {
  add(text, " held %" PRIu64 " by %" PRIu64 "/%" PRIu64 " robust %d died %d", lock->depth,
      lock->owner.session, lock->owner.thread, lock->depth && lock->robust, lock->owner_died);
}

static void add_content(struct text *text, const struct object *object) {
  struct value key, value;
  uint64_t cursor = 0;
  switch (object->kind) {
    case HOLDFAST__KIND__DICT:
      while (dict_next(object->dict, &cursor, &key, &value)) {
        add_value(text, key);
        add_value(text, value);
      }
      break;
    case HOLDFAST__KIND__LIST:
      add_list(text, &object->list);
      break;
    case HOLDFAST__KIND__QUEUE:
      add(text, " unfinished %" PRIu64, object->queue.unfinished);
      add_list(text, &object->queue.items);
      break;
    case HOLDFAST__KIND__VALUE:
    case HOLDFAST__KIND__RAW_VALUE:
    case HOLDFAST__KIND__ARRAY:
      for (size_t i = 0; i < object->cells.count; i++) {
        add_value(text, elements_value(&object->cells, i));
      }
      add_lock(text, &object->cells.lock);
      break;
    case HOLDFAST__KIND__LOCK:
    case HOLDFAST__KIND__RLOCK:
      add_lock(text, &object->guard.lock);
      break;
    case HOLDFAST__KIND__EVENT:
      add(text, " %d", object->event_is_set);
      break;
    default:
      add(text, " %" PRIu64 " held %" PRIu64, object->semaphore.value, object->semaphore.acquired);
  }
}

/* What is counted is what there is. */
static void expect_counted(struct engine *engine, struct object *object) {
  size_t counted = object->memory_bytes;
  registry_account(&engine->registry, object);
  assert_int_equal(object->memory_bytes, counted);
}

static void describe(struct side *side, struct text *text) {
  struct engine *engine = side->engine;
  text->len = 0;
  for (uint64_t id = 1; id <= OBJECTS_MAX; id++) {
    struct object *object = registry_find(&engine->registry, id);
    if (!object) {
      continue;
    }
    add(text, "%" PRIu64 " holds %" PRIu64 " refers %" PRIu64 ":", id, object->references,
        object->stored_references);
    add_content(text, object);
    for (uint64_t serial = 1; serial <= 2; serial++) {
      const struct session *session = map64_get(&engine->sessions, serial);
      add(text, " | %d %d %d", map64_get(&session->locks, id) != NULL,
          (int)(uintptr_t)map64_get(&session->permits, id),
          (int)reference_count(map64_get(&session->references, id)));
    }
    add(text, "\n");
    expect_counted(engine, object);
  }
}

/* ---- steps */

struct model {
  struct maker maker;
  struct side engine, twin;
  struct operation_message made[OPERATIONS_MAX];
  Holdfast__Request *requests[OPERATIONS_MAX];
  struct text before, after, other;
  size_t done, failed, operations_done;
};

static void run_transaction(struct model *model, size_t count) {
  Holdfast__Transaction transaction = HOLDFAST__TRANSACTION__INIT;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  transaction.operations = model->requests;
  transaction.n_operations = count;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_TRANSACTION;
  request.transaction = &transaction;
  send_numbered(&model->engine, 1, &request);
}

/* One by one in the twin: the same outcomes, the same objects. */
static void follow(struct model *model, size_t count) {
  for (size_t i = 0; i < count; i++) {
    Holdfast__Request single = *model->requests[i];
    send_numbered(&model->twin, 1, &single);
    assert_int_equal(model->twin.reason, HF_REASON_NONE);
    assert_string_equal(model->twin.outcomes[0], model->engine.outcomes[i]);
  }
  describe(&model->engine, &model->after);
  describe(&model->twin, &model->other);
  assert_string_equal(model->after.bytes, model->other.bytes);
  model->done++;
  model->operations_done += count;
}

/* All operations before the failed one would have succeeded, and the failed one not. */
static void expect_that_part_fails(struct model *model, size_t count, hf_reason reason,
                                   uint32_t part) {
  assert_in_range(part, 1, count);
  if (part > 1) {
    run_transaction(model, part - 1);
    assert_int_equal(model->engine.reason, HF_REASON_NONE);
    follow(model, part - 1);
  }
  Holdfast__Request single = *model->requests[part - 1];
  send_numbered(&model->twin, 1, &single);
  assert_int_equal(model->twin.reason, reason);
}

static void make_transaction(struct model *model, size_t count) {
  for (size_t i = 0; i < count; i++) {
    make_operation(&model->maker, &model->made[i]);
    model->requests[i] = &model->made[i].request;
  }
}

static void expect_unchanged(struct model *model) {
  describe(&model->engine, &model->after);
  assert_string_equal(model->after.bytes, model->before.bytes);
}

static void step(struct model *model) {
  size_t count = (size_t)below(&model->maker, OPERATIONS_MAX) + 1;
  make_transaction(model, count);
  describe(&model->engine, &model->before);
  run_transaction(model, count);
  if (model->engine.reason == HF_REASON_NONE) {
    follow(model, count);
    return;
  }
  model->failed++;
  expect_unchanged(model);
  expect_that_part_fails(model, count, model->engine.reason, model->engine.part);
}

/* Another client acquires and releases. */
static void step_of_another(struct model *model) {
  Holdfast__Request first, second;
  make_operation(&model->maker, &model->made[0]);
  first = second = model->made[0].request;
  send_numbered(&model->engine, 2, &first);
  send_numbered(&model->twin, 2, &second);
  assert_int_equal(model->engine.reason, model->twin.reason);
}

static void set_up(struct model *model, bool refers) {
  model->maker = (struct maker){.random = {seed}, .refers = refers};
  begin(&model->engine, &model->maker);
  begin(&model->twin, &model->maker);
  model->done = model->failed = model->operations_done = 0;
}

static void tear_down(struct model *model) {
  printf("%zu done of %zu operations, %zu failed\n", model->done, model->operations_done,
         model->failed);
  engine_free(model->engine.engine);
  engine_free(model->twin.engine);
}

static void test_transaction_is_as_its_operations_or_nothing(void **state) {
  (void)state;
  static struct model model;
  size_t before = malloc_hook_live_bytes();
  set_up(&model, true);
  for (size_t i = 0; i < STEPS; i++) {
    step(&model);
    if (below(&model.maker, 5) == 0) {
      step_of_another(&model);
    }
  }
  assert_true(model.done > STEPS / 10 && model.failed > STEPS / 10);
  tear_down(&model);
  assert_int_equal(malloc_hook_live_bytes(), before);
}

/* The same transaction until no allocation fails in it any more. */
static void sweep(struct model *model) {
  size_t count = (size_t)below(&model->maker, OPERATIONS_MAX) + 1, n = 0;
  make_transaction(model, count);
  describe(&model->engine, &model->before);
  do {
    (n % 2 ? malloc_hook_fail : malloc_hook_fail_from)(n / 2 + 1);
    n++;
    model->engine.reason = HF_REASON_NO_MEMORY; /* also when there is none for an answer */
    run_transaction(model, count);
    bool has_failed = malloc_hook_has_failed();
    malloc_hook_fail(0);
    if (model->engine.reason == HF_REASON_NONE) {
      follow(model, count);
      return;
    }
    expect_unchanged(model);
    if (!has_failed) {
      model->failed++;
      expect_that_part_fails(model, count, model->engine.reason, model->engine.part);
      return;
    }
  } while (true);
}

static void test_transaction_without_memory_is_all_or_nothing(void **state) {
  (void)state;
  static struct model model;
  size_t before = malloc_hook_live_bytes();
  set_up(&model, true);
  for (size_t i = 0; i < SWEEP_STEPS; i++) {
    sweep(&model);
  }
  tear_down(&model);
  assert_int_equal(malloc_hook_live_bytes(), before);
}

int main(int argc, char **argv) {
  seed = random_seed(argc, argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_transaction_is_as_its_operations_or_nothing),
      cmocka_unit_test(test_transaction_without_memory_is_all_or_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
