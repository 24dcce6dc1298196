/* The ways a thread can send its calls on a connection other than one by one: a pipeline, one-way,
 * gathered. At most one of them is open at a time.
 *
 * layer   client
 */
#ifndef HF_CLIENT_MODE_H
#define HF_CLIENT_MODE_H

#include <holdfast/holdfast.h>

/* Whether the calling thread has one open. */
bool mode_is_open(const hf_conn *conn);
/* HF_OK: none is open | FAILED_PRECONDITION ALREADY_OPEN */
hf_status mode_check_none(const hf_conn *conn);
/* FAILED_PRECONDITION with that sentence and no reason word. */
hf_status mode_error(const char *sentence);

#endif
