/* A request that waits in several queues at once: an ear in each.
 *
 *   waiter, in no queue itself            queue of a lock     queue of another object
 *     ears: ear (part 1) ------------------> [ ... ear ... ]
 *           ear (part 2) --------------------------------------> [ ... ear ... ]
 *
 * layer   engine
 * An ear is a waiter too: its place in the queue is by the ticket of the one it belongs to, its
 * principal. When a wake comes to it, the principal runs the part it stands for. All ears go with
 * the principal.
 */
#ifndef HF_ENGINE_EARS_H
#define HF_ENGINE_EARS_H

#include "server/engine/core.h"

/* Adds one for a nested call that is to wait, in no queue yet; its requirements are taken. false:
 * out of memory, nothing taken. */
bool ears_add(struct waiter_list *ears, const struct call *nested, uint32_t part);
/* Those that are in no queue yet. */
void ears_free(struct waiter_list *ears);
/* The principal takes the ears over, and waits. */
void ears_open(struct waiter *principal, struct waiter_list *ears);
/* It waits no more. */
void ears_close(struct waiter *principal);
/* After its part ran again, and waits on, perhaps elsewhere; the part's requirements are taken.
 * HF_REASON_NONE | MEMORY_FULL */
hf_reason ears_follow(struct waiter *ear, struct call *nested);
size_t ears_bytes(const struct waiter_list *ears);

#endif
