/* One peer: its hello, its requests in, its replies out; whatever its transport.
 *
 * layer   connection, internal
 * threads reading: the thread that has that activity, see transport.h; replies come from any thread
 * memory  Reference counted: the set has a reference until the connection has ended, set_acquire gives
 *         another.
 *
 *               accepted
 *                  |
 *                HELLO ----- bad, late or refused ---------.
 *                  | peer's read, server's being sent      |
 *                  v                                       v
 *      .-------> OPEN ---- peer left, bad frame, stop --> CLOSING --> ended, freed
 *      |           | its outbox is full                    ^
 *      |           v                                       |
 *      '------ DRAINING -- nothing taken in time ----------'
 *       has room
 *
 * A peer that is not admitted (users_find) gets the hello, and its first request is answered with the
 * reason; then the connection closes. One that gets no replies is closed at once. A connection beyond its
 * user's quota is OPEN, but closes if its first request is late; the engine refuses that, and closes.
 *
 *   from \ to   HELLO  OPEN  DRAINING  CLOSING
 *   HELLO               x                 x
 *   OPEN                        x         x
 *   DRAINING            x                 x
 *   CLOSING
 *
 * The first state is OPEN if the transport has read the hello (transport_peer.protocol).
 *
 * While its user is beyond its rate, or the log has no room for what it may change, a connection is OPEN, but
 * neither served nor read from: reading is the transport's, which gives it back after the pause.
 *
 * Two activities keep a connection alive: reading (the transport waits for bytes, or requests are
 * being served, or a poller has the connection in between) and draining (the transport waits for
 * room). Invariant: until the connection has ended at least one of the two runs, because reading stops
 * only in DRAINING, DRAINING implies unsent bytes, and these imply draining. The last activity that
 * finds CLOSING ends the connection.
 */
#ifndef HF_CONNECTION_CONNECTION_H
#define HF_CONNECTION_CONNECTION_H

#include "server/transport/transport.h"

struct connection;

/* For struct transport_acceptor. Takes the stream on true. */
bool connection_accept(void *set, const struct transport *transport, void *stream,
                       const struct transport_peer *peer, void **connection);
/* The events that the transport calls. */
extern const struct transport_events connection_events;

/* Sends once more what is unsent, but a large reply, then closes. The connection ends later, on another thread. */
void connection_close(struct connection *connection, const char *why);
/* Who its peer is; borrowed, and the same for all its life. */
const struct identity *connection_identity(const struct connection *connection);
/* Whether replies are left that the peer may still read. */
bool connection_is_unsent(struct connection *connection);

#endif
