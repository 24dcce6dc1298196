/* Connections as the engine knows them.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_PEERS_H
#define HF_ENGINE_PEERS_H

#include "server/engine/command.h"
#include "server/engine/core.h"

/* COMMAND_CONNECT. false: no memory, or the user is unknown. */
bool core_add_peer(struct engine *engine, const struct command *command);
/* COMMAND_DISCONNECT, without what settles afterwards. An id of none is harmless. */
void core_remove_peer(struct engine *engine, uint64_t now_ns, uint64_t id);
/* With the engine. */
void core_free_peers(struct engine *engine);

#endif
