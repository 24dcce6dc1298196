/* How many requests may wait: of a session, a connection, an address, and all together.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_ADMIT_WAITER_H
#define HF_ENGINE_ADMIT_WAITER_H

#include "server/engine/core.h"

/* Whether one more may wait, that takes so many bytes. HF_REASON_NONE |
 * IN_FLIGHT_FULL MEMORY_FULL */
hf_reason core_admit_waiter(const struct call *call, size_t bytes);
/* Whether one that waits may take so many bytes more. HF_REASON_NONE | MEMORY_FULL */
hf_reason core_admit_growth(const struct call *call, const struct address *address, size_t bytes);
/* Where those are counted that wait for the same client machine. */
struct address *core_address_of(const struct engine *engine, const struct waiter *waiter);
/* So many bytes more of a request that waits, or of its entries. */
void core_charge_waiting(struct engine *engine, struct waiter *waiter, size_t bytes);
/* Gives the call's requirements, if any, to the waiter or wait entry, which waited for a lent object
 * before. The requirements are taken. HF_REASON_NONE | MEMORY_FULL */
hf_reason core_keep_requirements(struct call *call, struct waiter *waiter);

#endif
