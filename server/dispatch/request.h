/* A request's bytes -> what the engine is given: the same for what arrives and for what a log had.
 *
 * layer   dispatch
 */
#ifndef HF_DISPATCH_REQUEST_H
#define HF_DISPATCH_REQUEST_H

#include "proto/base/arena.h"
#include "proto/value.h"
#include "server/engine/command.h"

/* Fills in message, decoded, malformed and operation from the body. A small request lives in the arena, a
 * large one in memory of its own: `decoded`, which the caller frees unless the engine has taken it. */
void request_decode(struct engine_request *request, struct arena *arena,
                    const struct value_hash_key *hash_key);

#endif
