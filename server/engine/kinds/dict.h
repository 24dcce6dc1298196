/* What kinds whose content is a dict share.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_KINDS_DICT_H
#define HF_ENGINE_KINDS_DICT_H

#include "server/engine/kinds/kind.h"

/* Functions of their rows. */
bool dict_content_init(struct object *object, const struct object_shape *shape,
                       const struct value_hash_key *hash_key);
void dict_content_deinit(struct object *object);
struct content_bytes dict_content_bytes(const struct object *object);
uint64_t dict_content_length(const struct object *object);
bool dict_content_next_value(const struct object *object, struct content_cursor *cursor,
                             struct value *value);

#endif
