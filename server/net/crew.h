/* Which threads serve connections, and how a busy one gets its next request without waking any.
 *
 * layer   net, internal
 * shapes  SEATS connections a member, MEMBERS_MAX members; see crew.c
 * threads any
 * memory  owns nothing: what is in line or has a seat is held by its activity "reading"
 * source  nng_shim.h: a receive without callback is seen by a thread that is awake by looking
 *
 *      received, by callback <--------------------------------.
 *          |                                                  |
 *          v           not hot, or the crew rests             |
 *       served, perhaps after a time in line -----------------+
 *          |                                                  |
 *          v           not hot any more, slow, or all quiet   |
 *       has a seat -------------------------------------------'
 *        |      ^
 *        '------' receives without callback, served
 *
 * A connection is hot when it was served a few milliseconds ago. Up to half of the processors have
 * a member: a task thread that goes round its seats for as long as requests come. A task thread
 * that finds all members at work leaves its connection in line and goes back for the next
 * completion; the members look there after each round.
 *
 * Nothing spins for long: 50 us after the last request a member gives up its seats and goes back
 * to nng, and nobody is seated for a while then, up to 20 ms if it happens again and again. While
 * it spins it offers its processor to others. With one processor nobody is seated at all.
 */
#ifndef HF_NET_CREW_H
#define HF_NET_CREW_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct connection;

struct crew {
  unsigned members_max;               /* 0: one processor */
  atomic_uint_fast64_t rest_until_ns; /* nobody is seated before */
  atomic_uint_fast64_t rest_ns;       /* the last rest; 0: spinning paid since */
  atomic_bool somebody_waits;         /* the line is not empty; a hint without the lock */

  pthread_mutex_t lock;            /* for all below */
  struct connection *first, *last; /* in line, by next_in_line */
  unsigned member_count;
};

void crew_init(struct crew *crew);
/* No call may be under way. */
void crew_deinit(struct crew *crew);
/* Goes on with what is in the connection's input, now or when it is its turn, then with receiving.
 * The activity "reading" is the caller's and goes to the crew. */
void crew_serve(struct crew *crew, struct connection *connection);

#endif
