/* Errors: the thread's last error, and failures passed from the receiving thread to the waiting
 * thread.
 *
 * layer   client, connection
 * threads A struct failure is passed between threads under the connection's mutex; the last error
 *         is thread-local.
 */
#ifndef HF_CLIENT_ERRORS_H
#define HF_CLIENT_ERRORS_H

#include <holdfast/holdfast.h>

#include "proto/base/bytes.h"

#define ERROR_REASON_BYTES 64
#define ERROR_MESSAGE_BYTES 512

/* The failure of a call, allocated; freed when reported. */
struct failure {
  hf_status status;
  uint32_t part; /* of a list of operations, from 1; 0: the whole */
  char reason[ERROR_REASON_BYTES];
  char message[ERROR_MESSAGE_BYTES];
};

/* Copies, and cuts strings that are too long. NULL: out of memory; the status is reported without
 * strings. */
struct failure *failure_new(hf_status status, struct bytes reason, struct bytes message);
/* A failure with the reason's sentence. */
struct failure *failure_of(hf_reason reason);
/* A copy of the thread's last error. */
struct failure *failure_of_error(void);
/* A copy; NULL for NULL. */
struct failure *failure_copy(const struct failure *failure);

/* Sets the thread's last error, frees the failure, and returns the status. */
hf_status error_take(hf_status status, struct failure *failure);
/* For work on another thread's call: the last error, and setting it again afterwards. */
struct failure error_keep(void);
void error_restore(const struct failure *kept);
/* The part that the thread's last error is about. */
uint32_t error_part(void);
/* Sets the thread's last error to `reason` with its sentence; returns its status. */
hf_status error_reason(hf_reason reason);
/* The same with another sentence. */
hf_status error_format(hf_reason reason, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
