/* Reference counts: sessions and containers refer to objects; an anonymous object without references is
 * deleted.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_REFERENCES_H
#define HF_ENGINE_REFERENCES_H

#include "server/engine/core.h"

void core_add_reference(struct engine *engine, uint64_t object);
void core_drop_references(struct engine *engine, uint64_t object, uint64_t count);
/* The references in the value are dropped. */
void core_drop_value_references(struct engine *engine, struct value value);
/* The object has stored the value: references in it are counted. */
void core_keep(struct engine *engine, struct object *object, struct value value);
void core_keep_times(struct engine *engine, struct object *object, struct value value,
                     uint64_t times);

#endif
