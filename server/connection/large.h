/* Threads that serve large requests, and encode large replies.
 *
 * A request of 16 MB takes up to 200 ms to decode, a reply of 200,000 values 29 ms to encode. On a thread of a
 * transport, or of the pollers, that would delay all connections of the thread (head-of-line blocking).
 *
 * layer   connection, internal
 * shapes  LARGE_THREADS threads; connections wait for a free thread in two queues, each at most once in
 *         each, so that the queues need no bound of their own. A thread takes of both in turn.
 * threads large_add_request, large_add_reply: any
 * memory  owns nothing: a queued connection is kept alive by its activity, "reading" or "draining"
 */
#ifndef HF_CONNECTION_LARGE_H
#define HF_CONNECTION_LARGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

/* A message with a longer body is large: 24,000 values of 4 bytes take 9 ms to decode. */
#define LARGE_BODY_BYTES (96u << 10)
#define LARGE_THREADS 4

struct connection;

struct large {
  pthread_mutex_t lock; /* for all below */
  pthread_cond_t changed;
  STAILQ_HEAD(, connection) requests; /* by next_in_queue */
  STAILQ_HEAD(, connection) replies;  /* by next_to_send */
  bool is_stopping;

  void (*serve)(struct connection *connection);
  void (*send)(struct connection *connection);
  pthread_t threads[LARGE_THREADS];
  size_t started;
};

/* `serve` has the activity "reading": it serves the connection's input, and gives reading to the transport.
 * `send` has "draining": it sends the connection's large replies. false: no threads; large_deinit is due
 * all the same. */
bool large_start(struct large *large, void (*serve)(struct connection *connection),
                 void (*send)(struct connection *connection));
/* No connection may be queued or served any more; what a thread does after the last is done when it
 * returns. A second time: nothing. */
void large_stop(struct large *large);
void large_deinit(struct large *large);
/* Pass an activity of the connection on to one of the threads: "reading" ... */
void large_add_request(struct large *large, struct connection *connection);
/* ... and "draining". */
void large_add_reply(struct large *large, struct connection *connection);

#endif
