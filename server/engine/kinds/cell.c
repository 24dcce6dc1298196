#include "server/engine/call.h"
#include "server/engine/cells.h"
#include "server/engine/handlers.h"

hf_reason handle_cell_nudge(struct call *call) {
  core_nudge_cells(call->engine, call->now_ns, call->object);
  return HF_REASON_NONE;
}
