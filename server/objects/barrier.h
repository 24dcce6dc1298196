/* The barrier: parties wait for each other, then all go on.
 *
 *              the last party arrives
 *   FILLING ----------------------------> (released: FILLING again, empty)
 *    |  ^   \
 *    |  |    \ .. and has an action   ACTING ---- done ---> (released)
 *    |  |     '-------------------------^  |
 *    |  | reset                            | abort, the actor is gone
 *    v  |                                  v
 *   BROKEN <-------------------------------'
 *    timeout, abort, or the end of a party that waits
 *
 * layer   objects
 * source  Python's threading.Barrier: an index for each party in order of arrival; broken for all
 * until reset
 */
#ifndef HF_OBJECTS_BARRIER_H
#define HF_OBJECTS_BARRIER_H

#include <stdint.h>

/* Snapshots have these numbers. */
enum barrier_state { BARRIER_FILLING, BARRIER_ACTING, BARRIER_BROKEN };

struct barrier {
  enum barrier_state state;
  uint64_t parties;
  uint64_t arrived;      /* of this round */
  uint64_t actor_serial; /* ACTING: the session that runs the action */
  uint64_t
      ended_count; /* rounds that have ended, by release, reset or break; this one's number is one more */
};

#endif
