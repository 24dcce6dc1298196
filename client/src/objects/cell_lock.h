/* The lock of a Value or an Array, in mapped memory or on the server.
 *
 * layer   client, objects
 */
#ifndef HF_CLIENT_CELL_LOCK_H
#define HF_CLIENT_CELL_LOCK_H

#include <holdfast/holdfast.h>

/* As hf_cell_lock_with and hf_cell_unlock. */
hf_status cell_lock(hf_object *object, int64_t timeout_ms, struct hf_grant *grant);
hf_status cell_unlock(hf_object *object);
/* The same of a lock that the library has taken: if the server can't be reached now, it is unlocked once
 * it can. */
hf_status cell_unlock_always(hf_object *object);

#endif
