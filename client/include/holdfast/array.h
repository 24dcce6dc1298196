/* Array and RawArray: numbers of one type.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_ARRAY_H
#define HOLDFAST_ARRAY_H

#include <holdfast/cell.h>
#include <holdfast/slice.h>

HF_BEGIN_DECLARATIONS

/* multiprocessing's Array and RawArray: `length` elements, whose number never changes, of one
 * typecode, as of a Value. initial: that many values, or NULL for zeros; an array that exists stays
 * as it is. Errors as of hf_cell_open; WRONG_SHAPE also of another length, RESOURCE_EXHAUSTED
 * OBJECT_TOO_BIG beyond 2^28 elements, REQUEST_TOO_BIG initial values of more than 16 MiB as the C
 * type has them (two million of d): open it with zeros, set slices. */
HF_CHECKED hf_status hf_array_open(hf_conn *conn, const char *name, char typecode, size_t length,
                                   const hf_value *initial, hf_array **array);
HF_CHECKED hf_status hf_raw_array_open(hf_conn *conn, const char *name, char typecode,
                                       size_t length, const hf_value *initial, hf_array **array);
HF_API void hf_array_close(hf_array *array);
/* Indexes may be negative, as in Python. All but len wait, for ever, while another thread or
 * process holds the Array's lock. OUT_OF_RANGE BAD_INDEX; set and add also as hf_cell_set. */
HF_CHECKED hf_status hf_array_get(hf_array *array, int64_t index, hf_value *value);
HF_CHECKED hf_status hf_array_set(hf_array *array, int64_t index, hf_value value);
/* values are freed by hf_values_free. INVALID_ARGUMENT BAD_SLICE */
HF_CHECKED hf_status hf_array_get_slice(hf_array *array, struct hf_slice slice, hf_value **values,
                                        size_t *count);
/* As many values as the slice selects; all or none. INVALID_ARGUMENT BAD_SLICE; as hf_cell_set */
HF_CHECKED hf_status hf_array_set_slice(hf_array *array, struct hf_slice slice,
                                        const hf_value *values, size_t count);
/* `count` elements from `start` on, as C has them: elements points to as many of the typecode's C
 * type, in the byte order of this machine (on the wire it is little-endian). By far the quickest way
 * for many; no element is read or written half. An Array's range is read or written as a whole, under
 * its lock; a RawArray's, and one-way, in parts of up to 1 MiB. While calls are gathered or
 * pipelined 1 MiB is the most: RESOURCE_EXHAUSTED REQUEST_TOO_BIG; and a handle that came from a
 * reference must have been used before: FAILED_PRECONDITION ALREADY_OPEN. write: of ? what is not 0
 * becomes 1. OUT_OF_RANGE BAD_INDEX start + count is beyond the length; nothing was written. */
HF_CHECKED hf_status hf_array_read(hf_array *array, size_t start, size_t count, void *elements);
HF_CHECKED hf_status hf_array_write(hf_array *array, size_t start, size_t count,
                                    const void *elements);
/* It never changes: a handle knows it once opened, and does not ask whether the array exists. */
HF_CHECKED hf_status hf_array_len(hf_array *array, uint64_t *len);
/* Atomic. out sum may be NULL. */
HF_CHECKED hf_status hf_array_add(hf_array *array, int64_t index, hf_value amount, hf_value *sum);
/* As those of a Value. */
HF_CHECKED hf_status hf_array_lock(hf_array *array, int64_t timeout_ms);
HF_CHECKED hf_status hf_array_lock_with(hf_array *array, int64_t timeout_ms,
                                        struct hf_grant *grant);
HF_CHECKED hf_status hf_array_unlock(hf_array *array);

HF_END_DECLARATIONS

#endif
