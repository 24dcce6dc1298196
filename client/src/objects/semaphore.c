#include "client/src/objects/object.h"

static hf_status open_semaphore(hf_conn *conn, const char *name, hf_kind kind, uint64_t start,
                                hf_semaphore **semaphore) {
  struct request request;
  Holdfast__ObjectOpen arm;
  object_open_of(&request, conn, &arm, name, kind);
  arm.start = start;
  return object_open(&request, &arm, semaphore);
}

hf_status hf_semaphore_open(hf_conn *conn, const char *name, uint64_t start,
                            hf_semaphore **semaphore) {
  return open_semaphore(conn, name, HF_SEMAPHORE, start, semaphore);
}

hf_status hf_bounded_semaphore_open(hf_conn *conn, const char *name, uint64_t start,
                                    hf_semaphore **semaphore) {
  return open_semaphore(conn, name, HF_BOUNDED_SEMAPHORE, start, semaphore);
}

void hf_semaphore_close(hf_semaphore *semaphore) {
  hf_object_close(HF_AS_OBJECT(semaphore));
}

hf_status hf_semaphore_acquire(hf_semaphore *semaphore, int64_t timeout_ms) {
  struct request request;
  Holdfast__SemaphoreAcquire arm = HOLDFAST__SEMAPHORE_ACQUIRE__INIT;
  request_of(&request, semaphore, OPERATION(SEMAPHORE_ACQUIRE));
  request_wait(&request, timeout_ms);
  request.needs_reply = true;
  return request_send(&request, &arm.base);
}

hf_status hf_semaphore_release(hf_semaphore *semaphore, uint64_t count) {
  struct request request;
  Holdfast__SemaphoreRelease arm = HOLDFAST__SEMAPHORE_RELEASE__INIT;
  request_of(&request, semaphore, OPERATION(SEMAPHORE_RELEASE));
  if (count == 0) {
    request.reason = HF_REASON_BAD_ARGUMENT; /* on the wire 0 means one */
  }
  arm.count = count;
  return request_send(&request, &arm.base);
}
