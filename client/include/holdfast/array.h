/* Array and RawArray: numbers of one type.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_ARRAY_H
#define HOLDFAST_ARRAY_H

#include <holdfast/cell.h>
#include <holdfast/slice.h>

HF_BEGIN_DECLARATIONS

/* multiprocessing's Array and RawArray: `length` elements of one typecode, as of a Value; the
 * length never changes. initial: `length` values; NULL: zeros. An existing array keeps its
 * elements. Errors as of hf_cell_open; WRONG_SHAPE also if the existing array has another length,
 * RESOURCE_EXHAUSTED OBJECT_TOO_BIG beyond 2^28 elements, REQUEST_TOO_BIG initial values of more
 * than 16 MiB in the C type (two million of d): open the array with zeros and set slices. */
HF_CHECKED hf_status hf_array_open(hf_conn *conn, const char *name, char typecode, size_t length,
                                   const hf_value *initial, hf_array **array);
HF_CHECKED hf_status hf_raw_array_open(hf_conn *conn, const char *name, char typecode,
                                       size_t length, const hf_value *initial, hf_array **array);
/* The same, volatile: see hf_cell_open_volatile. */
HF_CHECKED hf_status hf_array_open_volatile(hf_conn *conn, const char *name, char typecode,
                                            size_t length, const hf_value *initial,
                                            hf_array **array);
HF_CHECKED hf_status hf_raw_array_open_volatile(hf_conn *conn, const char *name, char typecode,
                                                size_t length, const hf_value *initial,
                                                hf_array **array);
HF_API void hf_array_close(hf_array *array);
/* Indexes may be negative, as in Python. All calls but len wait without limit while another thread
 * or process owns the Array's lock. OUT_OF_RANGE BAD_INDEX; set and add also as hf_cell_set. */
HF_CHECKED hf_status hf_array_get(hf_array *array, int64_t index, hf_value *value);
HF_CHECKED hf_status hf_array_set(hf_array *array, int64_t index, hf_value value);
/* Free *values with hf_values_free. INVALID_ARGUMENT BAD_SLICE */
HF_CHECKED hf_status hf_array_get_slice(hf_array *array, struct hf_slice slice, hf_value **values,
                                        size_t *count);
/* `count` must be the number of elements that the slice selects; sets all or none. INVALID_ARGUMENT
 * BAD_SLICE; as hf_cell_set */
HF_CHECKED hf_status hf_array_set_slice(hf_array *array, struct hf_slice slice,
                                        const hf_value *values, size_t count);
/* `count` elements from `start` on, as C has them: `elements` points to as many of the typecode's C
 * type, in this machine's byte order (on the wire little-endian). The fastest access to many
 * elements; no element is torn. An Array's range is read or written under its lock, as a whole; a
 * RawArray's is not atomic as a whole. In a pipeline, one-way or batch 1 MiB is the most:
 * RESOURCE_EXHAUSTED REQUEST_TOO_BIG. In any of them and in hf_async a handle from hf_reference_open
 * must have been used before: FAILED_PRECONDITION ALREADY_OPEN. write: in typecode ? any byte but 0
 * becomes 1.
 * OUT_OF_RANGE BAD_INDEX start + count is beyond the length; nothing was written */
HF_CHECKED hf_status hf_array_read(hf_array *array, size_t start, size_t count, void *elements);
HF_CHECKED hf_status hf_array_write(hf_array *array, size_t start, size_t count,
                                    const void *elements);
/* The length never changes: an open handle knows it, and does not check that the array still
 * exists. */
HF_CHECKED hf_status hf_array_len(hf_array *array, uint64_t *len);
/* Atomic add; answers the sum. out sum may be NULL. */
HF_CHECKED hf_status hf_array_add(hf_array *array, int64_t index, hf_value amount, hf_value *sum);
/* As the lock of a Value. */
HF_CHECKED hf_status hf_array_lock(hf_array *array, int64_t timeout_ms);
HF_CHECKED hf_status hf_array_lock_with(hf_array *array, int64_t timeout_ms,
                                        struct hf_grant *grant);
HF_CHECKED hf_status hf_array_unlock(hf_array *array);

HF_END_DECLARATIONS

#endif
