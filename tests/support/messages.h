/* Requests written in one expression; everything lives as long as the block it is written in.
 *
 *   ask(&story, 1, 2, IN("d", DICT_SET, DictSet, dict_set, .key = TEXT("k"), .value = INT(5)));
 */
#ifndef HF_TESTS_SUPPORT_MESSAGES_H
#define HF_TESTS_SUPPORT_MESSAGES_H

#include "tests/support/story.h"

#include <string.h>

#define MESSAGE(Type, lower, ...)                                                         \
  (&(Holdfast__##Type){.base = PROTOBUF_C_MESSAGE_INIT(&holdfast__##lower##__descriptor), \
                       __VA_ARGS__})
#define DATA(string) \
  { strlen(string), (uint8_t *)(string) }

#define INT(number) \
  MESSAGE(Value, value, .kind_case = HOLDFAST__VALUE__KIND_INTEGER, .integer = (number))
#define TEXT(string) \
  MESSAGE(Value, value, .kind_case = HOLDFAST__VALUE__KIND_TEXT, .text = DATA(string))
#define REFERENCE(id)                                                 \
  MESSAGE(Value, value, .kind_case = HOLDFAST__VALUE__KIND_REFERENCE, \
          .reference = MESSAGE(Reference, reference, .object = (id)))

/* An operation on no object, and on one by name. All arms of the oneof are pointers. */
#define REQUEST(CASE, Type, lower, ...)                                            \
  MESSAGE(Request, request, .operation_case = HOLDFAST__REQUEST__OPERATION_##CASE, \
          .ping = (void *)MESSAGE(Type, lower, __VA_ARGS__))
#define IN(target, CASE, Type, lower, ...)                                                       \
  MESSAGE(Request, request, .target_case = HOLDFAST__REQUEST__TARGET_NAME, .name = DATA(target), \
          .operation_case = HOLDFAST__REQUEST__OPERATION_##CASE,                                 \
          .ping = (void *)MESSAGE(Type, lower, __VA_ARGS__))
/* The same, on an object by its id. */
#define ON(id, CASE, Type, lower, ...)                                                       \
  MESSAGE(Request, request, .target_case = HOLDFAST__REQUEST__TARGET_OBJECT, .object = (id), \
          .operation_case = HOLDFAST__REQUEST__OPERATION_##CASE,                             \
          .ping = (void *)MESSAGE(Type, lower, __VA_ARGS__))

/* Several in a field of a message: .operations = LIST_OF(Request, ...). */
#define COUNT_OF(Type, ...) (sizeof((Holdfast__##Type *[]){__VA_ARGS__}) / sizeof(void *))
#define LIST_OF(Type, ...) \
  (Holdfast__##Type *[]) { \
    __VA_ARGS__            \
  }

/* Sends it, waiting for ever; for up to timeout_ms. */
static inline void ask_within(struct story *story, uint64_t connection, uint64_t sequence,
                              int64_t timeout_ms, Holdfast__Request *request) {
  request->sequence = sequence;
  if (timeout_ms != STORY_WAIT_FOREVER) {
    request->wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
    request->timeout_ms = timeout_ms;
  }
  story_send(story, connection, request);
}

static inline void ask(struct story *story, uint64_t connection, uint64_t sequence,
                       Holdfast__Request *request) {
  ask_within(story, connection, sequence, STORY_WAIT_FOREVER, request);
}

#endif
