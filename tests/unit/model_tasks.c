/* Sessions that come, work, and vanish at random: whatever happens, each item that was put and not
 * acknowledged is in its queue exactly once, and the session it is reserved for knows so. */
#include "server/engine/core.h"
#include "tests/support/random.h"
#include "tests/support/story.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define STEPS 50000
#define SESSIONS_COUNT 4
#define NUMBERS_MAX (STEPS + 1)
#define RESERVATIONS_MAX 64

static uint64_t seed;

/* What a reply said, which may be outdated. */
struct reservation {
  uint64_t id, connection;
  int64_t number;
};

struct model {
  struct story story;
  struct random random;
  uint64_t connections[SESSIONS_COUNT], next_connection;
  bool is_live[NUMBERS_MAX]; /* put, and not acknowledged */
  bool is_found[NUMBERS_MAX];
  int64_t next_number;
  struct reservation reservations[RESERVATIONS_MAX];
  size_t next_reservation;
  size_t reserved, acknowledged, refused, vanished, deleted;
};

static struct queue *queue_of(struct model *model) {
  return &registry_find_name(&model->story.engine->registry, bytes_of_text("q"))->queue;
}

/* ---- requests and answers */

static void send(struct model *model, uint64_t connection, uint64_t sequence, int64_t timeout_ms,
                 Holdfast__Request__OperationCase operation, void *message) {
  Holdfast__Request request = story_request(sequence, "q", timeout_ms);
  request.operation_case = operation;
  request.ping = message; /* all arms are pointers */
  story_send(&model->story, connection, &request);
}

#define SEND(model, connection, timeout_ms, OPERATION, message) \
  send(model, connection, 0, timeout_ms, HOLDFAST__REQUEST__OPERATION_##OPERATION, message)

static void record_reservation(struct model *model, const struct reservation *reservation) {
  assert_true(model->is_live[reservation->number]);
  model->reservations[model->next_reservation++ % RESERVATIONS_MAX] = *reservation;
  model->reserved++;
}

/* Reads what the story wrote down since. */
static void read_answers(struct model *model) {
  for (const char *line = model->story.text; *line; line = strchr(line, '\n') + 1) {
    struct reservation found;
    if (sscanf(line, "%" SCNu64 " <- #0 OK %" SCNd64 ", reserved as %" SCNu64, &found.connection,
               &found.number, &found.id) == 3) {
      record_reservation(model, &found);
    }
  }
  story_forget(&model->story);
}

static uint64_t some_connection(struct model *model) {
  return model->connections[random_below(&model->random, SESSIONS_COUNT)];
}

static const struct reservation *some_reservation(struct model *model) {
  return &model->reservations[random_below(&model->random, RESERVATIONS_MAX)];
}

/* Acknowledged or refused, by the answer. */
static bool was_accepted(struct model *model) {
  bool accepted = strstr(model->story.text, " OK") != NULL;
  model->refused += !accepted;
  return accepted;
}

/* ---- steps */

static void step_put(struct model *model) {
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__QueuePut put = HOLDFAST__QUEUE_PUT__INIT;
  value.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  value.integer = model->next_number++;
  put.value = &value;
  put.priority = random_below(&model->random, 3) ? 0 : (int64_t)random_below(&model->random, 3) - 1;
  put.delay_ms = random_below(&model->random, 4) ? 0 : random_below(&model->random, 50);
  model->is_live[value.integer] = true; /* a waiter may have the item before the answer */
  SEND(model, some_connection(model), 0, QUEUE_PUT, &put);
}

static void step_reserve(struct model *model) {
  Holdfast__QueueReserve reserve = HOLDFAST__QUEUE_RESERVE__INIT;
  reserve.lease_ms = random_below(&model->random, 2) * random_below(&model->random, 40);
  int64_t timeout_ms =
      (int64_t)(random_below(&model->random, 2) * random_below(&model->random, 30));
  SEND(model, some_connection(model), timeout_ms, QUEUE_RESERVE, &reserve);
}

static void step_ack(struct model *model) {
  const struct reservation *reservation = some_reservation(model);
  Holdfast__QueueAck ack = HOLDFAST__QUEUE_ACK__INIT;
  ack.reservation = reservation->id;
  SEND(model, reservation->connection, 0, QUEUE_ACK, &ack);
  if (was_accepted(model)) {
    assert_true(model->is_live[reservation->number]);
    model->is_live[reservation->number] = false;
    model->acknowledged++;
  }
}

static void step_return(struct model *model) {
  const struct reservation *reservation = some_reservation(model);
  Holdfast__QueueReturn give_back = HOLDFAST__QUEUE_RETURN__INIT;
  give_back.reservation = reservation->id;
  give_back.delay_ms = random_below(&model->random, 2) * random_below(&model->random, 30);
  SEND(model, reservation->connection, 0, QUEUE_RETURN, &give_back);
}

static void step_extend(struct model *model) {
  const struct reservation *reservation = some_reservation(model);
  Holdfast__QueueExtend extend = HOLDFAST__QUEUE_EXTEND__INIT;
  extend.reservation = reservation->id;
  extend.lease_ms = random_below(&model->random, 40);
  SEND(model, reservation->connection, 0, QUEUE_EXTEND, &extend);
}

static void step_bury_or_kick(struct model *model) {
  const struct reservation *reservation = some_reservation(model);
  Holdfast__QueueBury bury = HOLDFAST__QUEUE_BURY__INIT;
  Holdfast__QueueKick kick = HOLDFAST__QUEUE_KICK__INIT;
  bury.reservation = reservation->id;
  kick.count = random_below(&model->random, 3);
  if (random_below(&model->random, 2)) {
    SEND(model, reservation->connection, 0, QUEUE_BURY, &bury);
  } else {
    SEND(model, some_connection(model), 0, QUEUE_KICK, &kick);
  }
}

static void step_pass(struct model *model) {
  story_pass_ms(&model->story, random_below(&model->random, 20));
}

static void connect_one(struct model *model, size_t idx) {
  model->connections[idx] = ++model->next_connection;
  story_connect(&model->story, model->next_connection);
  story_open_session(&model->story, model->next_connection);
}

/* Killed, or with a goodbye. */
static void step_vanish(struct model *model) {
  size_t idx = random_below(&model->random, SESSIONS_COUNT);
  if (random_below(&model->random, 2)) {
    story_close_session(&model->story, model->connections[idx]);
  }
  story_disconnect(&model->story, model->connections[idx]);
  read_answers(model);
  if (random_below(&model->random, 2)) {
    story_pass_ms(&model->story, HF_GRACE_MS_DEFAULT);
  }
  connect_one(model, idx);
  model->vanished++;
}

static void open_queue(struct model *model) {
  story_open(&model->story, model->connections[0], 0, HOLDFAST__KIND__QUEUE, "q", 0);
}

static void step_delete(struct model *model) {
  Holdfast__ObjectDelete deletion = HOLDFAST__OBJECT_DELETE__INIT;
  SEND(model, some_connection(model), 0, OBJECT_DELETE, &deletion);
  memset(model->is_live, 0, sizeof model->is_live);
  open_queue(model);
  model->deleted++;
}

static void take_step(struct model *model) {
  static void (*const steps[])(struct model *) = {
      step_put, step_put, step_put,    step_reserve,      step_reserve, step_reserve, step_ack,
      step_ack, step_ack, step_return, step_bury_or_kick, step_extend,  step_pass,
  };
  uint64_t rare = random_below(&model->random, 1000);
  if (rare == 0) {
    step_delete(model);
  } else if (rare < 4) { /* about 150 in all: a story has 255 sessions */
    step_vanish(model);
  } else {
    steps[random_below(&model->random, sizeof steps / sizeof *steps)](model);
  }
  read_answers(model);
}

/* ---- what must hold */

static void find(struct model *model, struct value value) {
  assert_true(model->is_live[value.integer] && !model->is_found[value.integer]);
  model->is_found[value.integer] = true;
}

static void find_group(struct model *model, const struct task_group *group) {
  const struct task *task;
  TAILQ_FOREACH(task, &group->list, link) {
    find(model, task->value);
  }
}

static void expect_each_once(struct model *model) {
  const struct queue *queue = queue_of(model);
  memset(model->is_found, 0, sizeof model->is_found);
  for (size_t i = 0; i < queue->items.len; i++) {
    find(model, list_at(&queue->items, i));
  }
  if (queue->tasks) {
    find_group(model, &queue->tasks->waiting);
    find_group(model, &queue->tasks->reserved);
    find_group(model, &queue->tasks->buried);
  }
  assert_memory_equal(model->is_found, model->is_live, sizeof model->is_live);
}

static void expect_owners(struct model *model) {
  const struct queue *queue = queue_of(model);
  const struct map64 *sessions = &model->story.engine->sessions;
  size_t position = 0, reserved = 0;
  uint64_t serial;
  void *session;
  while (map64_next(sessions, &position, &serial, &session)) {
    const struct task *task;
    size_t count = 0;
    TAILQ_FOREACH(task, &((struct session *)session)->reserved, owner_link) {
      assert_ptr_equal(map64_get(&((struct session *)session)->reservations, task->reservation),
                       task);
      assert_ptr_equal(task->queue, queue);
      count++;
    }
    assert_int_equal(((struct session *)session)->reservations.count, count);
    reserved += count;
  }
  assert_int_equal(reserved, queue_reserved_count(queue));
}

static void test_tasks_random_sessions_lose_and_double_nothing(void **state) {
  (void)state;
  static struct model model;
  model.random.state = seed;
  story_begin(&model.story);
  for (size_t i = 0; i < SESSIONS_COUNT; i++) {
    connect_one(&model, i);
  }
  open_queue(&model);
  story_forget(&model.story);
  for (size_t i = 0; i < RESERVATIONS_MAX; i++) {
    model.reservations[i].connection = model.connections[0];
  }
  for (int step = 0; step < STEPS; step++) {
    take_step(&model);
    if (step % 100 == 0) {
      expect_each_once(&model);
      expect_owners(&model);
    }
  }
  printf("%" PRId64
         " put, %zu reserved, %zu acknowledged, %zu refused, %zu sessions gone, %zu queues "
         "deleted\n",
         model.next_number, model.reserved, model.acknowledged, model.refused, model.vanished,
         model.deleted);
  story_end(&model.story);
}

int main(int argc, char **argv) {
  seed = random_seed(argc, argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tasks_random_sessions_lose_and_double_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
