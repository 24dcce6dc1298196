#include "client/src/call/call.h"

#include "client/src/call/call_mode.h"
#include "client/src/call/plain.h"
#include "client/src/connection/cancellation.h"

static hf_status send_as_chosen(struct request *request, struct call_mode *mode) {
  hf_status status = request_check(request);
  if (mode == NULL) {
    return status == HF_OK ? call_run(request) : status;
  }
  if (status == HF_OK) {
    status = mode->kind->send(mode, request);
  }
  if (status != HF_OK && mode->kind->refused != NULL) {
    mode->kind->refused(mode, status);
  }
  return status;
}

static hf_status send_armed(struct request *request) {
  int cancellation = cancellation_disable();
  request->envelope.thread = conn_thread();
  hf_status status = send_as_chosen(request, call_mode_for(request));
  arena_deinit(&request->arena);
  cancellation_restore(cancellation);
  return status;
}

hf_status request_send(struct request *request, const ProtobufCMessage *arm) {
  request_arm(request, arm);
  return send_armed(request);
}

hf_status request_send_packed(struct request *request, struct bytes arm) {
  request_arm_packed(request, arm);
  return send_armed(request);
}
