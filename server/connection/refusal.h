/* Whether a peer is admitted, and what one that is not is answered.
 *
 * layer   connection, internal
 * threads the activity "reading"
 */
#ifndef HF_CONNECTION_REFUSAL_H
#define HF_CONNECTION_REFUSAL_H

#include "server/connection/connection_parts.h"

enum admission {
  ADMISSION_GRANTED, /* dispatch_connected was called */
  ADMISSION_REFUSED, /* connection->refusal says why, and so does the log, at a limited rate */
  ADMISSION_FAILED,  /* no memory, or its user is gone meanwhile */
};

/* Finds the peer's user, once its protocol is known. */
enum admission refusal_admit(struct connection *connection);
/* The answer to a message of a peer that is not admitted, UNAUTHENTICATED NOT_ADMITTED, to be sent. false:
 * out of memory. */
bool refusal_answer(struct connection *connection, const struct dispatch_message *message);

#endif
