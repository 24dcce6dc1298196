/* Stories of work: one story, with a queue "q", a queue "two" of two items, and sessions on the connections
 * 1 to 4. Requests are of thread 1 of their connection's session, unless they say otherwise.
 */
#ifndef HF_TESTS_SUPPORT_STORY_TASKS_H
#define HF_TESTS_SUPPORT_STORY_TASKS_H

#include "tests/support/story.h"

#define FOREVER STORY_WAIT_FOREVER

extern struct story tasks_story;

int tasks_set_up(void **state);
int tasks_tear_down(void **state);
struct object *tasks_object(const char *name);
void tasks_ask_of(uint64_t connection, uint64_t sequence, const char *queue, uint64_t thread,
                  int64_t timeout_ms, Holdfast__Request__OperationCase operation, void *message);
void tasks_put(uint64_t connection, uint64_t sequence, const char *queue, int64_t integer,
               int64_t priority, uint64_t delay_ms, int64_t timeout_ms);
void tasks_get(uint64_t connection, uint64_t sequence, const char *queue, int64_t timeout_ms);
void tasks_get_many(uint64_t connection, uint64_t sequence, const char *queue, uint32_t count,
                    int64_t timeout_ms);
void tasks_reserve_by(uint64_t connection, uint64_t thread, uint64_t sequence, const char *queue,
                      uint64_t lease_ms, int64_t timeout_ms);
void tasks_reserve(uint64_t connection, uint64_t sequence, const char *queue, uint64_t lease_ms,
                   int64_t timeout_ms);
void tasks_ack(uint64_t connection, uint64_t sequence, const char *queue, uint64_t reservation);
void tasks_bury(uint64_t connection, uint64_t sequence, uint64_t reservation);
void tasks_kick(uint64_t connection, uint64_t sequence, uint64_t count);
void tasks_shut_down(uint64_t connection, uint64_t sequence, const char *queue, bool immediate);
void tasks_join(uint64_t connection, uint64_t sequence, const char *queue, int64_t timeout_ms);
void tasks_delete_queue(uint64_t connection, uint64_t sequence);
/* Items 1 to count, put without a word. */
void tasks_fill(const char *queue, int64_t count);
void tasks_expect_counts(const char *name, size_t ready, size_t delayed, size_t reserved,
                         size_t buried, uint64_t unfinished);

#define TASKS_ASK(connection, sequence, queue, timeout_ms, OPERATION, message) \
  tasks_ask_of(connection, sequence, queue, 1, timeout_ms,                     \
               HOLDFAST__REQUEST__OPERATION_QUEUE_##OPERATION, message)

#endif
