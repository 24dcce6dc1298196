/* The end of an object, in slices.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_DELETION_H
#define HF_ENGINE_DELETION_H

#include "server/engine/core.h"

/* Nobody finds it any more; its waiters are told, its references let go, now or soon. */
void core_delete_object(struct engine *engine, uint64_t now_ns, struct object *object);
/* It is about to leave the registry. */
void core_stop_object(struct engine *engine, uint64_t now_ns, struct object *object);
/* What a waiter waited for is gone. */
void core_end_wait_on_deleted(struct engine *engine, uint64_t now_ns, struct waiter *waiter);
/* Lets go of what is in an object that is in no registry, and frees it; a large one outside the
 * turn. */
void core_drop_content(struct engine *engine, struct object *object);
/* Lets go of values that an object had: slowly, but without memory. */
void core_drop_values(struct engine *engine, struct object *object, struct list *values);
/* The first of those whose deletion was left for later. */
void core_go_on_deleting(struct engine *engine, uint64_t now_ns);
void core_go_on_emptying(struct engine *engine);

#endif
