/* Pollers: threads that busy-poll ready connections, so that the next request wakes no thread.
 *
 * layer   connection, internal
 * shapes  POLLED_MAX connections a poller, POLLERS_MAX pollers; see pollers.c
 * threads the transports' threads, which call `readable`; a transport with a polling thread of its own
 *         does not use pollers
 * memory  owns nothing: a queued or polled connection is kept alive by its activity "reading"
 * source  nng_shim.h: a polled read costs half of a read that wakes a thread
 *
 *      readable <---------------------------------------------.
 *          |                                                  |
 *          v           not busy, or the pollers are idle      |
 *       served, perhaps after a time in the run queue --------+
 *          |                                                  |
 *          v           not busy any more, slow, or all idle   |
 *       polled, and served -----------------------------------'
 *
 * A connection is busy if it was served a few milliseconds ago. Up to half of the processors have a
 * poller, which polls its connections in rounds for as long as requests come. A thread that finds all
 * pollers at work puts its connection into the run queue and returns to its transport; a poller takes
 * the queue after each round.
 *
 * Adaptive spinning: 50 us after the last request a poller gives up its connections and returns to its
 * transport; 150 us if replies waited for the log: what their peers do next takes longer to come, and little beside
 * that. Then no connection is polled for a while, with exponential backoff up to 20 ms. A
 * spinning poller yields its processor. With one processor no connection is polled.
 *
 * Leader: a poller all of whose connections have to wait for the log commits itself, if the log is idle. Another thread
 * may become a poller meanwhile.
 */
#ifndef HF_CONNECTION_POLLERS_H
#define HF_CONNECTION_POLLERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct connection;

struct pollers {
  unsigned count_max;                 /* 0: one processor */
  atomic_uint_fast64_t idle_until_ns; /* no connection is polled before */
  atomic_uint_fast64_t idle_ns;       /* the last idle time; 0: polling has found a request since */
  atomic_bool some_are_queued;        /* a hint without the lock */

  pthread_mutex_t lock;            /* for all below */
  STAILQ_HEAD(, connection) queue; /* run queue, by next_in_queue */
  unsigned count;                  /* pollers at work */
  unsigned leading;                /* of them, those that commit */
  pthread_cond_t none;             /* it became 0 */
};

void pollers_init(struct pollers *pollers);
/* All connections are gone: waits until no poller is at work, which may use dispatch until then. */
void pollers_await_none(struct pollers *pollers);
/* No call may be under way. */
void pollers_deinit(struct pollers *pollers);
/* Serves the readable connection, now or when a poller is free, then goes on with reading. The caller
 * has the activity "reading" and gives it to the pollers. */
void pollers_serve(struct pollers *pollers, struct connection *connection);

#endif
