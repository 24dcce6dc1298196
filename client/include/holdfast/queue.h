/* Queues.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_QUEUE_H
#define HOLDFAST_QUEUE_H

#include <holdfast/object.h>

HF_BEGIN_DECLARATIONS

/* maxsize <= 0 is unbounded. An existing queue of another maxsize: INVALID_ARGUMENT WRONG_SHAPE */
HF_CHECKED hf_status hf_queue_open(hf_conn *conn, const char *name, int64_t maxsize,
                                   hf_queue **queue);
HF_API void hf_queue_close(hf_queue *queue);
/* First come, first served. RESOURCE_EXHAUSTED QUEUE_FULL timeout 0 | DEADLINE_EXCEEDED QUEUE_FULL
 */
HF_CHECKED hf_status hf_queue_put(hf_queue *queue, hf_value value, int64_t timeout_ms);
/* The item is this process's from the moment it arrives, a little before the call returns: killed
 * just then, it takes the item along. hf_queue_reserve is for those who can't afford that. An item
 * whose get was given up (UNAVAILABLE, CANCELLED) is in the queue again, at its old place.
 * RESOURCE_EXHAUSTED QUEUE_EMPTY timeout 0 | DEADLINE_EXCEEDED QUEUE_EMPTY */
HF_CHECKED hf_status hf_queue_get(hf_queue *queue, int64_t timeout_ms, hf_value *value);
HF_CHECKED hf_status hf_queue_size(hf_queue *queue, uint64_t *size);
HF_CHECKED hf_status hf_queue_empty(hf_queue *queue, bool *empty);
HF_CHECKED hf_status hf_queue_full(hf_queue *queue, bool *full);
/* FAILED_PRECONDITION TOO_MANY_DONE */
HF_CHECKED hf_status hf_queue_task_done(hf_queue *queue);
/* Until every item put was followed by a task_done. DEADLINE_EXCEEDED NOT_JOINED */
HF_CHECKED hf_status hf_queue_join(hf_queue *queue, int64_t timeout_ms);

/* Work: lower priorities go first, equal ones in order; a delayed item is not to be had before. */
struct hf_put_options {
  int64_t priority;
  uint64_t delay_ms;
};
/* options may be NULL. */
HF_CHECKED hf_status hf_queue_put_with_sized(hf_queue *queue, hf_value value,
                                             const struct hf_put_options *options,
                                             size_t options_size, int64_t timeout_ms);
HF_INLINE hf_status hf_queue_put_with(hf_queue *queue, hf_value value,
                                      const struct hf_put_options *options, int64_t timeout_ms) {
  return hf_queue_put_with_sized(queue, value, options, sizeof *options, timeout_ms);
}
/* Puts one after the other, waiting for room. out put_count (may be NULL): fewer than count when
 * the time was up or the queue was shut down meanwhile; none is an error as in hf_queue_put. */
HF_CHECKED hf_status hf_queue_put_many_sized(hf_queue *queue, const hf_value *values, size_t count,
                                             const struct hf_put_options *options,
                                             size_t options_size, int64_t timeout_ms,
                                             size_t *put_count);
HF_INLINE hf_status hf_queue_put_many(hf_queue *queue, const hf_value *values, size_t count,
                                      const struct hf_put_options *options, int64_t timeout_ms,
                                      size_t *put_count) {
  return hf_queue_put_many_sized(queue, values, count, options, sizeof *options, timeout_ms,
                                 put_count);
}
/* Waits for one item, takes up to `max` that are there, as far as they fit one reply. values are
 * freed by hf_values_free. */
HF_CHECKED hf_status hf_queue_get_many(hf_queue *queue, size_t max, int64_t timeout_ms,
                                       hf_value **values, size_t *count);

/* An item given out until it is acknowledged. */
struct hf_reservation {
  uint64_t id;    /* only rises */
  hf_value value; /* freed by hf_value_clear */
  uint64_t tries; /* how often it was given out before and came back undone */
  int64_t priority;
};
/* A get that counts only once it is acknowledged. The item goes back to its place when this session
 * ends, when lease_ms (0: none) is over, or by hf_queue_return. As hf_queue_get. */
HF_CHECKED hf_status hf_queue_reserve(hf_queue *queue, uint64_t lease_ms, int64_t timeout_ms,
                                      struct hf_reservation *reservation);
/* Done: the item is gone, one task less is unfinished. These answer FAILED_PRECONDITION
 * NOT_RESERVED when the reservation has ended: the item went back, maybe to somebody else.
 * hf_queue_task_done in a thread that has reservations acknowledges its oldest. */
HF_CHECKED hf_status hf_queue_ack(hf_queue *queue, uint64_t reservation);
/* The lease begins anew. */
HF_CHECKED hf_status hf_queue_extend(hf_queue *queue, uint64_t reservation, uint64_t lease_ms);
/* Not done: back to its place, not to be had before delay_ms, with one try more. */
HF_CHECKED hf_status hf_queue_return(hf_queue *queue, uint64_t reservation, uint64_t delay_ms);
/* Sets it aside; it stays unfinished until it is kicked back, by anyone, and done. */
HF_CHECKED hf_status hf_queue_bury(hf_queue *queue, uint64_t reservation);
/* Brings up to `count` (0: all) buried ones back, the longest buried first. out kicked may be NULL.
 */
HF_CHECKED hf_status hf_queue_kick(hf_queue *queue, uint64_t count, uint64_t *kicked);
/* Python's Queue.shutdown: later puts, and gets once nothing is left or can come back, answer
 * FAILED_PRECONDITION QUEUE_SHUT_DOWN. immediate: drops what waits, and joins return. */
HF_CHECKED hf_status hf_queue_shutdown(hf_queue *queue, bool immediate);
/* In a transaction: at least that many entries, items; at least that much room below maxsize. */
HF_CHECKED hf_status hf_require_length(hf_object *object, uint64_t length);
HF_CHECKED hf_status hf_require_room(hf_queue *queue, uint64_t room);

HF_END_DECLARATIONS

#endif
