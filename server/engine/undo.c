#include "server/engine/undo.h"

#include "proto/base/clock.h"
#include "proto/cell.h"
#include "server/engine/call.h"
#include "server/engine/sync.h"

#include <stdlib.h>

bool undo_init(struct undo *undo, struct call *call, size_t capacity) {
  *undo = (struct undo){.call = call, .entries = malloc((capacity + 1) * sizeof *undo->entries)};
  return undo->entries != NULL;
}

/* The transaction's call, as if it were on that object: for counting references. */
static struct call call_on(const struct undo *undo, struct object *object) {
  struct call call = *undo->call;
  call.object = object;
  return call;
}

/* An object keeps the value that was put back, and drops the one that had taken its place. */
static void swap_back(const struct undo *undo, const struct undo_entry *entry,
                      struct value dropped) {
  struct call call = call_on(undo, entry->object);
  call_keep(&call, entry->value);
  call_discard(&call, dropped);
}

/* ---- dicts */

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

static hf_reason capture_entry(struct undo_entry *entry, struct call *call) {
  struct dict *dict = call->object->dict;
  struct value found_key;
  hf_reason reason = call_key(call, key_of(call->message), &entry->key);
  if (reason) {
    return reason;
  }
  if (!dict_hold(dict, HF_TRANSACTION_COUNT_MAX)) {
    value_release(entry->key);
    entry->key = (struct value){0};
    return HF_REASON_NO_MEMORY;
  }
  entry->kind = UNDO_ENTRY;
  entry->has_place = dict_find(dict, entry->key, &entry->place, &found_key, &entry->value);
  if (entry->has_place) {
    value_retain(entry->value);
    value_release(entry->key);
    entry->key = value_retain(found_key);
  } else {
    entry->value = (struct value){0};
  }
  return HF_REASON_NONE;
}

static void remove_entry(const struct undo *undo, struct undo_entry *entry) {
  struct call call = call_on(undo, entry->object);
  struct value key, value;
  entry->has_place = dict_find(entry->object->dict, entry->key, &entry->place, &key, &value);
  if (entry->has_place) {
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
    dict_restore(dict, entry->place, key, value);
  }
  swap_back(undo, entry, old);
}

static void undo_change_of_entry(const struct undo *undo, struct undo_entry *entry) {
  if (value_is_absent(entry->value)) {
    remove_entry(undo, entry);
  } else {
    put_entry_back(undo, entry);
  }
}

/* ---- lists */

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

static hf_reason capture_item(struct undo_entry *entry, struct call *call) {
  const Holdfast__Request *message = call->message;
  struct list *list = &call->object->list;
  if (!find_position(message, list->len, &entry->position)) {
    return HF_REASON_NONE;
  }
  if (removes(message) && !list_hold(list, entry->position)) {
    return HF_REASON_NO_MEMORY;
  }
  entry->kind = UNDO_ITEM;
  entry->len = list->len;
  if (!inserts(message)) {
    entry->value = value_retain(list_at(list, entry->position));
  }
  return HF_REASON_NONE;
}

static void undo_change_of_item(const struct undo *undo, const struct undo_entry *entry) {
  struct list *list = &entry->object->list;
  if (list->len > entry->len) {
    struct call call = call_on(undo, entry->object);
    call_discard(&call, list_remove_at(list, entry->position));
  } else if (list->len < entry->len) {
    list_restore(list, entry->position, value_retain(entry->value));
    swap_back(undo, entry, (struct value){0});
  } else if (!value_is_absent(entry->value)) {
    swap_back(undo, entry, list_replace(list, entry->position, value_retain(entry->value)));
  }
}

/* ---- queues */

static hf_reason capture_put(struct undo_entry *entry, struct call *call) {
  const Holdfast__QueuePut *message = call->message->queue_put;
  struct queue *queue = &call->object->queue;
  if (message->priority || message->delay_ms) {
    return HF_REASON_NOT_NESTABLE;
  }
  entry->kind = UNDO_PUT;
  entry->len = queue->items.len;
  return HF_REASON_NONE;
}

static void undo_put(const struct undo *undo, const struct undo_entry *entry) {
  struct queue *queue = &entry->object->queue;
  struct call call = call_on(undo, entry->object);
  if (queue->items.len > entry->len) {
    call_discard(&call, queue_unput(queue));
  }
}

static hf_reason capture_get(struct undo_entry *entry, struct call *call) {
  struct queue *queue = &call->object->queue;
  entry->len = queue_ready_count(queue);
  if (entry->len == 0) {
    return HF_REASON_NONE;
  }
  if (queue_next_is_task(queue, &entry->taken)) {
    entry->spare = malloc(sizeof *entry->spare);
    if (!entry->spare) {
      return HF_REASON_NO_MEMORY;
    }
    entry->kind = UNDO_GET_TASK;
  } else if (list_hold(&queue->items, 0)) {
    entry->kind = UNDO_GET;
  } else {
    return HF_REASON_NO_MEMORY;
  }
  entry->value = value_retain(queue_first(queue));
  return HF_REASON_NONE;
}

static void undo_get(const struct undo *undo, struct undo_entry *entry) {
  struct queue *queue = &entry->object->queue;
  if (queue_ready_count(queue) == entry->len) {
    return;
  }
  if (entry->kind == UNDO_GET) {
    list_restore(&queue->items, 0, value_retain(entry->value));
  } else {
    queue_unget_task(queue, value_retain(entry->value), &entry->taken, entry->spare);
    entry->spare = NULL;
  }
  swap_back(undo, entry, (struct value){0});
}

/* ---- values and arrays */

static void capture_element(struct undo_entry *entry, struct call *call, int64_t index) {
  const struct cells *cells = &call->object->cells;
  if (list_position(cells->count, index, &entry->position)) {
    entry->kind = UNDO_ELEMENT;
    entry->bits = cell_read(cell_type_of(cells->typecode), cells->elements, entry->position);
  }
}

static void undo_change_of_element(const struct undo_entry *entry) {
  struct cells *cells = &entry->object->cells;
  cell_write(cell_type_of(cells->typecode), cells->elements, entry->position, entry->bits);
}

/* ---- locks, semaphores, events */

static void capture_lock(struct undo_entry *entry, struct call *call) {
  bool acquires = call->message->operation_case == HOLDFAST__REQUEST__OPERATION_LOCK_ACQUIRE;
  struct object *guard = core_guard_of(call->engine, call->object);
  if (guard) {
    entry->kind = UNDO_LOCK;
    entry->object = guard;
    entry->lock = *object_lock(guard);
    entry->lease_end_ns = guard->lease.position ? guard->lease.deadline_ns : CLOCK_NEVER;
    entry->is_expired = acquires && map64_get(&call->session->expired, guard->id);
  }
}

static struct session *owner_of(const struct undo *undo, const struct lock *lock) {
  return lock->depth > 0 ? map64_get(&undo->call->engine->sessions, lock->owner.session) : NULL;
}

/* It goes on, in the room its timer had. */
static void undo_change_of_lease(const struct undo *undo, struct object *object,
                                 uint64_t lease_end_ns) {
  struct timers *timers = &undo->call->engine->timers;
  timers_stop(timers, &object->lease);
  if (lease_end_ns != CLOCK_NEVER) {
    timers_start(timers, &object->lease, lease_end_ns);
  }
}

/* The maps that had the lock have room for it: they do not shrink. */
static void undo_change_of_lock(const struct undo *undo, const struct undo_entry *entry) {
  struct object *object = entry->object;
  struct lock *lock = object_lock(object);
  struct session *owner = owner_of(undo, lock), *former = owner_of(undo, &entry->lock);
  if (owner) {
    session_remove(owner, &owner->locks, object->id);
  }
  if (former) {
    session_set(former, &former->locks, object->id, object);
  }
  if (entry->is_expired) {
    session_set(undo->call->session, &undo->call->session->expired, object->id, object);
  }
  *lock = entry->lock;
  undo_change_of_lease(undo, object, entry->lease_end_ns);
}

static void capture_semaphore(struct undo_entry *entry, struct call *call) {
  entry->kind = UNDO_SEMAPHORE;
  entry->semaphore = call->object->semaphore;
  entry->permits =
      call->session ? (uintptr_t)map64_get(&call->session->permits, call->object->id) : 0;
}

static void undo_change_of_semaphore(const struct undo *undo, const struct undo_entry *entry) {
  struct session *session = undo->call->session;
  struct object *object = entry->object;
  object->semaphore = entry->semaphore;
  if (session && entry->permits) {
    session_set(session, &session->permits, object->id, (void *)(uintptr_t)entry->permits);
  } else if (session) {
    session_remove(session, &session->permits, object->id);
  }
}

static void capture_event(struct undo_entry *entry, struct call *call) {
  entry->kind = UNDO_EVENT;
  entry->event_is_set = call->object->event_is_set;
  entry->released = call->object->waits[WAIT_EVENT].released;
}

/* ---- any */

static hf_reason capture_content(struct undo_entry *entry, struct call *call) {
  switch (call->object->kind) {
    case HOLDFAST__KIND__DICT:
      return capture_entry(entry, call);
    case HOLDFAST__KIND__LIST:
      return capture_item(entry, call);
    case HOLDFAST__KIND__VALUE:
    case HOLDFAST__KIND__RAW_VALUE:
      capture_element(entry, call, 0);
      break;
    case HOLDFAST__KIND__SEMAPHORE:
    case HOLDFAST__KIND__BOUNDED_SEMAPHORE:
      capture_semaphore(entry, call);
      break;
    default:
      capture_event(entry, call);
      break;
  }
  return HF_REASON_NONE;
}

static hf_reason capture(struct undo_entry *entry, struct call *call) {
  switch (call->message->operation_case) {
    case HOLDFAST__REQUEST__OPERATION_QUEUE_PUT:
      return capture_put(entry, call);
    case HOLDFAST__REQUEST__OPERATION_QUEUE_GET:
      return capture_get(entry, call);
    case HOLDFAST__REQUEST__OPERATION_ARRAY_SET:
      capture_element(entry, call, call->message->array_set->index);
      break;
    case HOLDFAST__REQUEST__OPERATION_ARRAY_ADD:
      capture_element(entry, call, call->message->array_add->index);
      break;
    case HOLDFAST__REQUEST__OPERATION_LOCK_ACQUIRE:
    case HOLDFAST__REQUEST__OPERATION_LOCK_RELEASE:
      capture_lock(entry, call);
      break;
    default:
      return capture_content(entry, call);
  }
  return HF_REASON_NONE;
}

hf_reason undo_capture(struct undo *undo, struct call *operation) {
  struct undo_entry *entry = &undo->entries[undo->count];
  *entry = (struct undo_entry){.object = operation->object};
  if (operation->operation->flags & (OPERATION_READS | OPERATION_LOOKS)) {
    return HF_REASON_NONE;
  }
  hf_reason reason = capture(entry, operation);
  undo->count += !reason;
  return reason;
}

static void undo_one(const struct undo *undo, struct undo_entry *entry) {
  switch (entry->kind) {
    case UNDO_NOTHING:
      break;
    case UNDO_ENTRY:
      undo_change_of_entry(undo, entry);
      break;
    case UNDO_ITEM:
      undo_change_of_item(undo, entry);
      break;
    case UNDO_PUT:
      undo_put(undo, entry);
      break;
    case UNDO_GET:
    case UNDO_GET_TASK:
      undo_get(undo, entry);
      break;
    case UNDO_ELEMENT:
      undo_change_of_element(entry);
      break;
    case UNDO_LOCK:
      undo_change_of_lock(undo, entry);
      break;
    case UNDO_SEMAPHORE:
      undo_change_of_semaphore(undo, entry);
      break;
    case UNDO_EVENT:
      entry->object->event_is_set = entry->event_is_set;
      entry->object->waits[WAIT_EVENT].released = entry->released;
      break;
  }
}

void undo_roll_back(struct undo *undo) {
  for (size_t i = undo->count; i > 0; i--) {
    undo_one(undo, &undo->entries[i - 1]);
  }
}

static void tidy(struct undo_entry *entry) {
  if (entry->kind == UNDO_ENTRY) {
    if (entry->has_place) {
      dict_tidy(entry->object->dict, entry->place);
    }
    value_release(entry->key);
  } else if (entry->kind == UNDO_GET_TASK) {
    free(entry->spare);
  }
  value_release(entry->value);
}

static void release(const struct undo *undo, struct undo_entry *entry) {
  if (entry->kind == UNDO_ENTRY) {
    dict_release(entry->object->dict);
  } else if (entry->kind == UNDO_ITEM) {
    list_release(&entry->object->list);
  } else if (entry->kind == UNDO_GET) {
    list_release(&entry->object->queue.items);
  }
  registry_account(&undo->call->engine->registry, entry->object);
}

void undo_deinit(struct undo *undo) {
  for (size_t i = 0; i < undo->count; i++) {
    tidy(&undo->entries[i]);
  }
  for (size_t i = 0; i < undo->count; i++) {
    release(undo, &undo->entries[i]);
  }
  free(undo->entries);
}
