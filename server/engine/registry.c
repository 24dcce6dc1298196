#include "server/engine/registry.h"

#include "proto/base/chunk.h"
#include "proto/cell.h"
#include "proto/holdfast.pb-c.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* ---- orders */

/* The object a node is in. */
#define OBJECT_OF(node, member) ((struct object *)((char *)(node)-offsetof(struct object, member)))

static int compare_bytes(struct bytes a, struct bytes b) {
  size_t common = a.len < b.len ? a.len : b.len;
  int order = common ? memcmp(a.data, b.data, common) : 0;
  return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_name(const void *key, const struct order_node *node) {
  return compare_bytes(*(const struct bytes *)key, value_content(&OBJECT_OF(node, in_names)->name));
}

static int compare_ids(uint64_t a, uint64_t b) {
  return (a > b) - (a < b);
}

static int compare_anonymous(const void *key, const struct order_node *node) {
  return compare_ids(*(const uint64_t *)key, OBJECT_OF(node, in_names)->id);
}

static int compare_lock(const void *key, const struct order_node *node) {
  return compare_ids(*(const uint64_t *)key, OBJECT_OF(node, in_locks)->id);
}

int registry_compare_names(const struct object *one, const struct object *other) {
  return compare_bytes(value_content(&one->name), value_content(&other->name));
}

/* It keeps whether it has one for life. */
static bool has_lock(const struct object *object) {
  return object_lock((struct object *)object) != NULL;
}

static void add_to_orders(struct registry *registry, struct object *object) {
  uint64_t priority = value_hash(registry->hash_key, value_uint(object->id));
  struct bytes name = value_content(&object->name);
  if (value_is_absent(object->name)) {
    order_insert(&registry->anonymous, &object->in_names, &object->id, priority);
  } else {
    order_insert(&registry->names, &object->in_names, &name, priority);
  }
  if (has_lock(object)) {
    order_insert(&registry->locks, &object->in_locks, &object->id, priority);
  }
}

static void remove_from_orders(struct registry *registry, struct object *object) {
  struct bytes name = value_content(&object->name);
  if (value_is_absent(object->name)) {
    order_remove(&registry->anonymous, &object->in_names, &object->id);
  } else {
    order_remove(&registry->names, &object->in_names, &name);
  }
  if (has_lock(object)) {
    order_remove(&registry->locks, &object->in_locks, &object->id);
  }
}

static struct object *of_names(struct order_node *node) {
  return node ? OBJECT_OF(node, in_names) : NULL;
}

static struct object *of_locks(struct order_node *node) {
  return node ? OBJECT_OF(node, in_locks) : NULL;
}

struct object *registry_first_name(const struct registry *registry, struct bytes name,
                                   bool beyond) {
  return of_names(beyond ? order_beyond(&registry->names, &name)
                         : order_from(&registry->names, &name));
}

struct object *registry_next_name(const struct object *object) {
  return of_names(object->in_names.next);
}

struct object *registry_first_anonymous(const struct registry *registry, uint64_t id) {
  return of_names(order_beyond(&registry->anonymous, &id));
}

struct object *registry_next_anonymous(const struct object *object) {
  return of_names(object->in_names.next);
}

struct object *registry_first_lock(const struct registry *registry, uint64_t id) {
  return of_locks(order_beyond(&registry->locks, &id));
}

struct object *registry_next_lock(const struct object *object) {
  return of_locks(object->in_locks.next);
}

/* ---- beginning and end */

bool registry_init(struct registry *registry, const struct value_hash_key *hash_key,
                   uint64_t first_id, struct memory *memory) {
  *registry = (struct registry){.hash_key = hash_key,
                                .next_id = first_id,
                                .memory = memory,
                                .names = {.compare = compare_name},
                                .anonymous = {.compare = compare_anonymous},
                                .locks = {.compare = compare_lock}};
  registry->by_name = dict_new(hash_key);
  return registry->by_name != NULL;
}

static void free_elements(struct cells *cells) {
  if (cells->share) {
    cell_share_release(cells->share);
  } else {
    free(cells->elements);
  }
}

static void free_content(struct object *object) {
  switch (object->kind) {
    case HOLDFAST__KIND__DICT:
    case HOLDFAST__KIND__NAMESPACE:
      dict_free(object->dict);
      break;
    case HOLDFAST__KIND__LIST:
      list_deinit(&object->list);
      break;
    case HOLDFAST__KIND__QUEUE:
      queue_deinit(&object->queue);
      break;
    case HOLDFAST__KIND__PIPE:
      list_deinit(&object->pipe.lines[0]);
      list_deinit(&object->pipe.lines[1]);
      break;
    case HOLDFAST__KIND__VALUE:
    case HOLDFAST__KIND__ARRAY:
    case HOLDFAST__KIND__RAW_VALUE:
    case HOLDFAST__KIND__RAW_ARRAY:
      free_elements(&object->cells);
      break;
    default:
      break;
  }
}

void object_free(struct object *object) {
  free_content(object);
  value_release(object->name);
  free(object->loan);
  free(object);
}

void registry_deinit(struct registry *registry) {
  size_t position = 0;
  uint64_t id;
  void *object;
  while (map64_next(&registry->by_id, &position, &id, &object)) {
    object_free(object);
  }
  map64_deinit(&registry->by_id);
  if (registry->by_name) {
    dict_free(registry->by_name);
  }
}

struct object *registry_find(const struct registry *registry, uint64_t id) {
  return map64_get(&registry->by_id, id);
}

struct object *registry_find_name(const struct registry *registry, struct bytes name) {
  struct value key, id;
  if (!value_text(name, &key)) {
    return NULL;
  }
  bool found = dict_get(registry->by_name, key, &id);
  value_release(key);
  return found ? registry_find(registry, (uint64_t)id.integer) : NULL;
}

static bool init_content(const struct registry *registry, struct object *object,
                         const struct object_shape *shape) {
  switch (shape->kind) {
    case HOLDFAST__KIND__DICT:
    case HOLDFAST__KIND__NAMESPACE:
      object->dict = dict_new(registry->hash_key);
      return object->dict != NULL;
    case HOLDFAST__KIND__LIST:
      list_init(&object->list);
      return true;
    case HOLDFAST__KIND__QUEUE:
      queue_init(&object->queue, shape->maxsize);
      return true;
    case HOLDFAST__KIND__PIPE:
      object->pipe.one_way = shape->one_way;
      list_init(&object->pipe.lines[0]);
      list_init(&object->pipe.lines[1]);
      return true;
    case HOLDFAST__KIND__VALUE:
    case HOLDFAST__KIND__ARRAY:
    case HOLDFAST__KIND__RAW_VALUE:
    case HOLDFAST__KIND__RAW_ARRAY:
      object->cells.typecode = shape->typecode;
      object->cells.count = shape->length;
      object->cells.lock.recursive = true;
      object->cells.timer.kind = TIMER_CELL;
      object->cells.elements =
          calloc(shape->length ? shape->length : 1, cell_element_bytes(shape->typecode));
      return object->cells.elements != NULL;
    case HOLDFAST__KIND__RLOCK:
      object->lock.recursive = true;
      return true;
    case HOLDFAST__KIND__SEMAPHORE:
    case HOLDFAST__KIND__BOUNDED_SEMAPHORE:
      object->semaphore = (struct semaphore){
          .value = shape->start,
          .start = shape->start,
          .bounded = shape->kind == HOLDFAST__KIND__BOUNDED_SEMAPHORE,
      };
      return true;
    case HOLDFAST__KIND__CONDITION:
      object->condition.own.recursive = true;
      object->condition.guard = shape->guard;
      return true;
    case HOLDFAST__KIND__BARRIER:
      object->barrier.parties = shape->parties;
      return true;
    default:
      return true;
  }
}

static void account_index(struct registry *registry) {
  size_t bytes = registry->by_id.count ? map64_bytes(&registry->by_id) : 0;
  bytes += dict_len(registry->by_name) ? dict_memory_bytes(registry->by_name) : 0;
  memory_recharge(registry->memory, MEMORY_INDEX, &registry->index_bytes, bytes);
}

/* The name leads to the object. false: out of memory, also where that kept registry_find_name from
 * finding the object that has the name already. */
static bool add_name(struct registry *registry, struct object *object) {
  struct value id;
  if (dict_get(registry->by_name, object->name, &id)) {
    return false;
  }
  value_retain(object->name);
  if (dict_set(registry->by_name, object->name, value_int((int64_t)object->id), NULL)) {
    value_release(object->name);
    return false;
  }
  return true;
}

static struct object *new_object(const struct registry *registry,
                                 const struct object_shape *shape) {
  struct object *object = calloc(1, sizeof *object);
  if (!object) {
    return NULL;
  }
  *object =
      (struct object){.kind = shape->kind, .id = registry->next_id, .lease = {.kind = TIMER_LEASE}};
  for (size_t i = 0; i < OBJECT_WAITS; i++) {
    wait_queue_init(&object->waits[i], false);
  }
  object->waits[WAIT_CHANGE].broadcast = true;
  if (shape->kind == HOLDFAST__KIND__BARRIER) {
    object->waits[WAIT_BARRIER].broadcast = true;
    object->waits[WAIT_BARRIER_ENTER].broadcast = true;
  }
  if (!init_content(registry, object, shape)) {
    free(object);
    return NULL;
  }
  return object;
}

hf_reason registry_create(struct registry *registry, const struct object_shape *shape,
                          struct object **out) {
  struct object *object = new_object(registry, shape);
  if (!object) {
    return HF_REASON_NO_MEMORY;
  }
  if (shape->name.len && !value_text(shape->name, &object->name)) {
    goto free_it;
  }
  if (!map64_set(&registry->by_id, object->id, object)) {
    goto free_it;
  }
  if (shape->name.len && !add_name(registry, object)) {
    map64_remove(&registry->by_id, object->id);
    goto free_it;
  }
  registry->next_id++;
  add_to_orders(registry, object);
  account_index(registry);
  registry_account(registry, object);
  *out = object;
  return HF_REASON_NONE;

free_it:
  object_free(object);
  return HF_REASON_NO_MEMORY;
}

static bool move_content(struct object *object, struct object *taken,
                         const struct value_hash_key *hash_key) {
  if (object->kind == HOLDFAST__KIND__LIST) {
    taken->list = object->list;
    list_init(&object->list);
    return true;
  }
  if (object->kind == HOLDFAST__KIND__QUEUE) {
    return queue_move_waiting(&object->queue, &taken->queue);
  }
  taken->dict = object->dict;
  struct dict *empty = dict_new(hash_key);
  object->dict = empty ? empty : object->dict;
  return empty != NULL;
}

struct object *object_take_content(struct object *object, const struct value_hash_key *hash_key) {
  struct object *taken = calloc(1, sizeof *taken);
  if (!taken) {
    return NULL;
  }
  taken->kind = object->kind;
  taken->id = object->id;
  taken->references = object->references;
  taken->memory_bytes = object->memory_bytes;
  if (!move_content(object, taken, hash_key)) {
    free(taken);
    return NULL;
  }
  return taken;
}

void registry_remove(struct registry *registry, struct object *object) {
  if (!value_is_absent(object->name)) {
    struct value key, id;
    if (dict_remove(registry->by_name, object->name, &key, &id)) {
      value_release(key);
    }
  }
  map64_remove(&registry->by_id, object->id);
  remove_from_orders(registry, object);
  map64_trim(&registry->by_id);
  account_index(registry);
  memory_refund(registry->memory, MEMORY_VALUES, object->values_bytes);
  memory_refund(registry->memory, MEMORY_CONTAINERS, object->memory_bytes - object->values_bytes);
}

/* As calloc gave them. In shared memory the share counts them. */
static size_t elements_bytes(const struct object *object) {
  size_t count = object->cells.count ? object->cells.count : 1;
  return chunk_bytes(count * cell_element_bytes(object->cells.typecode));
}

static size_t content_bytes(const struct object *object) {
  switch (object->kind) {
    case HOLDFAST__KIND__DICT:
    case HOLDFAST__KIND__NAMESPACE:
      return dict_memory_bytes(object->dict);
    case HOLDFAST__KIND__LIST:
      return list_memory_bytes(&object->list);
    case HOLDFAST__KIND__QUEUE:
      return queue_memory_bytes(&object->queue);
    case HOLDFAST__KIND__PIPE:
      return list_memory_bytes(&object->pipe.lines[0]) + list_memory_bytes(&object->pipe.lines[1]);
    case HOLDFAST__KIND__VALUE:
    case HOLDFAST__KIND__ARRAY:
    case HOLDFAST__KIND__RAW_VALUE:
    case HOLDFAST__KIND__RAW_ARRAY:
      return object->cells.share ? 0 : elements_bytes(object);
    default:
      return 0;
  }
}

/* Those of content_bytes that values take: with their places in a list, which its tree counts
 * together; beside the table of a dict. */
static size_t values_bytes(const struct object *object) {
  switch (object->kind) {
    case HOLDFAST__KIND__DICT:
    case HOLDFAST__KIND__NAMESPACE:
      return dict_values_bytes(object->dict);
    case HOLDFAST__KIND__LIST:
      return list_memory_bytes(&object->list);
    case HOLDFAST__KIND__QUEUE:
      return queue_values_bytes(&object->queue);
    case HOLDFAST__KIND__PIPE:
      return list_memory_bytes(&object->pipe.lines[0]) + list_memory_bytes(&object->pipe.lines[1]);
    case HOLDFAST__KIND__VALUE:
    case HOLDFAST__KIND__ARRAY:
    case HOLDFAST__KIND__RAW_VALUE:
    case HOLDFAST__KIND__RAW_ARRAY:
      return object->cells.share ? 0 : elements_bytes(object);
    default:
      return 0;
  }
}

void registry_account(struct registry *registry, struct object *object) {
  struct memory *memory = registry->memory;
  size_t containers_bytes = object->memory_bytes - object->values_bytes;
  size_t bytes = chunk_bytes(sizeof *object) + content_bytes(object);
  size_t bytes_of_values = values_bytes(object);
  if (bytes == object->memory_bytes && bytes_of_values == object->values_bytes) {
    return;
  }
  memory_recharge(memory, MEMORY_VALUES, &object->values_bytes, bytes_of_values);
  memory_recharge(memory, MEMORY_CONTAINERS, &containers_bytes, bytes - object->values_bytes);
  object->memory_bytes = bytes;
}

uint64_t object_length(const struct object *object) {
  switch (object->kind) {
    case HOLDFAST__KIND__DICT:
    case HOLDFAST__KIND__NAMESPACE:
      return dict_len(object->dict);
    case HOLDFAST__KIND__LIST:
      return object->list.len;
    case HOLDFAST__KIND__QUEUE:
      return queue_ready_count(&object->queue);
    case HOLDFAST__KIND__PIPE:
      return object->pipe.lines[0].len + object->pipe.lines[1].len;
    case HOLDFAST__KIND__VALUE:
    case HOLDFAST__KIND__ARRAY:
    case HOLDFAST__KIND__RAW_VALUE:
    case HOLDFAST__KIND__RAW_ARRAY:
      return object->cells.count;
    default:
      return 0;
  }
}

struct lock *object_lock(struct object *object) {
  switch (object->kind) {
    case HOLDFAST__KIND__LOCK:
    case HOLDFAST__KIND__RLOCK:
      return &object->lock;
    case HOLDFAST__KIND__VALUE:
    case HOLDFAST__KIND__ARRAY:
      return &object->cells.lock;
    case HOLDFAST__KIND__CONDITION:
      return object->condition.guard ? NULL : &object->condition.own;
    default:
      return NULL;
  }
}

static bool next_in_list(const struct list *list, struct content_cursor *cursor,
                         struct value *value) {
  if (cursor->position >= list->len) {
    return false;
  }
  if (cursor->run_left == 0) {
    cursor->run = list_run(list, cursor->position, &cursor->run_left);
  }
  *value = *cursor->run++;
  cursor->position++;
  cursor->run_left--;
  return true;
}

static bool next_in_group(const struct task_group *group, struct content_cursor *cursor,
                          struct value *value) {
  const struct task *task =
      cursor->position++ ? TAILQ_NEXT(cursor->task, link) : TAILQ_FIRST(&group->list);
  cursor->task = task;
  if (task) {
    *value = task->value;
  }
  return task != NULL;
}

/* The parts of a queue: its plain items, and its tasks in three situations. */
static bool next_in_queue(const struct queue *queue, struct content_cursor *cursor,
                          struct value *value) {
  const struct tasks *tasks = queue->tasks;
  const struct task_group *groups[] = {tasks ? &tasks->waiting : NULL,
                                       tasks ? &tasks->reserved : NULL,
                                       tasks ? &tasks->buried : NULL};
  if (cursor->part == 0) {
    if (next_in_list(&queue->items, cursor, value)) {
      return true;
    }
    *cursor = (struct content_cursor){.part = 1};
  }
  while (tasks && cursor->part <= sizeof groups / sizeof *groups) {
    if (next_in_group(groups[cursor->part - 1], cursor, value)) {
      return true;
    }
    *cursor = (struct content_cursor){.part = cursor->part + 1};
  }
  return false;
}

static bool next_in_pipe(const struct pipe *pipe, struct content_cursor *cursor,
                         struct value *value) {
  for (; cursor->part < 2; *cursor = (struct content_cursor){.part = cursor->part + 1}) {
    if (next_in_list(&pipe->lines[cursor->part], cursor, value)) {
      return true;
    }
  }
  return false;
}

bool object_next_value(const struct object *object, struct content_cursor *cursor,
                       struct value *value) {
  struct value key;
  switch (object->kind) {
    case HOLDFAST__KIND__DICT:
    case HOLDFAST__KIND__NAMESPACE:
      return dict_next(object->dict, &cursor->position, &key, value);
    case HOLDFAST__KIND__LIST:
      return next_in_list(&object->list, cursor, value);
    case HOLDFAST__KIND__QUEUE:
      return next_in_queue(&object->queue, cursor, value);
    case HOLDFAST__KIND__PIPE:
      return next_in_pipe(&object->pipe, cursor, value);
    case HOLDFAST__KIND__CONDITION:
      *value = value_reference(object->condition.guard, object->kind);
      return object->condition.guard && cursor->position++ == 0;
    default:
      return false;
  }
}

size_t object_waiting(const struct object *object) {
  size_t waiting = object->loan ? object->loan->queue.count : 0;
  for (size_t i = 0; i < OBJECT_WAITS; i++) {
    waiting += object->waits[i].count;
  }
  return waiting;
}
