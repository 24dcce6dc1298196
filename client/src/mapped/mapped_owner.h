/* The owner of a mapped cell's lock.
 *
 * layer   client, mapped
 * threads any
 */
#ifndef HF_CLIENT_MAPPED_OWNER_H
#define HF_CLIENT_MAPPED_OWNER_H

#include "client/src/mapped/mapped_cell.h"

/* Whether the calling thread, or another thread of this process, owns the lock. */
bool mapped_cell_is_owned_here(const struct cell_header *header);
bool mapped_cell_is_owned_by_another_thread(const struct cell_header *header);
/* For the owner: replaces ownership of the mutex by the server's grant, at the same recursion
 * depth. HF_OK | an error, also the thread's last error */
hf_status mapped_cell_change_over(hf_object *object, struct cell_header *header);

#endif
