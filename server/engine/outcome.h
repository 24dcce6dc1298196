/* The outcome of an operation: its change is counted, its reply, which is in the window, counted and sent.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_OUTCOME_H
#define HF_ENGINE_OUTCOME_H

#include "server/engine/core.h"

/* After an operation: counts the memory of its object, wakes waiters for its change, and says in the reply
 * which rights its references hand over: those to the object that they were in. */
void core_record_end(struct call *call, hf_reason reason);
/* The outcome is final: counts the reply in the window, and a failure, and sends. Takes the caller's reference of
 * the reply. */
void core_finish(struct call *call, hf_reason reason);

#endif
