/* What the kinds of cells share: values, arrays, and their raw kinds, which have no lock.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_KINDS_CELL_H
#define HF_ENGINE_KINDS_CELL_H

#include "server/engine/kinds/kind.h"

/* Of so many elements. HF_REASON_NONE | BAD_TYPECODE OBJECT_TOO_BIG BAD_ARGUMENT there are packed
 * elements of another number */
hf_reason cells_read_shape(const Holdfast__ObjectOpen *message, uint64_t length,
                           struct object_shape *shape);

/* Stores the call's value in an element. As elements_store. */
hf_reason cells_store(struct call *call, size_t position, struct value value);

/* Functions of their rows. */
bool cells_has_shape(const struct object *object, const struct object_shape *shape);
bool cells_init(struct object *object, const struct object_shape *shape,
                const struct value_hash_key *hash_key);
void cells_begin(struct call *call, const struct object_shape *shape);
hf_reason cells_fill(struct call *call, struct value *values, size_t count);
void cells_fill_packed(struct object *object, const ProtobufCBinaryData *elements);
void cells_deinit(struct object *object);
struct content_bytes cells_bytes(const struct object *object);
uint64_t cells_length(const struct object *object);
struct lock *cells_lock(struct object *object); /* not of the raw ones */
void cells_report(const struct object *object, struct reply_object *reported);
void cells_stop(struct engine *engine, struct object *object);

#endif
