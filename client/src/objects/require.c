/* The conditions of transactions. */
#include "client/src/call/batch.h"

hf_status hf_require_equal(hf_dict *dict, hf_value key, const hf_value *value) {
  Holdfast__Condition condition = HOLDFAST__CONDITION__INIT;
  Holdfast__KeyEquals check = HOLDFAST__KEY_EQUALS__INIT;
  Holdfast__Value key_message, value_message;
  struct arena arena;
  arena_init(&arena, HF_UNPACK_BYTES_MAX);
  hf_reason reason = value_to_wire(&key, &arena, &key_message);
  if (reason == HF_REASON_NONE && value != NULL) {
    reason = value_to_wire(value, &arena, &value_message);
    check.value = &value_message;
  }
  check.key = &key_message;
  condition.check_case = HOLDFAST__CONDITION__CHECK_KEY_EQUALS;
  condition.key_equals = &check;
  hf_status status = batch_require(dict, &condition, reason);
  arena_deinit(&arena);
  return status;
}

hf_status hf_require_length(hf_object *object, uint64_t length) {
  Holdfast__Condition condition = HOLDFAST__CONDITION__INIT;
  condition.check_case = HOLDFAST__CONDITION__CHECK_LENGTH_AT_LEAST;
  condition.length_at_least = length;
  return batch_require(object, &condition, HF_REASON_NONE);
}

hf_status hf_require_room(hf_queue *queue, uint64_t room) {
  Holdfast__Condition condition = HOLDFAST__CONDITION__INIT;
  condition.check_case = HOLDFAST__CONDITION__CHECK_ROOM_AT_LEAST;
  condition.room_at_least = room;
  return batch_require(queue, &condition, HF_REASON_NONE);
}

hf_status hf_require_at_least(hf_cell *cell, hf_value bound) {
  Holdfast__Condition condition = HOLDFAST__CONDITION__INIT;
  Holdfast__Value message;
  struct arena arena;
  arena_init(&arena, HF_UNPACK_BYTES_MAX);
  hf_reason reason = value_to_wire(&bound, &arena, &message);
  condition.check_case = HOLDFAST__CONDITION__CHECK_VALUE_AT_LEAST;
  condition.value_at_least = &message;
  hf_status status = batch_require(cell, &condition, reason);
  arena_deinit(&arena);
  return status;
}

hf_status hf_require_owned(hf_lock *lock, uint64_t token) {
  Holdfast__Condition condition = HOLDFAST__CONDITION__INIT;
  condition.check_case = HOLDFAST__CONDITION__CHECK_OWNED_WITH_TOKEN;
  condition.owned_with_token = token;
  return batch_require(lock, &condition, HF_REASON_NONE);
}

hf_status hf_require_free(hf_lock *lock) {
  Holdfast__Condition condition = HOLDFAST__CONDITION__INIT;
  condition.check_case = HOLDFAST__CONDITION__CHECK_FREE;
  return batch_require(lock, &condition, HF_REASON_NONE);
}

hf_status hf_require_set(hf_event *event) {
  Holdfast__Condition condition = HOLDFAST__CONDITION__INIT;
  condition.check_case = HOLDFAST__CONDITION__CHECK_IS_SET;
  return batch_require(event, &condition, HF_REASON_NONE);
}
