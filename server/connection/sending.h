/* The outgoing half of a connection: replies are framed into one buffer and leave with one write.
 *
 * layer   connection, internal
 * threads any
 */
#ifndef HF_CONNECTION_SENDING_H
#define HF_CONNECTION_SENDING_H

#include "server/connection/connection_parts.h"

struct batch_delivery;
struct flush_list;

/* Call with the lock. Sends as much as fits at once, and waits for room for the rest. */
void connection_flush_locked(struct connection *connection);
/* Event: there is room, or the wait for it is over. */
void connection_drained(struct connection *connection);
/* Encodes and sends large replies, part by part, as the activity "draining" (large.h). */
void connection_send_large(struct connection *connection);
/* Takes the replies, all of this connection. The connection, if nobody serves it, is flushed with the list, or
 * at once when that is full. Whether there is room for more. */
bool connection_deliver(struct connection *connection, const struct batch_delivery *deliveries,
                        size_t count, struct flush_list *list);

#endif
