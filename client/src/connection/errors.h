/* Errors: the thread's last one, and those on their way from a reply to the thread that waits.
 *
 * layer   client, connection
 * threads struct failure is passed between threads under the connection's mutex; the last error is
 *         the thread's own
 */
#ifndef HF_CLIENT_ERRORS_H
#define HF_CLIENT_ERRORS_H

#include <holdfast/holdfast.h>

#include "proto/base/bytes.h"

#define ERROR_REASON_BYTES 64
#define ERROR_MESSAGE_BYTES 512

/* What went wrong with one call. Heap; freed by whoever reports it. */
struct failure {
  hf_status status;
  uint32_t part; /* of a list of operations, from 1; 0: the whole */
  char reason[ERROR_REASON_BYTES];
  char message[ERROR_MESSAGE_BYTES];
};

/* Copies, cutting what is too long. NULL: out of memory, report the bare status then. */
struct failure *failure_new(hf_status status, struct bytes reason, struct bytes message);
/* With the reason's own sentence. */
struct failure *failure_of(hf_reason reason);
/* The same failure once more; NULL stays NULL. */
struct failure *failure_copy(const struct failure *failure);

/* Makes it this thread's last error, frees it, and answers the status. */
hf_status error_take(hf_status status, struct failure *failure);
/* The part the thread's last error is about. */
uint32_t error_part(void);
/* Makes `reason` this thread's last error, with its own sentence; answers its status. */
hf_status error_reason(hf_reason reason);
/* The same with another sentence. */
hf_status error_format(hf_reason reason, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
