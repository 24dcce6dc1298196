/* Threads that serve large requests.
 *
 * A request of 16 MB takes up to 200 ms to decode. On a thread of a transport, or of the pollers, that
 * would delay all connections of the thread (head-of-line blocking).
 *
 * layer   connection, internal
 * shapes  LARGE_THREADS threads; connections wait for a free thread in a queue, each at most once, so
 *         that the queue needs no bound of its own
 * threads large_add: any
 * memory  owns nothing: a queued connection is kept alive by its activity "reading"
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
  STAILQ_HEAD(, connection) queue; /* by next_in_queue */
  bool is_stopping;

  void (*serve)(struct connection *connection);
  pthread_t threads[LARGE_THREADS];
  size_t started;
};

/* `serve` serves the connection's input, and gives reading to the transport. false: no threads;
 * large_deinit is due all the same. */
bool large_start(struct large *large, void (*serve)(struct connection *connection));
/* No connection may be queued or served any more; what a thread does after the last is done when it
 * returns. A second time: nothing. */
void large_stop(struct large *large);
void large_deinit(struct large *large);
/* Passes the activity "reading" on to one of the threads, which serves the connection. */
void large_add(struct large *large, struct connection *connection);

#endif
