/* Values and arrays as memory.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_MEMORY_H
#define HOLDFAST_MEMORY_H

#include <holdfast/array.h>
#include <holdfast/cell.h>

HF_BEGIN_DECLARATIONS

/* On the server's machine the elements are in memory that the server and its clients share: within
 * reach. The calls above work there, without the server, unless they are gathered. Elsewhere, or
 * where there is no such memory (see hf_conn_path_reason, and the limits in PROTOCOL.md), they go
 * to the server. The elements and their lock are the same.
 *
 * In a container whose process ids are not the server's, as by default, only the raw kinds are
 * mapped: threads there can't be told from others by the lock of a Value or Array. Calls on
 * those go to the server, over rings in shared memory if its sockets are reachable.
 *
 * A process that ends while it has the lock of a Value or Array there - in whatever way - gives it
 * up, and the next one to lock it is told. Who closes the handle before keeps it, as elsewhere; but
 * while another thread has the lock, the memory stays mapped then, the reference is not dropped, and
 * hf_close leaves the session to its grace time.
 * hf_cancel ends waits there within 50 ms.
 */

/* The elements themselves, native C types next to each other, aligned; NULL: not mapped.
 * Borrowed until the handle is closed; a forked child may use them as long as it has not closed its
 * own. For a Value or Array hold its lock meanwhile. A store through them is noticed by who waits
 * for a change up to 50 ms later, and is in vain once the object is deleted or the server gone. */
HF_API void *hf_cell_data(hf_cell *cell);
HF_API void *hf_array_data(hf_array *array);

/* Elements as C numbers: i32 for typecode i, i64 for l and q, f64 for d. On those of raw kinds
 * that are mapped each is an instruction or two; on all others it is the call of that meaning, with
 * its errors.
 *
 *   hf_cell_load_i64(cell, &number)              hf_array_load_i64(array, index, &number)
 *   hf_cell_store_i64(cell, number)              hf_array_store_i64(array, index, number)
 *   hf_cell_add_i64(cell, amount, &sum)          hf_array_add_i64(array, index, amount, &sum)
 *   hf_cell_exchange_i64(cell, number, &previous)
 *
 * The same with i32 and f64; add is not there for f64. load and store are single
 * instructions without order among others, exchange and add are atomic. An index is a size_t: none
 * counts from the end, and one that is too large is OUT_OF_RANGE BAD_INDEX. A sum beyond the
 * element's type is OUT_OF_RANGE OVERFLOW, and nothing is stored. What an element of another type
 * answers may not fit the C type: INVALID_ARGUMENT WRONG_TYPE, OUT_OF_RANGE OVERFLOW, and exchange
 * and add are done.
 *
 * Within reach nothing else is looked at: as through the pointers above, what they do is noticed
 * late, and in vain once the object is deleted or the server gone, and they answer HF_OK all the
 * same, also while calls are gathered; hf_cell_get and its like notice. As calls, load, exchange
 * and add need their answer at once: FAILED_PRECONDITION ALREADY_OPEN while calls are gathered. */
#include <holdfast/numbers.h>

HF_END_DECLARATIONS

#endif
