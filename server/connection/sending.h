/* The outgoing half of a connection: replies are framed into one buffer and leave with one write.
 *
 * layer   connection, internal
 * threads any
 */
#ifndef HF_CONNECTION_SENDING_H
#define HF_CONNECTION_SENDING_H

#include "server/connection/connection_parts.h"

struct flush_list;

/* Call with the lock. Sends as much as fits at once, and waits for room for the rest. */
void connection_flush_locked(struct connection *connection);
/* Event: there is room, or the wait for it is over. */
void connection_drained(struct connection *connection);
/* See struct dispatch_sink. The list is that of the connection whose messages cause the reply; NULL:
 * there is none. */
bool connection_deliver(struct connection *connection, const struct sp_route *route,
                        struct reply *reply, struct flush_list *list);

#endif
