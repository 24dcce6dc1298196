/* The inside of a connection, shared by connection.c, reading.c and sending.c.
 *
 * layer   connection, internal to these files
 */
#ifndef HF_CONNECTION_CONNECTION_PARTS_H
#define HF_CONNECTION_CONNECTION_PARTS_H

#include "server/connection/connection.h"
#include "server/dispatch/split.h"

enum connection_state {
  CONNECTION_HELLO,
  CONNECTION_OPEN,
  CONNECTION_DRAINING,
  CONNECTION_CLOSING,
};

struct connection {
  struct connection_set *set; /* borrowed */
  const struct transport *transport;
  void *stream; /* owned; freed through the transport */
  uint64_t id;
  uint64_t address; /* of its peer; see struct transport_peer */
  atomic_uint references;

  /* Only the activity "reading" touches these. */
  struct buffer input;
  struct budget_account input_account;
  struct split split;
  bool is_lent;         /* the transport may fill the input */
  bool has_unserved;    /* whole messages may be left in the input, from before it was drained */
  bool announced;       /* dispatch knows it */
  bool is_slow;         /* its last requests took long */
  uint64_t served_ns;   /* when they were; 0: never */
  uint32_t small_reads; /* in a row, since a larger one */
  uint64_t hello_deadline_ns;
  struct connection *next_in_queue; /* of the pollers, or of large.h */

  pthread_mutex_t lock; /* for all below */
  enum connection_state state;
  bool reading;
  bool draining;
  bool serving;      /* dispatch_messages is under way */
  bool close_wanted; /* as soon as it is not */
  bool flush_queued; /* some thread's batch will flush it */
  const char *why;   /* it closes, or is to when it is served; static */
  struct outbox outbox;
  struct buffer taken; /* what await_writable was given */
};

/* These want the lock. Closing relies on an activity that is under way, or whose end the caller is
 * just dealing with: it ends the connection. */
void connection_close_locked(struct connection *connection, const char *why);
/* Sends what can be sent at once, and waits for room for the rest. */
void connection_flush_locked(struct connection *connection);
/* Whether this was the last activity; if so, call connection_end without the lock. */
bool connection_has_ended_locked(const struct connection *connection);

void connection_end(struct connection *connection);

/* The transport has read the peer's hello. false: out of memory. */
bool connection_open(struct connection *connection, uint16_t protocol);

/* For who has the activity "reading"; see struct transport_events. After TRANSPORT_POLL_GONE the
 * connection may be freed. */
enum transport_poll connection_poll(struct connection *connection);
/* The same for a thread of large.h: serves the input, and gives reading to the transport. */
void connection_serve_large(struct connection *connection);
/* Gives reading to the transport; the connection may be freed. */
void connection_wait(struct connection *connection);
/* Event: there is room, or the wait for it is over. */
void connection_drained(struct connection *connection);

#endif
