/* Undoing what a transaction did to a dict. */
#include "server/engine/kinds/capture.h"

#include "server/engine/call.h"

static const Holdfast__Value *key_of(const Holdfast__Request *message) {
  switch (message->operation_case) {
    case HOLDFAST__REQUEST__OPERATION_DICT_SET:
      return message->dict_set->key;
    case HOLDFAST__REQUEST__OPERATION_DICT_DELETE:
      return message->dict_delete->key;
    case HOLDFAST__REQUEST__OPERATION_DICT_POP:
      return message->dict_pop->key;
    case HOLDFAST__REQUEST__OPERATION_DICT_SET_DEFAULT:
      return message->dict_set_default->key;
    case HOLDFAST__REQUEST__OPERATION_DICT_ADD:
      return message->dict_add->key;
    case HOLDFAST__REQUEST__OPERATION_DICT_COMPARE_AND_SET:
      return message->dict_compare_and_set->key;
    default:
      return message->dict_replace->key;
  }
}

static void remove_entry(const struct undo *undo, struct undo_entry *entry) {
  struct call call = undo_call_on(undo, entry->object);
  struct value key, value;
  entry->has_slot = dict_find(entry->object->dict, entry->key, &entry->slot, &key, &value);
  if (entry->has_slot) {
    dict_remove(entry->object->dict, entry->key, &key, &value);
    value_release(key);
    call_discard(&call, value);
  }
}

static void put_entry_back(const struct undo *undo, const struct undo_entry *entry) {
  struct dict *dict = entry->object->dict;
  struct value key = value_retain(entry->key), value = value_retain(entry->value), old = {0};
  if (dict_get(dict, key, &old)) {
    dict_set(dict, key, value, &old); /* needs no memory: the key is there */
  } else {
    dict_restore(dict, entry->slot, key, value);
  }
  undo_swap_back(undo, entry, old);
}

static void undo_change_of_entry(const struct undo *undo, struct undo_entry *entry) {
  if (value_is_absent(entry->value)) {
    remove_entry(undo, entry);
  } else {
    put_entry_back(undo, entry);
  }
}

static void tidy_entry(struct undo_entry *entry) {
  if (entry->has_slot) {
    dict_tidy(entry->object->dict, entry->slot);
  }
  value_release(entry->key);
}

static void release_dict(struct undo_entry *entry) {
  dict_unpin(entry->object->dict);
}

static const struct undo_way way_of_entry = {undo_change_of_entry, tidy_entry, release_dict};

hf_reason capture_entry(struct undo_entry *entry, struct call *call) {
  struct dict *dict = call->object->dict;
  struct value found_key;
  hf_reason reason = call_key(call, key_of(call->message), &entry->key);
  if (reason) {
    return reason;
  }
  if (!dict_pin(dict, HF_TRANSACTION_COUNT_MAX)) {
    value_release(entry->key);
    entry->key = (struct value){0};
    return HF_REASON_NO_MEMORY;
  }
  entry->way = &way_of_entry;
  entry->has_slot = dict_find(dict, entry->key, &entry->slot, &found_key, &entry->value);
  if (entry->has_slot) {
    value_retain(entry->value);
    value_release(entry->key);
    entry->key = value_retain(found_key);
  } else {
    entry->value = (struct value){0};
  }
  return HF_REASON_NONE;
}
