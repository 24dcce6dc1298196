/* One peer: its hello, its requests in, its replies out; whatever its transport.
 *
 * layer   connection, internal
 * threads reading: whoever has that activity, see transport.h; replies come from any thread
 * memory  counted: the set holds one reference until the connection has ended, whoever looks it up
 *         holds another. Freed with the last.
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
 * Where the transport has said hello before (transport_peer.protocol) the first state is OPEN.
 *
 * Two activities keep a connection alive: reading (the transport waits for bytes, or what it brought
 * is being served, or a poller has the connection in between) and draining (the transport waits for
 * room). Until it has ended at least one of them runs: reading stops only in DRAINING, which implies
 * unsent bytes, and these imply the other. Whichever of them finds CLOSING and is the last ends the
 * connection.
 */
#ifndef HF_CONNECTION_CONNECTION_H
#define HF_CONNECTION_CONNECTION_H

#include "server/transport/transport.h"

struct connection;

/* For struct transport_acceptor. Takes the stream on true. */
bool connection_accept(void *set, const struct transport *transport, void *stream,
                       const struct transport_peer *peer, void **connection);
/* What the transport calls. */
extern const struct transport_events connection_events;

/* Closes it; what is unsent is tried once more. Ends later, on another thread. */
void connection_close(struct connection *connection, const char *why);
/* Replies are left that its peer may still take. */
bool connection_is_unsent(struct connection *connection);

#endif
