/* What others do to a pipe.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_KINDS_PIPE_H
#define HF_ENGINE_KINDS_PIPE_H

#include "server/engine/kinds/kind.h"

/* One session less on the end; the last one closes it. */
void core_detach_pipe(struct engine *engine, struct object *object, unsigned end);

#endif
