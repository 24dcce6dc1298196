/* Waiters of a condition: a notification is not lost with the client that got it, and nobody waits under
 * a lock that is gone.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_KINDS_NOTIFICATION_H
#define HF_ENGINE_KINDS_NOTIFICATION_H

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct object;
struct waiter;

/* Notifies `count` waiters of the condition. Those whose connection is lost come last: they go on when it is back. */
void core_notify(struct engine *engine, struct object *object, uint64_t count);
/* Another waiter of that condition, which may be gone, gets the notification. */
void core_pass_notification(struct engine *engine, uint64_t condition);
/* The same, if the waiter was notified. Of locks and conditions: see leave_wait in kind.h. */
void core_leave_condition(struct engine *engine, const struct waiter *waiter);

/* The condition was given that lock. */
void core_join_guard(struct object *condition, struct object *guard);
/* One of both goes. */
void core_leave_guard(struct object *condition);
/* The waiters of its conditions are woken, to find that it is gone: see disown in kind.h. */
bool core_end_conditions(struct engine *engine, struct object *guard);

#endif
