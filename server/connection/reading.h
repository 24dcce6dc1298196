/* The incoming half of a connection: the hello, then requests, read after read.
 *
 * layer   connection, internal
 * threads the thread that has the activity "reading"; see struct transport_events
 */
#ifndef HF_CONNECTION_READING_H
#define HF_CONNECTION_READING_H

#include "server/connection/connection_parts.h"

/* The transport has read the peer's hello. false: out of memory. */
bool connection_open(struct connection *connection, uint16_t protocol);
/* After TRANSPORT_POLL_GONE the connection may be freed. */
enum transport_poll connection_poll(struct connection *connection);
/* Whether replies to its last requests wait for the log. */
bool connection_awaits_log(const struct connection *connection);
/* For a thread of large.h: serves the input, and gives reading to the transport. */
void connection_serve_large(struct connection *connection);
/* Gives reading to the transport; the connection may be freed. */
void connection_wait(struct connection *connection);

#endif
