/* Semaphores.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_SEMAPHORE_H
#define HOLDFAST_SEMAPHORE_H

#include <holdfast/object.h>

HF_BEGIN_DECLARATIONS

/* What a killed session had acquired comes back; after a clean goodbye it stays acquired. Anyone
 * may release. An existing one of another start: INVALID_ARGUMENT WRONG_SHAPE */
HF_CHECKED hf_status hf_semaphore_open(hf_conn *conn, const char *name, uint64_t start,
                                       hf_semaphore **semaphore);
HF_CHECKED hf_status hf_bounded_semaphore_open(hf_conn *conn, const char *name, uint64_t start,
                                               hf_semaphore **semaphore);
HF_API void hf_semaphore_close(hf_semaphore *semaphore);
/* First come, first served. DEADLINE_EXCEEDED NO_PERMIT, also with timeout 0 */
HF_CHECKED hf_status hf_semaphore_acquire(hf_semaphore *semaphore, int64_t timeout_ms);
/* FAILED_PRECONDITION RELEASED_TOO_OFTEN a bounded one beyond its start, unchanged */
HF_CHECKED hf_status hf_semaphore_release(hf_semaphore *semaphore, uint64_t count);

HF_END_DECLARATIONS

#endif
