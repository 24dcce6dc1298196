/* Barriers.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_BARRIER_H
#define HOLDFAST_BARRIER_H

#include <holdfast/object.h>

HF_BEGIN_DECLARATIONS

/* parties >= 1, else INVALID_ARGUMENT BAD_ARGUMENT. An existing one of other parties: WRONG_SHAPE
 */
HF_CHECKED hf_status hf_barrier_open(hf_conn *conn, const char *name, uint64_t parties,
                                     hf_barrier **barrier);
HF_API void hf_barrier_close(hf_barrier *barrier);
/* Waits for all parties. action (or NULL) is run by the last to arrive, before the others go on; it
 * answers whether it succeeded, and breaks the barrier if not. out index, may be NULL: 0 for the
 * first to arrive. ABORTED BARRIER_BROKEN the time was up, a party left or was killed, abort,
 * reset, or the action failed */
HF_CHECKED hf_status hf_barrier_wait(hf_barrier *barrier, int64_t timeout_ms,
                                     bool (*action)(void *ctx), void *ctx, uint64_t *index);
/* Breaks it for those who wait and all who come, until reset. */
HF_CHECKED hf_status hf_barrier_abort(hf_barrier *barrier);
/* As new; breaks it for those who wait. */
HF_CHECKED hf_status hf_barrier_reset(hf_barrier *barrier);

HF_END_DECLARATIONS

#endif
