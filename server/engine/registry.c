#include "server/engine/registry.h"

#include "proto/base/chunk.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/user.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* ---- orders */

/* The object a node is in. */
#define OBJECT_OF(node, member) ((struct object *)((char *)(node)-offsetof(struct object, member)))

static int compare_name(const void *key, const struct order_node *node) {
  return bytes_compare(*(const struct bytes *)key, value_content(&OBJECT_OF(node, in_names)->name));
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
  return bytes_compare(value_content(&one->name), value_content(&other->name));
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
                                /* Clients choose the order in which objects leave it. */
                                .by_id = {.secret = value_hash(hash_key, value_uint(1))},
                                .names = {.compare = compare_name},
                                .anonymous = {.compare = compare_anonymous},
                                .locks = {.compare = compare_lock}};
  registry->by_name = dict_new(hash_key);
  return registry->by_name != NULL;
}

/* The object is its user's, who is charged for it. */
static void enter_user(struct object *object, struct user *user) {
  object->user = user_share(user);
  if (user) {
    user->objects++;
  }
}

static void leave_user(struct object *object) {
  if (object->user) {
    user_recharge(object->user, object->memory_bytes, 0);
    object->user->objects--;
    user_release(object->user);
    object->user = NULL;
  }
}

void registry_deinit(struct registry *registry) {
  uint64_t position = 0, id;
  void *object;
  while (map64_next(&registry->by_id, &position, &id, &object)) {
    leave_user(object);
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

/* Bytes charged for a name beside its text: those of an entry of a dict that has lost half of its
 * entries, so the charge does not depend on the past. */
#define NAME_BYTES 96

static void account_index(struct registry *registry) {
  size_t bytes = map64_counted_bytes(&registry->by_id);
  bytes += dict_len(registry->by_name) * NAME_BYTES + dict_values_bytes(registry->by_name);
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
  *object = (struct object){.kind = shape->kind,
                            .row = shape->row,
                            .id = registry->next_id,
                            .lease = {.kind = TIMER_LEASE}};
  for (size_t i = 0; i < OBJECT_WAITS; i++) {
    wait_queue_init(&object->waits[i], false);
  }
  object->waits[WAIT_CHANGE].broadcast = true;
  const struct kind *kind = object->row;
  if (kind->init && !kind->init(object, shape, registry->hash_key)) {
    free(object);
    return NULL;
  }
  return object;
}

hf_reason registry_begin(struct registry *registry, const struct object_shape *shape,
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
  account_index(registry);
  enter_user(object, shape->user);
  *out = object;
  return HF_REASON_NONE;

free_it:
  object_free(object);
  return HF_REASON_NO_MEMORY;
}

void registry_complete(struct registry *registry, struct object *object) {
  add_to_orders(registry, object);
  registry_account(registry, object);
}

hf_reason registry_create(struct registry *registry, const struct object_shape *shape,
                          struct object **out) {
  hf_reason reason = registry_begin(registry, shape, out);
  if (!reason) {
    registry_complete(registry, *out);
  }
  return reason;
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
  leave_user(object);
}

void registry_account(struct registry *registry, struct object *object) {
  struct memory *memory = registry->memory;
  size_t containers_bytes = object->memory_bytes - object->values_bytes;
  const struct kind *kind = object->row;
  struct content_bytes content = kind->bytes ? kind->bytes(object) : (struct content_bytes){0};
  size_t bytes = chunk_bytes(sizeof *object) + content.all;
  if (bytes == object->memory_bytes && content.values == object->values_bytes) {
    return;
  }
  memory_recharge(memory, MEMORY_VALUES, &object->values_bytes, content.values);
  memory_recharge(memory, MEMORY_CONTAINERS, &containers_bytes, bytes - object->values_bytes);
  user_recharge(object->user, object->memory_bytes, bytes);
  object->memory_bytes = bytes;
}
