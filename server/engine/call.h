/* What handlers share: arguments in, results out, waiting, references.
 *
 * layer   engine
 *
 * A handler reads call->message, changes call->object, fills call->reply, and answers a reason. It
 * runs to the end at once; to wait it answers call_park(), and runs again from the start when
 * woken.
 */
#ifndef HF_ENGINE_CALL_H
#define HF_ENGINE_CALL_H

#include "server/engine/core.h"

/* ---- arguments */

/* HF_REASON_NONE, *out is the caller's | otherwise *out is absent: BAD_VALUE ... NO_SUCH_OBJECT NO_RIGHT
 * it refers to an object that is gone, or that the user may not read and write */
hf_reason call_value(struct call *call, const Holdfast__Value *message, struct value *out);
/* The same for a key. NOT_HASHABLE */
hf_reason call_key(struct call *call, const Holdfast__Value *message, struct value *out);
/* The key_hash of a waiter for a change of that key; not 0. */
uint64_t call_key_hash(const struct call *call, struct value key);
/* An array of them, malloc. */
hf_reason call_values(struct call *call, size_t count, Holdfast__Value *const *messages,
                      struct value **out);
void call_free_values(struct value *values, size_t count);
/* What a slice (NULL: all) selects of a sequence. HF_REASON_NONE | BAD_SLICE */
hf_reason call_range(const Holdfast__Slice *slice, size_t len, struct list_range *range);
/* As text_is_name. HF_REASON_NONE | BAD_NAME */
hf_reason call_check_name(struct bytes name);

/* ---- what containers keep */

/* The object has stored the value: references in it are counted. */
void call_keep(struct call *call, struct value value);
/* The object has dropped it. Taken. */
void call_discard(struct call *call, struct value value);
/* Empties a dict or list, or drops the ready items of a queue, O(1): deferred free. HF_REASON_NONE |
 * NO_MEMORY, unchanged */
hf_reason call_clear_content(struct call *call);

/* ---- waiting */

/* Waits for the queue to be woken, if the request may wait; else answers the reason. */
hf_reason call_park(struct call *call, struct wait_queue *queue, hf_reason reason);
/* Whether call_park would answer at once. */
bool call_may_not_wait(const struct call *call);
/* Whether it has to wait behind earlier waiters: also one that waited elsewhere, for a lent object. */
static inline bool call_must_line_up(const struct call *call, const struct wait_queue *queue) {
  const struct waiter *first = TAILQ_FIRST(&queue->waiters);
  return first && (!call->waiter || first->ticket < call->waiter->ticket);
}
/* Whether core_release has let this waiter go on. */
static inline bool call_is_released(const struct call *call, unsigned wait) {
  return call->waiter && call->waiter->ticket <= call->object->waits[wait].released;
}
/* Waits while another thread owns the lock of a value or array. HF_REASON_NONE: go on */
hf_reason call_pass_lock(struct call *call);
/* After call_pass_lock: whether no client changes the object meanwhile. Raw kinds have no lock. */
bool call_has_lock(const struct call *call);
/* Requests the lock of call->object for a thread that does not own it. HF_REASON_NONE: the lock is free
 * for that thread | LOCK_HELD | NO_MEMORY */
hf_reason call_request_lock(struct call *call);
struct lock_owner call_owner(const struct call *call);

/* ---- results; values are taken */

/* The reply takes something out of the object, which a revoke has to put back; `order` is its
 * order. */
void call_set_source(struct call *call, uint64_t order);

void call_answer_value(struct call *call, struct value value);
void call_answer_flag(struct call *call, bool flag);
void call_answer_count(struct call *call, uint64_t count);
/* Room for `count` values to be filled by the caller; NO_MEMORY, REPLY_TOO_BIG when it can't fit a
 * frame. */
hf_reason call_answer_values(struct call *call, enum reply_shape shape, size_t count,
                             struct value **values);
/* Answers with the values of a job that is done, and those of `more`, which are taken. */
void call_answer_work(struct call *call, enum reply_shape shape, struct job *job,
                      const struct value *more);
void call_answer_exchange(struct call *call, bool swapped, struct value found);

#endif
