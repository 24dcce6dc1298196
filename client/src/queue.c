#include "client/src/object.h"

hf_status hf_queue_open(hf_conn *conn, const char *name, int64_t maxsize, hf_queue **queue) {
  struct request request;
  Holdfast__ObjectOpen arm;
  object_open_of(&request, conn, &arm, name, HF_QUEUE);
  arm.maxsize = maxsize;
  return object_open(&request, &arm, queue);
}

void hf_queue_close(hf_queue *queue) {
  hf_object_close(HF_AS_OBJECT(queue));
}

hf_status hf_queue_put(hf_queue *queue, hf_value value, int64_t timeout_ms) {
  struct request request;
  Holdfast__QueuePut arm = HOLDFAST__QUEUE_PUT__INIT;
  request_of(&request, queue, OPERATION(QUEUE_PUT));
  request_wait(&request, timeout_ms);
  arm.value = request_value(&request, &value);
  return request_send(&request, &arm.base);
}

hf_status hf_queue_get(hf_queue *queue, int64_t timeout_ms, hf_value *value) {
  struct request request;
  Holdfast__QueueGet arm = HOLDFAST__QUEUE_GET__INIT;
  request_of(&request, queue, OPERATION(QUEUE_GET));
  request_wait(&request, timeout_ms);
  request_ask(&request, result_value, value, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_queue_size(hf_queue *queue, uint64_t *size) {
  struct request request;
  Holdfast__QueueSize arm = HOLDFAST__QUEUE_SIZE__INIT;
  request_of(&request, queue, OPERATION(QUEUE_SIZE));
  request_ask(&request, result_count, size, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_queue_empty(hf_queue *queue, bool *empty) {
  struct request request;
  Holdfast__QueueEmpty arm = HOLDFAST__QUEUE_EMPTY__INIT;
  request_of(&request, queue, OPERATION(QUEUE_EMPTY));
  request_ask(&request, result_flag, empty, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_queue_full(hf_queue *queue, bool *full) {
  struct request request;
  Holdfast__QueueFull arm = HOLDFAST__QUEUE_FULL__INIT;
  request_of(&request, queue, OPERATION(QUEUE_FULL));
  request_ask(&request, result_flag, full, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_queue_task_done(hf_queue *queue) {
  struct request request;
  Holdfast__QueueTaskDone arm = HOLDFAST__QUEUE_TASK_DONE__INIT;
  request_of(&request, queue, OPERATION(QUEUE_TASK_DONE));
  return request_send(&request, &arm.base);
}

hf_status hf_queue_join(hf_queue *queue, int64_t timeout_ms) {
  struct request request;
  Holdfast__QueueJoin arm = HOLDFAST__QUEUE_JOIN__INIT;
  request_of(&request, queue, OPERATION(QUEUE_JOIN));
  request_wait(&request, timeout_ms);
  request.needs_reply = true;
  return request_send(&request, &arm.base);
}
