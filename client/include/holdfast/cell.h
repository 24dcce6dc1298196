/* Value and RawValue: single numbers.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_CELL_H
#define HOLDFAST_CELL_H

#include <holdfast/lock.h>
#include <holdfast/object.h>

HF_BEGIN_DECLARATIONS

/* multiprocessing's Value and RawValue: one number of a C type, named by a typecode as in Python.
 *
 *   b B h H i I l L q Q  char, short, int, long, long long; capitals are unsigned
 *   f d                  float, double; they accept integers too, and f rounds
 *   ?                    bool
 *   c                    one byte, returned as bytes of size 1; accepts integers from 0 to 255 too
 *
 * A Value has a recursive lock of its own, which every call takes. A RawValue has none: each call
 * is atomic by itself. A new object has the value `initial`, where hf_none() is 0. An existing
 * object keeps its value, and must have the same typecode.
 *
 * INVALID_ARGUMENT BAD_TYPECODE | WRONG_SHAPE the existing object has another typecode |
 * WRONG_TYPE, OUT_OF_RANGE OVERFLOW of initial */
HF_CHECKED hf_status hf_cell_open(hf_conn *conn, const char *name, char typecode, hf_value initial,
                                  hf_cell **cell);
HF_CHECKED hf_status hf_raw_cell_open(hf_conn *conn, const char *name, char typecode,
                                      hf_value initial, hf_cell **cell);
/* The same, volatile. On a server with a journal (--data) a Value is durable, and each call on it is a request;
 * a volatile one is mapped like all are without a journal, and its content is in no journal: it is lost when the
 * server starts again. Then every call answers FAILED_PRECONDITION CELL_LOST until it was deleted and opened
 * anew, but hf_open, hf_delete and hf_object_delete; so does opening it by these functions. A transaction has
 * volatile values or durable objects, not both: INVALID_ARGUMENT MIXED_DURABILITY. An existing object must be
 * what is opened, volatile or not: INVALID_ARGUMENT WRONG_SHAPE. Without a journal there is no difference. */
HF_CHECKED hf_status hf_cell_open_volatile(hf_conn *conn, const char *name, char typecode,
                                           hf_value initial, hf_cell **cell);
HF_CHECKED hf_status hf_raw_cell_open_volatile(hf_conn *conn, const char *name, char typecode,
                                               hf_value initial, hf_cell **cell);
HF_API void hf_cell_close(hf_cell *cell);
/* These and all calls below wait without limit while another thread or process owns the Value's
 * lock. hf_cell_get_int: INVALID_ARGUMENT WRONG_TYPE typecodes f, d, c | OUT_OF_RANGE OVERFLOW
 * beyond INT64_MAX. hf_cell_get_float: INVALID_ARGUMENT WRONG_TYPE typecode c. */
HF_CHECKED hf_status hf_cell_get(hf_cell *cell, hf_value *value);
HF_CHECKED hf_status hf_cell_get_int(hf_cell *cell, int64_t *integer);
HF_CHECKED hf_status hf_cell_get_float(hf_cell *cell, double *real);
/* set, add and compare_and_set: INVALID_ARGUMENT WRONG_TYPE not a number, or a float for
 * an integer type | OUT_OF_RANGE OVERFLOW beyond the type. On error the value is unchanged. */
HF_CHECKED hf_status hf_cell_set(hf_cell *cell, hf_value value);
/* Atomic add; answers the sum. out sum may be NULL. */
HF_CHECKED hf_status hf_cell_add(hf_cell *cell, hf_value amount, hf_value *sum);
/* The same for an integer; the fastest access to a mapped Value. out sum may be NULL. Unless it is
 * NULL, FAILED_PRECONDITION ALREADY_OPEN in a pipeline, one-way or batch. A sum that is no
 * int64_t is stored: WRONG_TYPE, OVERFLOW. */
HF_CHECKED hf_status hf_cell_add_int(hf_cell *cell, int64_t amount, int64_t *sum);
/* Atomic compare-and-set: stores `desired` if the value equals `expected`. out swapped, and found,
 * the value before, may be NULL. */
HF_CHECKED hf_status hf_cell_compare_and_set(hf_cell *cell, hf_value expected, hf_value desired,
                                             bool *swapped, hf_value *found);
/* Waits until the value differs from `known` and answers it. ABA: a change that is undone at once
 * may be missed. DEADLINE_EXCEEDED NOT_CHANGED | LOCK_HELD the Value's lock prevented reading the
 * value */
HF_CHECKED hf_status hf_cell_wait(hf_cell *cell, hf_value known, int64_t timeout_ms,
                                  hf_value *value);
/* Condition of a transaction: the value is at least `bound`. */
HF_CHECKED hf_status hf_require_at_least(hf_cell *cell, hf_value bound);
/* Atomic exchange: stores a value and answers the value before. Errors as of hf_cell_set.
 * FAILED_PRECONDITION ALREADY_OPEN in a pipeline, one-way or batch */
HF_CHECKED hf_status hf_cell_exchange(hf_cell *cell, hf_value value, hf_value *previous);
/* The Value's own lock: recursive, owned by a thread. lock: DEADLINE_EXCEEDED LOCK_HELD, also with
 * timeout 0. unlock: FAILED_PRECONDITION NOT_OWNER. Both: INVALID_ARGUMENT WRONG_KIND on a
 * RawValue. */
HF_CHECKED hf_status hf_cell_lock(hf_cell *cell, int64_t timeout_ms);
/* The same. out grant: owner_died if the previous owner died while it owned the lock; the token is
 * 0 if the lock was taken in shared memory. */
HF_CHECKED hf_status hf_cell_lock_with(hf_cell *cell, int64_t timeout_ms, struct hf_grant *grant);
HF_CHECKED hf_status hf_cell_unlock(hf_cell *cell);

HF_END_DECLARATIONS

#endif
