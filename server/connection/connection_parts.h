/* The inside of a connection.
 *
 * layer   connection, internal
 */
#ifndef HF_CONNECTION_CONNECTION_PARTS_H
#define HF_CONNECTION_CONNECTION_PARTS_H

#include "server/dispatch/outbox.h"
#include "server/dispatch/split.h"
#include "server/transport/transport.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

struct connection_set;

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
  uint64_t address;          /* of its peer; see struct transport_peer */
  struct identity *identity; /* malloc, of identity_bytes */
  atomic_uint references;

  /* Only the activity "reading" touches these. */
  struct buffer input;
  struct budget_account input_account;
  struct split split;
  bool is_posted;    /* the transport may fill the input */
  bool has_unserved; /* messages may be left in the input, from before DRAINING or a pause */
  /* Before it is read from, or served, again: its user is beyond its rate, or the log has no room. */
  uint32_t pause_ms;
  bool announced;       /* dispatch_connected was called */
  bool is_beyond_quota; /* of its user, and has sent no request yet */
  char *refusal;        /* why its peer is not admitted; malloc. NULL: it is */
  bool was_long;        /* its last requests took long */
  bool is_slow;         /* those before as well, or a thread of large.h served the last */
  uint64_t awaited;     /* the batch of the log that its last replies wait for; 0: none */
  uint32_t
      alternations; /* its last requests, in a row, came when none of its replies waited for the log */
  uint64_t served_ns;   /* when its last requests were served; 0: never */
  uint32_t small_reads; /* in a row, since a larger one */
  uint64_t hello_deadline_ns;
  STAILQ_ENTRY(connection) next_in_queue; /* of the pollers, or of large.h's requests */

  pthread_mutex_t lock; /* for all below */
  enum connection_state state;
  bool reading;
  bool draining;
  bool serving;      /* dispatch_messages is under way */
  bool close_wanted; /* close as soon as `serving` is false */
  bool flush_queued; /* in a flush list */
  const char *why;   /* the reason to close; static */
  struct outbox outbox;
  struct buffer
      taken; /* the bytes that await_writable was given; "draining" has it without the lock */
  STAILQ_ENTRY(connection) next_to_send; /* of large.h's replies */
};

static inline void connection_acquire(struct connection *connection) {
  atomic_fetch_add_explicit(&connection->references, 1, memory_order_relaxed);
}

#endif
