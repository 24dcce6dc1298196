/* What the engine of a new state is made with.
 *
 * layer   dispatch
 * source  ../decisions/44-tokens-and-ids-of-a-start.md
 */
#ifndef HF_DISPATCH_FIRST_CONFIG_H
#define HF_DISPATCH_FIRST_CONFIG_H

#include "server/engine/config.h"

/* Its ids and tokens differ from those of an earlier start, which clients may still know. All that is not
 * named in first_config.c is zero. sodium_init was called. */
struct engine_config first_config(size_t memory_bytes_max);

#endif
