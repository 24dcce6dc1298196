#include "client/src/objects/object.h"

hf_status hf_event_open(hf_conn *conn, const char *name, hf_event **event) {
  return object_open_simple(conn, name, HF_EVENT, event);
}

void hf_event_close(hf_event *event) {
  hf_object_close(HF_AS_OBJECT(event));
}

hf_status hf_event_set(hf_event *event) {
  struct request request;
  Holdfast__EventSet arm = HOLDFAST__EVENT_SET__INIT;
  request_of(&request, event, OPERATION(EVENT_SET));
  return request_send(&request, &arm.base);
}

hf_status hf_event_clear(hf_event *event) {
  struct request request;
  Holdfast__EventClear arm = HOLDFAST__EVENT_CLEAR__INIT;
  request_of(&request, event, OPERATION(EVENT_CLEAR));
  return request_send(&request, &arm.base);
}

hf_status hf_event_is_set(hf_event *event, bool *is_set) {
  struct request request;
  Holdfast__EventIsSet arm = HOLDFAST__EVENT_IS_SET__INIT;
  request_of(&request, event, OPERATION(EVENT_IS_SET));
  request_ask(&request, result_flag, is_set, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_event_wait(hf_event *event, int64_t timeout_ms, bool *is_set) {
  struct request request;
  Holdfast__EventWait arm = HOLDFAST__EVENT_WAIT__INIT;
  bool is_past = timeout_ms < 0 && timeout_ms != HF_FOREVER; /* not an error, as in Python */
  request_of(&request, event, OPERATION(EVENT_WAIT));
  request_wait(&request, is_past ? 0 : timeout_ms);
  request_ask(&request, result_flag, is_set, NULL);
  return request_send(&request, &arm.base);
}
