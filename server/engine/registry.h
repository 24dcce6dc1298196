/* The objects: by id, by name, counted.
 *
 * layer   engine
 *
 * A named object lives until it is deleted, an anonymous one while a session or a container refers to
 * it. Ids are never reused. A reference cycle of anonymous objects lives until one of them is cleared
 * or deleted.
 */
#ifndef HF_ENGINE_REGISTRY_H
#define HF_ENGINE_REGISTRY_H

#include "proto/base/map64.h"
#include "server/engine/memory.h"
#include "server/engine/object.h"
#include "server/engine/order.h"

#include <stdbool.h>
#include <stdint.h>

struct registry {
  const struct value_hash_key *hash_key;
  struct map64 by_id;
  struct dict *by_name;   /* text -> int, the id */
  struct order names;     /* the same objects in order of their names' bytes */
  struct order anonymous; /* the others, by id */
  struct order locks;     /* those with a lock, by id */
  uint64_t next_id;
  struct memory *memory; /* borrowed */
  size_t index_bytes;    /* of by_id and by_name, as charged; nothing while they are empty */
};

bool registry_init(struct registry *registry, const struct value_hash_key *hash_key,
                   uint64_t first_id, struct memory *memory);
/* Frees all objects. */
void registry_deinit(struct registry *registry);
struct object *registry_find(const struct registry *registry, uint64_t id);
struct object *registry_find_name(const struct registry *registry, struct bytes name);
/* Empty, without references; the name, if any, must be free. HF_REASON_NONE | NO_MEMORY */
hf_reason registry_create(struct registry *registry, const struct object_shape *shape,
                          struct object **object);
/* The same in two steps, for an object that is restored: whether it has a lock is known after the
 * first. */
hf_reason registry_begin(struct registry *registry, const struct object_shape *shape,
                         struct object **object);
void registry_complete(struct registry *registry, struct object *object);
/* Removes the object, which has no waiters and is no owned lock. The caller frees the object. */
void registry_remove(struct registry *registry, struct object *object);
/* The first object whose name is not before `name`; beyond: is after `name`. Then the next. NULL:
 * none. */
struct object *registry_first_name(const struct registry *registry, struct bytes name, bool beyond);
struct object *registry_next_name(const struct object *object);
/* Which of two objects with names comes first: <0, >0. */
int registry_compare_names(const struct object *one, const struct object *other);
/* The same for objects without a name, whose id is beyond `id`. */
struct object *registry_first_anonymous(const struct registry *registry, uint64_t id);
struct object *registry_next_anonymous(const struct object *object);
/* And those with a lock. */
struct object *registry_first_lock(const struct registry *registry, uint64_t id);
struct object *registry_next_lock(const struct object *object);
/* Charges what the object takes now. */
void registry_account(struct registry *registry, struct object *object);

#endif
