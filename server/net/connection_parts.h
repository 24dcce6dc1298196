/* The inside of a connection, shared by connection.c, reading.c and sending.c.
 *
 * layer   net, internal to these files
 */
#ifndef HF_NET_CONNECTION_PARTS_H
#define HF_NET_CONNECTION_PARTS_H

#include "server/dispatch/split.h"
#include "server/net/connection.h"

enum connection_state {
  CONNECTION_HELLO,
  CONNECTION_OPEN,
  CONNECTION_DRAINING,
  CONNECTION_CLOSING,
};

struct connection {
  struct table *table; /* borrowed */
  uint64_t id;
  uint64_t address; /* of its peer; see address.h */
  atomic_uint references;
  nng_stream *stream;
  nng_aio *receive;
  nng_aio *listen; /* without callback, for the crew; NULL until it is first needed */
  nng_aio *send;   /* without callback: completes within nng_stream_send, or is cancelled */
  nng_aio *drain;  /* for what `send` could not do */

  /* Only the activity "reading" touches these. */
  struct buffer input;
  struct budget_account input_account;
  struct split split;
  bool pausing;         /* `receive` is a pause: there was no memory for its input */
  uint64_t served_ns;   /* when its last requests were; 0: never */
  bool is_slow;         /* they took long */
  uint32_t small_reads; /* in a row, since a larger one */
  uint64_t hello_deadline_ns;
  bool announced;                  /* dispatch knows it */
  struct connection *next_in_line; /* the crew's */

  pthread_mutex_t lock; /* for all below */
  enum connection_state state;
  bool reading;
  bool draining;
  bool serving;      /* dispatch_messages is under way */
  bool close_wanted; /* as soon as it is not */
  bool flush_queued; /* some thread's batch will flush it */
  const char *why;   /* it closes, or is to when it is served; static */
  struct outbox outbox;
  struct buffer taken; /* what the drain operation sends */
};

/* These want the lock. Closing relies on an activity that is under way, or whose end the caller is
 * just dealing with: it ends the connection. */
void connection_close_locked(struct connection *connection, const char *why);
/* Sends what can be sent at once, and leaves the rest to the drain operation. */
void connection_flush_locked(struct connection *connection);
/* Whether this was the last activity; if so, call connection_end without the lock. */
bool connection_has_ended_locked(const struct connection *connection);

void connection_end(struct connection *connection);

/* For the crew. These want the activity "reading" to be the caller's. It stays so after true; after
 * false, and after connection_receive, the connection may be gone. */

/* Serves what is in the input. true: go on with connection_receive or connection_listen. */
bool connection_serve(struct connection *connection);
/* Leaves it to the callback of the next receive. */
void connection_receive(struct connection *connection);
/* Starts a receive without callback, which wants `listen`. true: call connection_take_news, wanted
 * after connection_has_news, or unwanted at any time. */
bool connection_listen(struct connection *connection);
/* Only a hint, and cheap. */
bool connection_has_news(const struct connection *connection);
/* As connection_serve, for what was received; an unwanted receive is taken back if it is not done. */
bool connection_take_news(struct connection *connection, bool is_wanted);

/* The first receive; hello_deadline_ns is set. */
void connection_await_hello(struct connection *connection);
/* Callback of the receive operation. */
void connection_received(void *arg);
/* Callback of the drain operation. */
void connection_drained(void *arg);

/* Replies for other connections that dispatch writes meanwhile on this thread leave at the end. */
void connection_batch_begin(void);
void connection_batch_end(void);

#endif
