/* Undoing what a transaction did to a list. */
#include "server/engine/kinds/capture.h"

#include "server/engine/call.h"

/* Whether the operation adds an item, or takes one away. */
static bool inserts(const Holdfast__Request *message) {
  return message->operation_case == HOLDFAST__REQUEST__OPERATION_LIST_APPEND ||
         message->operation_case == HOLDFAST__REQUEST__OPERATION_LIST_INSERT;
}

static bool removes(const Holdfast__Request *message) {
  return message->operation_case == HOLDFAST__REQUEST__OPERATION_LIST_POP ||
         message->operation_case == HOLDFAST__REQUEST__OPERATION_LIST_DELETE;
}

/* Where the operation will insert, or remove, or replace. */
static bool find_position(const Holdfast__Request *message, size_t len, size_t *position) {
  switch (message->operation_case) {
    case HOLDFAST__REQUEST__OPERATION_LIST_APPEND:
      *position = len;
      return true;
    case HOLDFAST__REQUEST__OPERATION_LIST_INSERT:
      *position = list_clamp(len, message->list_insert->index);
      return true;
    case HOLDFAST__REQUEST__OPERATION_LIST_POP:
      return list_position(len,
                           message->list_pop->position_case == HOLDFAST__LIST_POP__POSITION_INDEX
                               ? message->list_pop->index
                               : -1,
                           position);
    case HOLDFAST__REQUEST__OPERATION_LIST_SET:
      return list_position(len, message->list_set->index, position);
    case HOLDFAST__REQUEST__OPERATION_LIST_DELETE:
      return list_position(len, message->list_delete->index, position);
    case HOLDFAST__REQUEST__OPERATION_LIST_ADD:
      return list_position(len, message->list_add->index, position);
    default:
      return list_position(len, message->list_compare_and_set->index, position);
  }
}

static void undo_change_of_item(const struct undo *undo, struct undo_entry *entry) {
  struct list *list = &entry->object->list;
  if (list->len > entry->len) {
    struct call call = undo_call_on(undo, entry->object);
    call_discard(&call, list_remove_at(list, entry->position));
  } else if (list->len < entry->len) {
    list_restore(list, entry->position, value_retain(entry->value));
    undo_swap_back(undo, entry, (struct value){0});
  } else if (!value_is_absent(entry->value)) {
    undo_swap_back(undo, entry, list_replace(list, entry->position, value_retain(entry->value)));
  }
}

static void release_list(struct undo_entry *entry) {
  list_unpin(&entry->object->list);
}

static const struct undo_way way_of_item = {undo_change_of_item, NULL, release_list};

hf_reason capture_item(struct undo_entry *entry, struct call *call) {
  const Holdfast__Request *message = call->message;
  struct list *list = &call->object->list;
  if (!find_position(message, list->len, &entry->position)) {
    return HF_REASON_NONE;
  }
  if (removes(message) && !list_pin(list, entry->position)) {
    return HF_REASON_NO_MEMORY;
  }
  entry->way = &way_of_item;
  entry->len = list->len;
  if (!inserts(message)) {
    entry->value = value_retain(list_at(list, entry->position));
  }
  return HF_REASON_NONE;
}
