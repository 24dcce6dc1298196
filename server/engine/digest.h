/* Numbers of an engine's state, mixed: what a replay is compared by.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_DIGEST_H
#define HF_ENGINE_DIGEST_H

#include <stdint.h>

struct engine;

/* Of what commands change and requests that only read don't. Equal engines have the same. */
uint64_t engine_digest(const struct engine *engine);

#endif
