#include "client/src/call/mode.h"

#include "client/src/call/gather.h"
#include "client/src/call/oneway.h"
#include "client/src/call/pipeline.h"

bool mode_is_open(const hf_conn *conn) {
  return pipeline_of_thread(conn) != NULL || oneway_is_on(conn) || gather_is_open(conn);
}

hf_status mode_check_none(const hf_conn *conn) {
  return mode_is_open(conn) ? error_reason(HF_REASON_ALREADY_OPEN) : HF_OK;
}

hf_status mode_error(const char *sentence) {
  return error_take(HF_FAILED_PRECONDITION, failure_new(HF_FAILED_PRECONDITION, bytes_of_text(""),
                                                        bytes_of_text(sentence)));
}
