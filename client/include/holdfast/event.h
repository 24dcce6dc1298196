/* Events.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_EVENT_H
#define HOLDFAST_EVENT_H

#include <holdfast/object.h>

HF_BEGIN_DECLARATIONS

HF_CHECKED hf_status hf_event_open(hf_conn *conn, const char *name, hf_event **event);
HF_API void hf_event_close(hf_event *event);
HF_CHECKED hf_status hf_event_set(hf_event *event);
HF_CHECKED hf_status hf_event_clear(hf_event *event);
HF_CHECKED hf_status hf_event_is_set(hf_event *event, bool *is_set);
/* out is_set false: the time was up. A negative timeout other than HF_FOREVER counts as 0. */
HF_CHECKED hf_status hf_event_wait(hf_event *event, int64_t timeout_ms, bool *is_set);
/* Condition of a transaction: the event is set. */
HF_CHECKED hf_status hf_require_set(hf_event *event);

HF_END_DECLARATIONS

#endif
