/* The objects: by id, by name, counted.
 *
 * layer   engine
 * A named object lives until it is deleted, an anonymous one while something holds it: a session,
 * or a reference in a container. Ids are never reused. Anonymous objects that refer to each other
 * in a circle keep each other alive until one of them is cleared or deleted.
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
/* Empty, with no holds; a named one's name must be free. HF_REASON_NONE | NO_MEMORY */
hf_reason registry_create(struct registry *registry, const struct object_shape *shape,
                          struct object **object);
/* The same in two steps, for one that is not yet what it will be: its lock, if it has one, is known only
 * then. */
hf_reason registry_begin(struct registry *registry, const struct object_shape *shape,
                         struct object **object);
void registry_complete(struct registry *registry, struct object *object);
/* Forgets it; nobody may wait on it or hold it as a lock. The object is the caller's, to be freed.
 */
void registry_remove(struct registry *registry, struct object *object);
/* The first object whose name is that one or comes after it; beyond: comes after it. Then the next.
 * NULL: no more. */
struct object *registry_first_name(const struct registry *registry, struct bytes name, bool beyond);
struct object *registry_next_name(const struct object *object);
/* Which of two objects with names comes first: <0, >0. */
int registry_compare_names(const struct object *one, const struct object *other);
/* The same for those without a name, whose id is beyond that one. */
struct object *registry_first_anonymous(const struct registry *registry, uint64_t id);
struct object *registry_next_anonymous(const struct object *object);
/* And those with a lock. */
struct object *registry_first_lock(const struct registry *registry, uint64_t id);
struct object *registry_next_lock(const struct object *object);
/* Charges what the object takes now. */
void registry_account(struct registry *registry, struct object *object);
#endif
