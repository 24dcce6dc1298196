#include "client/src/objects/cell_lock.h"

#include "client/src/call/call.h"
#include "client/src/connection/errors.h"
#include "client/src/mapped/mapped_lock.h"

hf_status cell_lock(hf_object *object, int64_t timeout_ms, struct hf_grant *grant) {
  hf_status status;
  bool owner_died;
  switch (mapped_cell_enter(object, &timeout_ms, &owner_died, &status)) {
    case MAPPED_REQUEST:
      return hf_lock_acquire((hf_lock *)object, timeout_ms, grant);
    case MAPPED_FAILED:
      return status;
    default:
      break;
  }
  if (!mapped_cell_has_lock(object)) {
    return error_reason(HF_REASON_WRONG_KIND);
  }
  if (grant != NULL) {
    *grant = (struct hf_grant){.owner_died = owner_died};
  }
  return HF_OK;
}

static hf_status unlock(hf_object *object, bool outlives_call) {
  struct request request;
  Holdfast__LockRelease arm = HOLDFAST__LOCK_RELEASE__INIT;
  hf_status status;
  switch (mapped_cell_unlock(object, &status)) {
    case MAPPED_IN:
      return HF_OK;
    case MAPPED_FAILED:
      return status;
    default:
      request_of(&request, object, OPERATION(LOCK_RELEASE));
      request.outlives_call = outlives_call;
      return request_send(&request, &arm.base);
  }
}

hf_status cell_unlock(hf_object *object) {
  return unlock(object, false);
}

hf_status cell_unlock_always(hf_object *object) {
  return unlock(object, true);
}
