/* Volatile values and arrays at a restart: what was in shared memory is gone with the server that had it. A lost
 * cell keeps its name, type and references, until it is deleted; operations on it are answered CELL_LOST.
 *
 * layer   engine
 * source  server/decisions/75-volatile-cells.md
 */
#ifndef HF_ENGINE_LOST_CELLS_H
#define HF_ENGINE_LOST_CELLS_H

#include "server/engine/core.h"

/* All volatile cells are lost, and no session has mapped any. Those that wait for one are woken. */
void core_lose_cells(struct engine *engine);

#endif
