/* The end of a connection: closed, ended by its last activity, freed with its last reference.
 *
 * layer   connection, internal
 * threads any
 */
#ifndef HF_CONNECTION_ENDING_H
#define HF_CONNECTION_ENDING_H

#include "server/connection/connection_parts.h"

/* Call with the lock. Closing relies on an activity that is under way, or that the caller is just
 * ending: this activity ends the connection. */
void connection_close_locked(struct connection *connection, const char *why);
/* Call with the lock. Whether this was the last activity; if so, call connection_end without the
 * lock. */
bool connection_has_ended_locked(const struct connection *connection);
void connection_end(struct connection *connection);
void connection_release(struct connection *connection);

/* Of one that was not accepted: frees all but its stream; takes it out of its set. */
void connection_discard(struct connection *connection);
void connection_leave_set(struct connection *connection);

#endif
