/* One peer: its hello, its requests in, its replies out.
 *
 * layer   net, internal
 * threads nng's task threads; replies come from any thread
 * memory  counted: the table holds one reference until the connection has ended, whoever looks it
 *         up holds another. Freed with the last.
 *
 *               accepted
 *                  |
 *                HELLO ----- bad, late or refused ---------.
 *                  | theirs read, ours on its way          |
 *                  v                                       v
 *      .-------> OPEN ---- peer left, bad frame, stop --> CLOSING --> ended, freed
 *      |           | its outbox is full                    ^
 *      |           v                                       |
 *      '------ DRAINING -- nothing taken in time ----------'
 *       has room
 *
 *   from \ to   HELLO  OPEN  DRAINING  CLOSING
 *   HELLO               x                 x
 *   OPEN                        x         x
 *   DRAINING            x                 x
 *   CLOSING
 *
 * Two activities keep a connection alive: reading (a receive is under way, what it brought is being
 * served, or the crew has the connection in between) and draining (a send that could not complete
 * at once is under way). Until it has ended at least one of them runs: reading stops only in
 * DRAINING, which implies unsent bytes, and these imply the other. Whichever of them finds CLOSING
 * and is the last ends the connection.
 */
#ifndef HF_NET_CONNECTION_H
#define HF_NET_CONNECTION_H

#include "server/net/table.h"

#include <nng/nng.h>

/* Takes the stream, whatever comes of it, and begins with the hello. */
void connection_start(struct table *table, nng_stream *stream, enum sp_transport transport);
/* Closes it; what is unsent is tried once more. Ends later, on another thread. */
void connection_close(struct connection *connection, const char *why);
/* Replies are left that its peer may still take. */
bool connection_is_unsent(struct connection *connection);
void connection_acquire(struct connection *connection);
void connection_release(struct connection *connection);

/* See struct dispatch_sink. `own` tells that the caller serves this very connection. */
bool connection_deliver(struct connection *connection, const struct sp_route *route,
                        struct reply *reply, bool own);

#endif
