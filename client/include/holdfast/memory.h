/* Values and arrays as memory.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_MEMORY_H
#define HOLDFAST_MEMORY_H

#include <holdfast/array.h>
#include <holdfast/cell.h>

HF_BEGIN_DECLARATIONS

/* On the server's machine the elements are in memory that the server and its clients share; a
 * process that maps this memory has the elements *mapped*. The calls above then read and write the
 * memory without a request to the server, except in a pipeline, one-way, batch or hf_async. On other
 * machines, and where there is no such memory (see hf_conn_path_reason, and the limits in
 * PROTOCOL.md), they are requests. Both ways access the same elements under the same lock.
 *
 * In a container whose process ids differ from the server's, which is the default, only the raw
 * kinds are mapped: the lock of a Value or Array identifies its owner by thread id. Calls on Values
 * and Arrays there are requests, over rings in shared memory if the server's sockets are reachable.
 *
 * When a process ends, in whatever way, the locks of mapped Values and Arrays that it owns are
 * released, and the next owner is notified. Closing the handle first leaves the lock owned, as
 * elsewhere; but if another thread owns the lock, closing keeps the memory mapped and the reference
 * counted, and hf_close leaves the session to its grace time. hf_cancel ends a wait on mapped
 * memory within 50 ms. */

/* The elements as native C types, contiguous and aligned; NULL: not mapped, or the server has stopped, also if
 * another one took its place. Borrowed until the
 * handle is closed; in a forked child, until the child closes its own. For a Value or Array, own
 * its lock while accessing them. A thread waiting for a change notices a store through this pointer
 * up to 50 ms later, or at hf_cell_changed. A store has no effect once the object is deleted or the server has stopped. */
HF_API void *hf_cell_data(hf_cell *cell);
HF_API void *hf_array_data(hf_array *array);

/* After a store through the pointer: wakes the threads that wait for a change of the value; before the
 * lock of a Value is released. Ignored if the cell is not mapped. */
HF_API void hf_cell_changed(hf_cell *cell);

/* Takes the lock of a mapped Value or Array if it is free or this thread's. Never waits and makes no
 * request. false: not taken, and hf_cell_lock or hf_array_lock says why, also if the elements are
 * not mapped, or an owner died. */
HF_CHECKED bool hf_cell_try_lock(hf_cell *cell);
HF_CHECKED bool hf_array_try_lock(hf_array *array);
/* Whether this thread owns the lock of a mapped Value or Array: it may use the elements without another
 * level. Makes no request. false also if the elements are not mapped, the thread has a pipeline or the
 * like open, or the server has stopped. */
HF_API bool hf_cell_is_owned(hf_cell *cell);
HF_API bool hf_array_is_owned(hf_array *array);

/* Elements as C numbers: i32 for typecode i, i64 for l and q, f64 for d. On mapped elements of raw
 * kinds each function is one or two instructions; on all others it is the call of that meaning,
 * with its errors.
 *
 *   hf_cell_load_i64(cell, &number)              hf_array_load_i64(array, index, &number)
 *   hf_cell_store_i64(cell, number)              hf_array_store_i64(array, index, number)
 *   hf_cell_add_i64(cell, amount, &sum)          hf_array_add_i64(array, index, amount, &sum)
 *   hf_cell_exchange_i64(cell, number, &previous)
 *
 * The same with i32 and f64, but there is no add for f64. load and store are relaxed; add and
 * exchange are sequentially consistent. `index` is a size_t and does not count from the end:
 * OUT_OF_RANGE BAD_INDEX beyond the length. A sum beyond the element's type is OUT_OF_RANGE
 * OVERFLOW and is not stored. If the element has another type, its value may not fit the C type:
 * INVALID_ARGUMENT WRONG_TYPE or OUT_OF_RANGE OVERFLOW, after add or exchange was performed.
 *
 * On mapped elements these functions check nothing else: like stores through the pointers above
 * they are noticed late, have no effect once the object is deleted or the server has stopped, and
 * answer HF_OK all the same, also in a pipeline, one-way, batch or hf_async; hf_cell_get and the
 * other calls do check. As requests, load and add need their answer at once, and exchange needs it
 * except in hf_async: FAILED_PRECONDITION ALREADY_OPEN in a pipeline, one-way, batch or hf_async. */
#include <holdfast/numbers.h>

HF_END_DECLARATIONS

#endif
