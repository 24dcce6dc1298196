/* Conditions: a notification is not lost with the client that got it.
 *
 * layer engine
 */
#ifndef HF_ENGINE_KINDS_CONDITION_H
#define HF_ENGINE_KINDS_CONDITION_H

#include <stdint.h>

struct engine;

/* Another waiter of that condition, which may be gone, gets the notification. */
void core_pass_notification(struct engine *engine, uint64_t condition);

#endif
