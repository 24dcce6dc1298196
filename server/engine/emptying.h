/* The contents of objects that are no more, and values that objects dropped: what they refer to is let
 * go, then they are freed; in slices.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_EMPTYING_H
#define HF_ENGINE_EMPTYING_H

#include "server/engine/core.h"

/* Drops the references in an object that is in no registry, then frees the object; a large one outside
 * the engine's lock. */
void core_drop_content(struct engine *engine, struct object *object);
/* Drops the references of values that an object had: slow, but needs no memory. */
void core_drop_values(struct engine *engine, struct object *object, struct list *values);
/* The first of those contents that were left for later. */
void core_go_on_emptying(struct engine *engine);

#endif
