/* All connections of the server, whatever their transports, and the sink of dispatch.
 *
 * layer   connection: called by server, calls dispatch
 * threads the transports' threads run connections, and never wait for a peer; with --data they may
 *         wait for commits (dispatch.h). The main thread calls connections_*
 *
 * A life: connections_new, dispatch_start with connections_sink, connections_acceptor for each
 * transport; when no transport accepts any more, without --data, dispatch_drain; connections_close, dispatch_stop;
 * when all transports are freed connections_free.
 */
#ifndef HF_CONNECTION_CONNECTIONS_H
#define HF_CONNECTION_CONNECTIONS_H

#include "server/dispatch/dispatch.h"
#include "server/transport/transport.h"

struct connections;
struct users;

/* connections_max: further connections are closed at once; transports with a limit of their own are
 * not counted. Lowered, and logged, if the process may not open that many descriptors.
 * users: who is admitted, and as which user; shared. NULL: out of memory, or no threads. */
struct connections *connections_new(uint32_t connections_max, struct users *users);
/* Other users from now on. Closes the connections whose peers are admitted no more, or as other users
 * than before, and, unless is_verified_alike, those of all peers with certificates. Call after
 * dispatch_set_users. */
void connections_set_users(struct connections *connections, struct users *users,
                           bool is_verified_alike);
/* Borrowed; valid until connections_free. */
const struct dispatch_sink *connections_sink(const struct connections *connections);
/* Takes streams of transports; borrowed until connections_free. */
const struct transport_acceptor *connections_acceptor(struct connections *connections,
                                                      struct dispatch *dispatch);
/* Closes every connection that there is now. */
void connections_drop(struct connections *connections, const char *why);
/* Takes no more connections, sends what is unsent for at most flush_ms, closes every connection and
 * waits until the last has been freed; their transports must still run. */
void connections_close(struct connections *connections, uint32_t flush_ms);
void connections_free(struct connections *connections);

#endif
