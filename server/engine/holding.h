/* Who refers to what: sessions and containers hold objects; what nobody holds goes.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_HOLDING_H
#define HF_ENGINE_HOLDING_H

#include "server/engine/core.h"

void core_hold(struct engine *engine, uint64_t object);
void core_unhold(struct engine *engine, uint64_t object, uint64_t count);
/* The object has stored the value: references in it are counted. */
void core_keep(struct engine *engine, struct object *object, struct value value);

#endif
