/* The outcome of an operation: what it changed is counted, its reply kept and sent.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_OUTCOME_H
#define HF_ENGINE_OUTCOME_H

#include "server/engine/core.h"

/* After an operation: counts the memory of its object, wakes those who wait for its change. */
void core_note_end(struct call *call, hf_reason reason);
/* The outcome is final: keep it, note it, send it. Takes the caller's count of the reply. */
void core_finish(struct call *call, hf_reason reason);

#endif
