/* Conditions.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_CONDITION_H
#define HOLDFAST_CONDITION_H

#include <holdfast/lock.h>
#include <holdfast/object.h>

HF_BEGIN_DECLARATIONS

/* A condition on `lock`; NULL: on a recursive lock of its own, owned by a thread. INVALID_ARGUMENT
 * WRONG_SHAPE the existing condition is on another lock */
HF_CHECKED hf_status hf_condition_open(hf_conn *conn, const char *name, hf_lock *lock,
                                       hf_condition **condition);
HF_API void hf_condition_close(hf_condition *condition);
/* As hf_lock_acquire and hf_lock_release. */
HF_CHECKED hf_status hf_condition_acquire(hf_condition *condition, int64_t timeout_ms);
HF_CHECKED hf_status hf_condition_release(hf_condition *condition);
/* Releases the lock, waits for a notification, and owns the lock again when it returns. out
 * notified false: the time was up. FAILED_PRECONDITION NOT_ACQUIRED */
HF_CHECKED hf_status hf_condition_wait(hf_condition *condition, int64_t timeout_ms, bool *notified);
/* Waits until predicate(ctx) is true; it is called while this thread owns the lock. out holds: its
 * last answer. */
HF_CHECKED hf_status hf_condition_wait_for(hf_condition *condition, bool (*predicate)(void *ctx),
                                           void *ctx, int64_t timeout_ms, bool *holds);
/* Notifies `count` waiters, those that wait longest first. INVALID_ARGUMENT BAD_ARGUMENT count 0 |
 * FAILED_PRECONDITION NOT_ACQUIRED */
HF_CHECKED hf_status hf_condition_notify(hf_condition *condition, uint64_t count);
HF_CHECKED hf_status hf_condition_notify_all(hf_condition *condition);

HF_END_DECLARATIONS

#endif
