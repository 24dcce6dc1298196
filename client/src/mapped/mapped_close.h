/* Closing the handle of a mapped cell.
 *
 * layer   client, mapped
 * threads any
 */
#ifndef HF_CLIENT_MAPPED_CLOSE_H
#define HF_CLIENT_MAPPED_CLOSE_H

#include "client/src/mapped/mapped_cell.h"

/* To be called before the handle is freed. A lock that the calling thread took through the handle
 * becomes the session's on the server. A lock that another thread owns keeps the cell mapped. */
void mapped_cell_close(hf_object *object);

#endif
