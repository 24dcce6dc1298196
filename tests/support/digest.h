/* A digest of an engine's state: equal for equal states, whatever the capacities of tables are and
 * in which order they were filled.
 *
 * left out  statistics, numbers that only count up, what belongs to connections, and which
 *           sessions have references to an object: a reply may have named it
 */
#ifndef HF_TESTS_SUPPORT_DIGEST_H
#define HF_TESTS_SUPPORT_DIGEST_H

#include "server/engine/engine.h"

#include <stdint.h>

uint64_t digest_state(const struct engine *engine);
/* Of what users may do and use, of what is theirs, and of what sessions refer to. */
uint64_t digest_users(const struct engine *engine);

#endif
