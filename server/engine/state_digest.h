/* Numbers of an engine's state, mixed: what a replay is compared by. Equal engines have the same.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_STATE_DIGEST_H
#define HF_ENGINE_STATE_DIGEST_H

#include <stdint.h>

struct engine;

/* Of what commands change and requests that only read don't. */
uint64_t engine_digest(const struct engine *engine);
/* Of the memory that this counts for: another revision of the engine may count otherwise (revision.h). */
uint64_t engine_memory_digest(const struct engine *engine);

#endif
