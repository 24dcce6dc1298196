/* Waiting for a change of a mapped cell.
 *
 * layer   client, mapped
 * threads any; the cell's own lock
 */
#ifndef HF_CLIENT_MAPPED_WAIT_H
#define HF_CLIENT_MAPPED_WAIT_H

#include "client/src/mapped/mapped_lock.h"

/* Waits until the value differs from `known`, as hf_cell_wait. */
enum mapped_way mapped_cell_wait(hf_object *object, const hf_value *known, int64_t *timeout_ms,
                                 hf_value *value, hf_status *status);

#endif
