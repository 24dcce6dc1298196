/* The end of a handle of a mapped cell.
 *
 * layer   client, mapped
 * threads any
 */
#ifndef HF_CLIENT_MAPPED_CLOSE_H
#define HF_CLIENT_MAPPED_CLOSE_H

#include "client/src/mapped/mapped_cell.h"

/* Before the handle goes: a lock that the thread took by it becomes the session's on the server; one
 * that another thread has keeps the place. */
void mapped_cell_close(hf_object *object);

#endif
