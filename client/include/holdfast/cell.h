/* Value and RawValue: single numbers.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_CELL_H
#define HOLDFAST_CELL_H

#include <holdfast/lock.h>
#include <holdfast/object.h>

HF_BEGIN_DECLARATIONS

/* multiprocessing's Value and RawValue: one number of a C type, named by a typecode as in Python.
 *
 *   b B h H i I l L q Q  char, short, int, long, long long; capitals have no sign
 *   f d                  float, double; they take integers too, and f rounds
 *   ?                    bool
 *   c                    one byte, answered as bytes of size 1; an integer from 0 to 255 will do
 *
 * A Value has a recursive lock of its own, which every call takes; a RawValue has none: its calls
 * are atomic one by one. A new one is `initial`, hf_none() is 0; one that exists stays as it is,
 * and must be of that type.
 *
 * INVALID_ARGUMENT BAD_TYPECODE | WRONG_SHAPE it exists with another typecode | WRONG_TYPE,
 * OUT_OF_RANGE OVERFLOW of initial */
HF_CHECKED hf_status hf_cell_open(hf_conn *conn, const char *name, char typecode, hf_value initial,
                                  hf_cell **cell);
HF_CHECKED hf_status hf_raw_cell_open(hf_conn *conn, const char *name, char typecode,
                                      hf_value initial, hf_cell **cell);
HF_API void hf_cell_close(hf_cell *cell);
/* Wait, for ever, while another thread or process holds the Value's lock; so do those below.
 * hf_cell_get_int: INVALID_ARGUMENT WRONG_TYPE f, d and c | OUT_OF_RANGE OVERFLOW beyond INT64_MAX.
 * hf_cell_get_float: INVALID_ARGUMENT WRONG_TYPE c. */
HF_CHECKED hf_status hf_cell_get(hf_cell *cell, hf_value *value);
HF_CHECKED hf_status hf_cell_get_int(hf_cell *cell, int64_t *integer);
HF_CHECKED hf_status hf_cell_get_float(hf_cell *cell, double *real);
/* This and the next three: INVALID_ARGUMENT WRONG_TYPE not a number, or a float for an integer type |
 * OUT_OF_RANGE OVERFLOW beyond the type. The value is unchanged. */
HF_CHECKED hf_status hf_cell_set(hf_cell *cell, hf_value value);
/* Atomic. out sum may be NULL. */
HF_CHECKED hf_status hf_cell_add(hf_cell *cell, hf_value amount, hf_value *sum);
/* The same for an integer, the quickest way for a Value in shared memory. out sum may be NULL; else
 * it is set at once: FAILED_PRECONDITION ALREADY_OPEN while calls are gathered. WRONG_TYPE,
 * OVERFLOW of a sum that is no int64_t: it is stored. */
HF_CHECKED hf_status hf_cell_add_int(hf_cell *cell, int64_t amount, int64_t *sum);
/* Atomic: sets `desired` if the value equals `expected`. out swapped and found, what it was before,
 * may be NULL. */
HF_CHECKED hf_status hf_cell_compare_and_set(hf_cell *cell, hf_value expected, hf_value desired,
                                             bool *swapped, hf_value *found);
/* Until the value is not `known`; answers it. A change that is undone at once may go unseen.
 * DEADLINE_EXCEEDED NOT_CHANGED | LOCK_HELD nobody could look, because of the Value's lock */
HF_CHECKED hf_status hf_cell_wait(hf_cell *cell, hf_value known, int64_t timeout_ms,
                                  hf_value *value);
/* In a transaction: the value must be at least that. */
HF_CHECKED hf_status hf_require_at_least(hf_cell *cell, hf_value bound);
/* Stores a value and answers the one before, atomically. As hf_cell_set. Needs its answer at once:
 * FAILED_PRECONDITION ALREADY_OPEN while calls are gathered on this thread. */
HF_CHECKED hf_status hf_cell_exchange(hf_cell *cell, hf_value value, hf_value *previous);
/* The Value's own lock, owned by this thread, counted. lock: DEADLINE_EXCEEDED LOCK_HELD, also with
 * timeout 0. unlock: FAILED_PRECONDITION NOT_OWNER. Both: INVALID_ARGUMENT WRONG_KIND a RawValue
 * has none. */
HF_CHECKED hf_status hf_cell_lock(hf_cell *cell, int64_t timeout_ms);
/* The same. out grant: whether the previous owner died with it; the token is 0 where the lock was
 * had in shared memory, without the server. */
HF_CHECKED hf_status hf_cell_lock_with(hf_cell *cell, int64_t timeout_ms, struct hf_grant *grant);
HF_CHECKED hf_status hf_cell_unlock(hf_cell *cell);

HF_END_DECLARATIONS

#endif
