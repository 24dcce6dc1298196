/* Commands of an engine that has a log: what is appended to it, and what their replies wait for.
 *
 * layer   dispatch
 * threads under the engine's lock, between the log's begin and end
 * source  ../decisions/74-replies-wait-for-what-they-show.md
 */
#ifndef HF_DISPATCH_LOGGED_H
#define HF_DISPATCH_LOGGED_H

#include "server/dispatch/batch.h"
#include "server/dispatch/command_log.h"

/* As engine_apply. The command has its index. batch: where its replies are added; NULL: it has none. */
bool logged_apply(const struct command_log *log, struct engine *engine, struct batch *batch,
                  struct command *command);

#endif
