#include "client/src/objects/object.h"

hf_status hf_lock_open(hf_conn *conn, const char *name, hf_lock **lock) {
  return object_open_simple(conn, name, HF_LOCK, lock);
}

hf_status hf_rlock_open(hf_conn *conn, const char *name, hf_lock **lock) {
  return object_open_simple(conn, name, HF_RLOCK, lock);
}

void hf_lock_close(hf_lock *lock) {
  hf_object_close(HF_AS_OBJECT(lock));
}

hf_status hf_lock_acquire_with_sized(hf_lock *lock, const struct hf_lock_options *options,
                                     size_t options_size, int64_t timeout_ms,
                                     struct hf_grant *grant) {
  struct hf_lock_options known = {0};
  struct request request;
  Holdfast__LockAcquire arm = HOLDFAST__LOCK_ACQUIRE__INIT;
  request_of(&request, lock, OPERATION(LOCK_ACQUIRE));
  request_wait(&request, timeout_ms);
  request_ask(&request, result_grant, grant, NULL);
  request_options(&request, &known, sizeof known, options, options_size);
  arm.robust = known.robust;
  arm.lease_ms = known.lease_ms;
  arm.refuse_deadlock = known.refuse_deadlock;
  return request_send(&request, &arm.base);
}

hf_status hf_lock_acquire(hf_lock *lock, int64_t timeout_ms, struct hf_grant *grant) {
  return hf_lock_acquire_with(lock, NULL, timeout_ms, grant);
}

hf_status hf_lock_release(hf_lock *lock) {
  struct request request;
  Holdfast__LockRelease arm = HOLDFAST__LOCK_RELEASE__INIT;
  request_of(&request, lock, OPERATION(LOCK_RELEASE));
  return request_send(&request, &arm.base);
}

hf_status hf_lock_release_token(hf_lock *lock, uint64_t token) {
  struct request request;
  Holdfast__LockRelease arm = HOLDFAST__LOCK_RELEASE__INIT;
  request_of(&request, lock, OPERATION(LOCK_RELEASE));
  arm.fence_case = HOLDFAST__LOCK_RELEASE__FENCE_TOKEN;
  arm.token = token;
  return request_send(&request, &arm.base);
}
