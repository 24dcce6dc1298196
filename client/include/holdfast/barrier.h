/* Barriers.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_BARRIER_H
#define HOLDFAST_BARRIER_H

#include <holdfast/object.h>

HF_BEGIN_DECLARATIONS

/* INVALID_ARGUMENT BAD_ARGUMENT parties is 0 | WRONG_SHAPE the existing barrier has another number
 * of parties */
HF_CHECKED hf_status hf_barrier_open(hf_conn *conn, const char *name, uint64_t parties,
                                     hf_barrier **barrier);
HF_API void hf_barrier_close(hf_barrier *barrier);
/* Waits for all parties. The last party to arrive runs `action`, unless it is NULL, before the
 * others proceed; `action` answers whether it succeeded, and false breaks the barrier. out index,
 * may be NULL: 0 for the first to arrive. ABORTED BARRIER_BROKEN the time was up, a party left or
 * was killed, abort, reset, or the action failed */
HF_CHECKED hf_status hf_barrier_wait(hf_barrier *barrier, int64_t timeout_ms,
                                     bool (*action)(void *ctx), void *ctx, uint64_t *index);
/* Breaks the barrier for waiting and later parties, until reset. */
HF_CHECKED hf_status hf_barrier_abort(hf_barrier *barrier);
/* Makes the barrier as new; breaks it for waiting parties. */
HF_CHECKED hf_status hf_barrier_reset(hf_barrier *barrier);

HF_END_DECLARATIONS

#endif
