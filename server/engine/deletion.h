/* The end of an object, in slices.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_DELETION_H
#define HF_ENGINE_DELETION_H

#include "server/engine/core.h"

/* Removes the object from the registry; answers its waiters and drops its references, now or later. */
void core_delete_object(struct engine *engine, uint64_t now_ns, struct object *object);
/* It is about to leave the registry. */
void core_stop_object(struct engine *engine, struct object *object);
/* The first of those whose deletion was left for later. */
void core_go_on_deleting(struct engine *engine, uint64_t now_ns);
/* Drops values that containers have dropped, then an object without references, if there is one. */
void core_drop_unreferenced(struct engine *engine, uint64_t now_ns);

#endif
