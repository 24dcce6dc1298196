/* Random operations of a transaction, on objects of every kind that may be in one.
 *
 * memory  A message and all it points to are in one struct: making it allocates nothing.
 */
#ifndef HF_TESTS_SUPPORT_OPERATION_MAKER_H
#define HF_TESTS_SUPPORT_OPERATION_MAKER_H

#include "proto/holdfast.pb-c.h"
#include "tests/support/random.h"

#include <stdbool.h>

#define KEYS 30

/* Objects it works on: two dicts, lists, queues, values ... */
enum target { D, E, L, M, Q, R, V, W, A, LOCK, RLOCK, SEMAPHORE, BOUNDED, EVENT, TARGETS };

struct item {
  Holdfast__Value value;
  Holdfast__Reference reference;
  char text[40];
};

struct operation_message {
  Holdfast__Request request;
  struct item items[3]; /* key or index apart: key, value, expected */
  union {
    ProtobufCMessage base;
    Holdfast__DictGet dict_get;
    Holdfast__DictSet dict_set;
    Holdfast__DictDelete dict_delete;
    Holdfast__DictContains dict_contains;
    Holdfast__DictLen dict_len;
    Holdfast__DictPop dict_pop;
    Holdfast__DictSetDefault dict_set_default;
    Holdfast__DictAdd dict_add;
    Holdfast__DictCompareAndSet dict_compare_and_set;
    Holdfast__DictReplace dict_replace;
    Holdfast__ListGet list_get;
    Holdfast__ListSet list_set;
    Holdfast__ListAppend list_append;
    Holdfast__ListInsert list_insert;
    Holdfast__ListPop list_pop;
    Holdfast__ListDelete list_delete;
    Holdfast__ListLen list_len;
    Holdfast__ListAdd list_add;
    Holdfast__ListCompareAndSet list_compare_and_set;
    Holdfast__QueuePut queue_put;
    Holdfast__QueueGet queue_get;
    Holdfast__QueueSize queue_size;
    Holdfast__ValueGet value_get;
    Holdfast__ValueSet value_set;
    Holdfast__ValueAdd value_add;
    Holdfast__ValueCompareAndSet value_compare_and_set;
    Holdfast__ArrayGet array_get;
    Holdfast__ArraySet array_set;
    Holdfast__ArrayAdd array_add;
    Holdfast__LockAcquire lock_acquire;
    Holdfast__LockRelease lock_release;
    Holdfast__SemaphoreAcquire semaphore_acquire;
    Holdfast__SemaphoreRelease semaphore_release;
    Holdfast__EventSet event_set;
    Holdfast__EventClear event_clear;
    Holdfast__EventIsSet event_is_set;
  };
};

struct maker {
  struct random random;
  bool refers;         /* values may be references */
  uint64_t objects[3]; /* to these */
};

/* The objects' names. */
extern const char *const target_names[TARGETS];

/* 0 ... limit - 1 */
int64_t below(struct maker *maker, uint64_t limit);
/* A request without its envelope; most would succeed. */
void make_operation(struct maker *maker, struct operation_message *made);

#endif
