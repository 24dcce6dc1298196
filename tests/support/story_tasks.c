#include "tests/support/story_tasks.h"

#include "server/engine/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

struct story tasks_story;

int tasks_set_up(void **state) {
  (void)state;
  story_begin_connected(&tasks_story, 4);
  story_open(&tasks_story, 4, 1, HOLDFAST__KIND__QUEUE, "q", 0);
  story_open(&tasks_story, 4, 2, HOLDFAST__KIND__QUEUE, "two", 2);
  story_forget(&tasks_story);
  return 0;
}

int tasks_tear_down(void **state) {
  (void)state;
  story_end(&tasks_story);
  return 0;
}

struct object *tasks_object(const char *name) {
  return registry_find_name(&tasks_story.engine->registry, bytes_of_text(name));
}

void tasks_ask_of(uint64_t connection, uint64_t sequence, const char *queue, uint64_t thread,
                  int64_t timeout_ms, Holdfast__Request__OperationCase operation, void *message) {
  Holdfast__Request request = story_request(sequence, queue, timeout_ms);
  request.thread = thread;
  request.operation_case = operation;
  request.ping = message; /* all arms are pointers */
  story_send(&tasks_story, connection, &request);
}

void tasks_put(uint64_t connection, uint64_t sequence, const char *queue, int64_t integer,
               int64_t priority, uint64_t delay_ms, int64_t timeout_ms) {
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__QueuePut message = HOLDFAST__QUEUE_PUT__INIT;
  value.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  value.integer = integer;
  message.value = &value;
  message.priority = priority;
  message.delay_ms = delay_ms;
  TASKS_ASK(connection, sequence, queue, timeout_ms, PUT, &message);
}

void tasks_get(uint64_t connection, uint64_t sequence, const char *queue, int64_t timeout_ms) {
  story_get(&tasks_story, connection, sequence, queue, timeout_ms);
}

void tasks_get_many(uint64_t connection, uint64_t sequence, const char *queue, uint32_t count,
                    int64_t timeout_ms) {
  Holdfast__QueueGetMany message = HOLDFAST__QUEUE_GET_MANY__INIT;
  message.count = count;
  TASKS_ASK(connection, sequence, queue, timeout_ms, GET_MANY, &message);
}

void tasks_reserve_by(uint64_t connection, uint64_t thread, uint64_t sequence, const char *queue,
                      uint64_t lease_ms, int64_t timeout_ms) {
  Holdfast__QueueReserve message = HOLDFAST__QUEUE_RESERVE__INIT;
  message.lease_ms = lease_ms;
  tasks_ask_of(connection, sequence, queue, thread, timeout_ms,
               HOLDFAST__REQUEST__OPERATION_QUEUE_RESERVE, &message);
}

void tasks_reserve(uint64_t connection, uint64_t sequence, const char *queue, uint64_t lease_ms,
                   int64_t timeout_ms) {
  tasks_reserve_by(connection, 1, sequence, queue, lease_ms, timeout_ms);
}

void tasks_ack(uint64_t connection, uint64_t sequence, const char *queue, uint64_t reservation) {
  Holdfast__QueueAck message = HOLDFAST__QUEUE_ACK__INIT;
  message.reservation = reservation;
  TASKS_ASK(connection, sequence, queue, STORY_WAIT_FOREVER, ACK, &message);
}

void tasks_bury(uint64_t connection, uint64_t sequence, uint64_t reservation) {
  Holdfast__QueueBury message = HOLDFAST__QUEUE_BURY__INIT;
  message.reservation = reservation;
  TASKS_ASK(connection, sequence, "q", STORY_WAIT_FOREVER, BURY, &message);
}

void tasks_kick(uint64_t connection, uint64_t sequence, uint64_t count) {
  Holdfast__QueueKick message = HOLDFAST__QUEUE_KICK__INIT;
  message.count = count;
  TASKS_ASK(connection, sequence, "q", STORY_WAIT_FOREVER, KICK, &message);
}

void tasks_shut_down(uint64_t connection, uint64_t sequence, const char *queue, bool immediate) {
  Holdfast__QueueShutdown message = HOLDFAST__QUEUE_SHUTDOWN__INIT;
  message.immediate = immediate;
  TASKS_ASK(connection, sequence, queue, STORY_WAIT_FOREVER, SHUTDOWN, &message);
}

void tasks_join(uint64_t connection, uint64_t sequence, const char *queue, int64_t timeout_ms) {
  Holdfast__QueueJoin message = HOLDFAST__QUEUE_JOIN__INIT;
  TASKS_ASK(connection, sequence, queue, timeout_ms, JOIN, &message);
}

void tasks_delete_queue(uint64_t connection, uint64_t sequence) {
  Holdfast__ObjectDelete message = HOLDFAST__OBJECT_DELETE__INIT;
  tasks_ask_of(connection, sequence, "q", 1, STORY_WAIT_FOREVER,
               HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE, &message);
}

/* Items 1 to count, put without a word. */
void tasks_fill(const char *queue, int64_t count) {
  for (int64_t i = 1; i <= count; i++) {
    tasks_put(4, 0, queue, i, 0, 0, 0);
  }
  story_forget(&tasks_story);
}

void tasks_expect_counts(const char *name, size_t ready, size_t delayed, size_t reserved,
                         size_t buried, uint64_t unfinished) {
  const struct queue *queue = &tasks_object(name)->queue;
  assert_int_equal(queue_ready_count(queue), ready);
  assert_int_equal(queue_delayed_count(queue), delayed);
  assert_int_equal(queue_reserved_count(queue), reserved);
  assert_int_equal(queue_buried_count(queue), buried);
  assert_int_equal(queue->unfinished, unfinished);
}
