/* Who has the lock of a mapped cell.
 *
 * layer   client, mapped
 * threads any
 */
#ifndef HF_CLIENT_MAPPED_OWNER_H
#define HF_CLIENT_MAPPED_OWNER_H

#include "client/src/mapped/mapped_cell.h"

/* Whether the calling thread has it, or another one of this process. */
bool mapped_cell_is_held_here(const struct cell_header *header);
bool mapped_cell_is_held_by_another_thread(const struct cell_header *header);
/* The calling thread has it: takes the server's grant instead of the mutex, as often as the thread has
 * that. HF_OK | an error, which is the thread's last then */
hf_status mapped_cell_change_over(hf_object *object, struct cell_header *header);

#endif
