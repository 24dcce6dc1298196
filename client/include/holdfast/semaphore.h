/* Semaphores.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_SEMAPHORE_H
#define HOLDFAST_SEMAPHORE_H

#include <holdfast/object.h>

HF_BEGIN_DECLARATIONS

/* Permits of a killed session are released; after a clean goodbye they stay acquired. Any session
 * may release. INVALID_ARGUMENT WRONG_SHAPE the existing semaphore has another start */
HF_CHECKED hf_status hf_semaphore_open(hf_conn *conn, const char *name, uint64_t start,
                                       hf_semaphore **semaphore);
HF_CHECKED hf_status hf_bounded_semaphore_open(hf_conn *conn, const char *name, uint64_t start,
                                               hf_semaphore **semaphore);
HF_API void hf_semaphore_close(hf_semaphore *semaphore);
/* First come, first served. DEADLINE_EXCEEDED NO_PERMIT, also with timeout 0 */
HF_CHECKED hf_status hf_semaphore_acquire(hf_semaphore *semaphore, int64_t timeout_ms);
/* FAILED_PRECONDITION RELEASED_TOO_OFTEN a bounded semaphore would exceed its start | OUT_OF_RANGE
 * OVERFLOW the count would exceed its limit | INVALID_ARGUMENT BAD_ARGUMENT count is 0; it is unchanged */
HF_CHECKED hf_status hf_semaphore_release(hf_semaphore *semaphore, uint64_t count);

HF_END_DECLARATIONS

#endif
