/* The server was started again, with the state that it had: COMMAND_RESTART.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_RESTART_H
#define HF_ENGINE_RESTART_H

#include "server/engine/command.h"
#include "server/engine/core.h"

/* false: out of memory, all is as before. */
bool core_restart(struct engine *engine, uint64_t now_ns, const struct command *command);

#endif
