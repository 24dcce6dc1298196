/* Which threads serve connections, and how a busy one gets its next request without waking any.
 *
 * layer   connection, internal
 * shapes  POLLED_MAX connections a poller, POLLERS_MAX pollers; see pollers.c
 * threads those of transports, which call `readable`; a transport that polls by its own thread needs
 *         none of this
 * memory  owns nothing: what is queued or polled is held by its activity "reading"
 * source  nng_shim.h: bytes that a thread sees by looking cost half of those it is woken for
 *
 *      readable <---------------------------------------------.
 *          |                                                  |
 *          v           not hot, or the pollers are idle       |
 *       served, perhaps after a time in the run queue --------+
 *          |                                                  |
 *          v           not hot any more, slow, or all quiet   |
 *       polled, and served -----------------------------------'
 *
 * A connection is hot when it was served a few milliseconds ago. Up to half of the processors have
 * a poller: a thread that goes round its connections for as long as requests come. A thread that
 * finds all pollers at work leaves its connection in the run queue and goes back to its transport;
 * the pollers look there after each round.
 *
 * Nothing spins for long: 50 us after the last request a poller gives up its connections and goes
 * back to its transport, and no connection is polled for a while then, up to 20 ms if it happens
 * again and again. While it spins it offers its processor to others. With one processor no
 * connection is polled at all.
 */
#ifndef HF_CONNECTION_POLLERS_H
#define HF_CONNECTION_POLLERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct connection;

struct pollers {
  unsigned count_max;                 /* 0: one processor */
  atomic_uint_fast64_t idle_until_ns; /* no connection is polled before */
  atomic_uint_fast64_t idle_ns;       /* the last idle time; 0: spinning paid since */
  atomic_bool some_are_queued;        /* a hint without the lock */

  pthread_mutex_t lock;            /* for all below */
  struct connection *first, *last; /* the run queue, by next_in_queue */
  unsigned count;                  /* threads at work */
};

void pollers_init(struct pollers *pollers);
/* No call may be under way. */
void pollers_deinit(struct pollers *pollers);
/* Serves the connection, which is readable, now or when it is its turn, then goes on with reading.
 * The activity "reading" is the caller's and goes to the pollers. */
void pollers_serve(struct pollers *pollers, struct connection *connection);

#endif
