/* Work queues: reservations, which count as taken once acknowledged. */
#include "client/src/objects/object.h"

hf_status hf_queue_reserve(hf_queue *queue, uint64_t lease_ms, int64_t timeout_ms,
                           struct hf_reservation *reservation) {
  struct request request;
  Holdfast__QueueReserve arm = HOLDFAST__QUEUE_RESERVE__INIT;
  request_of(&request, queue, OPERATION(QUEUE_RESERVE));
  request_wait(&request, timeout_ms);
  request_ask(&request, result_reservation, reservation, NULL);
  arm.lease_ms = lease_ms;
  return request_send(&request, &arm.base);
}

hf_status hf_queue_ack(hf_queue *queue, uint64_t reservation) {
  struct request request;
  Holdfast__QueueAck arm = HOLDFAST__QUEUE_ACK__INIT;
  request_of(&request, queue, OPERATION(QUEUE_ACK));
  arm.reservation = reservation;
  return request_send(&request, &arm.base);
}

hf_status hf_queue_extend(hf_queue *queue, uint64_t reservation, uint64_t lease_ms) {
  struct request request;
  Holdfast__QueueExtend arm = HOLDFAST__QUEUE_EXTEND__INIT;
  request_of(&request, queue, OPERATION(QUEUE_EXTEND));
  arm.reservation = reservation;
  arm.lease_ms = lease_ms;
  return request_send(&request, &arm.base);
}

hf_status hf_queue_return(hf_queue *queue, uint64_t reservation, uint64_t delay_ms) {
  struct request request;
  Holdfast__QueueReturn arm = HOLDFAST__QUEUE_RETURN__INIT;
  request_of(&request, queue, OPERATION(QUEUE_RETURN));
  arm.reservation = reservation;
  arm.delay_ms = delay_ms;
  return request_send(&request, &arm.base);
}

hf_status hf_queue_bury(hf_queue *queue, uint64_t reservation) {
  struct request request;
  Holdfast__QueueBury arm = HOLDFAST__QUEUE_BURY__INIT;
  request_of(&request, queue, OPERATION(QUEUE_BURY));
  arm.reservation = reservation;
  return request_send(&request, &arm.base);
}

hf_status hf_queue_kick(hf_queue *queue, uint64_t count, uint64_t *kicked) {
  struct request request;
  Holdfast__QueueKick arm = HOLDFAST__QUEUE_KICK__INIT;
  request_of(&request, queue, OPERATION(QUEUE_KICK));
  request_result(&request, result_count, kicked, NULL);
  arm.count = count;
  return request_send(&request, &arm.base);
}

hf_status hf_queue_shutdown(hf_queue *queue, bool immediate) {
  struct request request;
  Holdfast__QueueShutdown arm = HOLDFAST__QUEUE_SHUTDOWN__INIT;
  request_of(&request, queue, OPERATION(QUEUE_SHUTDOWN));
  arm.immediate = immediate;
  return request_send(&request, &arm.base);
}
