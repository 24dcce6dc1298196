/* How many requests may wait: of a session, a connection, an address, and all together.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_ADMIT_WAITER_H
#define HF_ENGINE_ADMIT_WAITER_H

#include "server/engine/core.h"

/* Whether one more request may wait, which takes so many bytes. HF_REASON_NONE | IN_FLIGHT_FULL
 * MEMORY_FULL */
hf_reason core_admit_waiter(const struct call *call, size_t bytes);
/* The address that the waiter's bytes are charged to. */
struct address *core_address_of(const struct engine *engine, const struct waiter *waiter);
/* Charges the waiter and its address for so many bytes more, of the request or of its entries. */
void core_charge_waiting(struct engine *engine, struct waiter *waiter, size_t bytes);
/* Gives the call's requirements, if any, to the waiter or wait entry, which waited for a lent object
 * before. The requirements are taken. HF_REASON_NONE | MEMORY_FULL */
hf_reason core_keep_requirements(struct call *call, struct waiter *waiter);

#endif
