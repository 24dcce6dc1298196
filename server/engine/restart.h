/* COMMAND_RESTART: the server was started again, and the engine has the state of the last server.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_RESTART_H
#define HF_ENGINE_RESTART_H

#include "server/engine/command.h"
#include "server/engine/core.h"

/* Drops the last server's connections and volatile cells. Sessions that had a connection, or were lost, get
 * their whole grace time; their processes are watched no more. false: out of memory, nothing is changed. */
bool core_restart(struct engine *engine, uint64_t now_ns, const struct command *command);

#endif
