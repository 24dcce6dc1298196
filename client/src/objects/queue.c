#include "client/src/objects/object.h"

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
  return hf_queue_put_with(queue, value, NULL, timeout_ms);
}

hf_status hf_queue_put_with_sized(hf_queue *queue, hf_value value,
                                  const struct hf_put_options *options, size_t options_size,
                                  int64_t timeout_ms) {
  struct hf_put_options known = {0};
  struct request request;
  Holdfast__QueuePut arm = HOLDFAST__QUEUE_PUT__INIT;
  request_of(&request, queue, OPERATION(QUEUE_PUT));
  request_wait(&request, timeout_ms);
  arm.value = request_value(&request, &value);
  request_options(&request, &known, sizeof known, options, options_size);
  arm.priority = known.priority;
  arm.delay_ms = known.delay_ms;
  return request_send(&request, &arm.base);
}

hf_status hf_queue_put_many_sized(hf_queue *queue, const hf_value *values, size_t count,
                                  const struct hf_put_options *options, size_t options_size,
                                  int64_t timeout_ms, size_t *put_count) {
  struct hf_put_options known = {0};
  struct request request;
  Holdfast__QueuePutMany arm = HOLDFAST__QUEUE_PUT_MANY__INIT;
  request_of(&request, queue, OPERATION(QUEUE_PUT_MANY));
  request_wait(&request, timeout_ms);
  request_result(&request, result_size, put_count, NULL);
  arm.items = request_values(&request, values, count, &arm.n_items);
  request_options(&request, &known, sizeof known, options, options_size);
  arm.priority = known.priority;
  arm.delay_ms = known.delay_ms;
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

hf_status hf_queue_get_many(hf_queue *queue, size_t max, int64_t timeout_ms, hf_value **values,
                            size_t *count) {
  struct request request;
  Holdfast__QueueGetMany arm = HOLDFAST__QUEUE_GET_MANY__INIT;
  request_of(&request, queue, OPERATION(QUEUE_GET_MANY));
  request_wait(&request, timeout_ms);
  request_ask(&request, result_values, values, count);
  arm.count = max < UINT32_MAX ? (uint32_t)max : UINT32_MAX;
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
