/* Queues.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_QUEUE_H
#define HOLDFAST_QUEUE_H

#include <holdfast/object.h>

HF_BEGIN_DECLARATIONS

/* maxsize <= 0: unbounded. INVALID_ARGUMENT WRONG_SHAPE the existing queue has another maxsize */
HF_CHECKED hf_status hf_queue_open(hf_conn *conn, const char *name, int64_t maxsize,
                                   hf_queue **queue);
HF_API void hf_queue_close(hf_queue *queue);
/* First come, first served. RESOURCE_EXHAUSTED QUEUE_FULL timeout 0 | DEADLINE_EXCEEDED QUEUE_FULL
 */
HF_CHECKED hf_status hf_queue_put(hf_queue *queue, hf_value value, int64_t timeout_ms);
/* The item belongs to this process once the reply has arrived, a little before the call returns; a
 * process killed in between takes the item with it. To avoid that use hf_queue_reserve. The item of
 * a get that was given up (UNAVAILABLE, CANCELLED) returns to its position in the queue.
 * RESOURCE_EXHAUSTED QUEUE_EMPTY timeout 0 | DEADLINE_EXCEEDED QUEUE_EMPTY */
HF_CHECKED hf_status hf_queue_get(hf_queue *queue, int64_t timeout_ms, hf_value *value);
HF_CHECKED hf_status hf_queue_size(hf_queue *queue, uint64_t *size);
HF_CHECKED hf_status hf_queue_empty(hf_queue *queue, bool *empty);
HF_CHECKED hf_status hf_queue_full(hf_queue *queue, bool *full);
/* FAILED_PRECONDITION TOO_MANY_DONE */
HF_CHECKED hf_status hf_queue_task_done(hf_queue *queue);
/* Waits until every item put was followed by a task_done. DEADLINE_EXCEEDED NOT_JOINED */
HF_CHECKED hf_status hf_queue_join(hf_queue *queue, int64_t timeout_ms);

/* Lower priorities go first, equal ones in order. A delayed item becomes available after delay_ms.
 */
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
/* Puts one item after the other, waiting for room. out put_count, may be NULL: fewer than count if
 * the time was up or the queue was shut down meanwhile. If no item was put, an error as of
 * hf_queue_put; in a one-way, a failure of the flush unless all were put. INVALID_ARGUMENT BAD_ARGUMENT
 * more than 10,000 items */
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
/* Waits for one item, and takes up to `max` available ones as far as they fit one reply. Free
 * *values with hf_values_free. Errors as of hf_queue_get. INVALID_ARGUMENT BAD_ARGUMENT max is 0 */
HF_CHECKED hf_status hf_queue_get_many(hf_queue *queue, size_t max, int64_t timeout_ms,
                                       hf_value **values, size_t *count);

/* An item that is reserved until it is acknowledged. */
struct hf_reservation {
  uint64_t id;    /* only rises */
  hf_value value; /* freed by hf_value_clear */
  uint64_t tries; /* how often the item was reserved before and returned */
  int64_t priority;
};
/* A get that is final only with hf_queue_ack. The item returns to its position when this session
 * ends, when lease_ms (0: no lease) have passed, or by hf_queue_return. Errors as of hf_queue_get.
 * RESOURCE_EXHAUSTED RESERVATIONS_FULL this session has reserved 16,384 items */
HF_CHECKED hf_status hf_queue_reserve(hf_queue *queue, uint64_t lease_ms, int64_t timeout_ms,
                                      struct hf_reservation *reservation);
/* Acknowledges: removes the item and counts as task_done. This and the next three:
 * FAILED_PRECONDITION NOT_RESERVED the reservation has ended, and another session may have the
 * item. hf_queue_task_done in a thread with reservations acknowledges the oldest. */
HF_CHECKED hf_status hf_queue_ack(hf_queue *queue, uint64_t reservation);
/* Renews the lease. */
HF_CHECKED hf_status hf_queue_extend(hf_queue *queue, uint64_t reservation, uint64_t lease_ms);
/* Returns the item to its position, available after delay_ms, with `tries` increased. */
HF_CHECKED hf_status hf_queue_return(hf_queue *queue, uint64_t reservation, uint64_t delay_ms);
/* Buries the item: it is set aside, and stays unfinished, until any session kicks it. */
HF_CHECKED hf_status hf_queue_bury(hf_queue *queue, uint64_t reservation);
/* Makes up to `count` (0: all) buried items available again, the longest buried first. out kicked
 * may be NULL: fewer than there are if the call was cancelled, or no more may wait on the server. */
HF_CHECKED hf_status hf_queue_kick(hf_queue *queue, uint64_t count, uint64_t *kicked);
/* Python's Queue.shutdown: later puts answer FAILED_PRECONDITION QUEUE_SHUT_DOWN, and so do gets
 * once no item is left or can return. immediate: drops the available items, and joins return. */
HF_CHECKED hf_status hf_queue_shutdown(hf_queue *queue, bool immediate);
/* Conditions of a transaction. length: a dict, list or queue has at least `length` entries. room:
 * at least `room` items fit below maxsize. */
HF_CHECKED hf_status hf_require_length(hf_object *object, uint64_t length);
HF_CHECKED hf_status hf_require_room(hf_queue *queue, uint64_t room);

HF_END_DECLARATIONS

#endif
