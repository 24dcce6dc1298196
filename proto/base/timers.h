/* Deadlines in order: a binary heap of timers that are members of other structs.
 *
 * layer   base; time is an argument
 * cost    O(log n) to start or stop, O(1) for the next deadline
 */
#ifndef HF_BASE_TIMERS_H
#define HF_BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
  uint64_t deadline_ns;
  uint64_t order;  /* of timers with one deadline the first started is the first to expire */
  size_t position; /* in the heap, from 1; 0: not started */
  int kind;        /* which struct the timer is a member of, in a heap with several */
};

struct timers {
  struct timer **heap; /* heap[0] is the first to expire */
  size_t count, capacity;
  uint64_t next_order;
};

/* Frees the heap; its timers are not stopped. */
void timers_deinit(struct timers *timers);
/* Reserves memory for starting one more timer. false: out of memory. */
bool timers_make_room(struct timers *timers);
/* The timer is borrowed until stopped or popped. false: out of memory. */
bool timers_start(struct timers *timers, struct timer *timer, uint64_t deadline_ns);
/* The same with `order` as it was when the timer was started, for a restored heap. */
bool timers_put_back(struct timers *timers, struct timer *timer, uint64_t deadline_ns,
                     uint64_t order);
/* Sets the deadline of a timer, started or not. false: out of memory, unchanged; impossible for a
 * started timer. */
bool timers_restart(struct timers *timers, struct timer *timer, uint64_t deadline_ns);
/* Ignored if the timer is not started. */
void timers_stop(struct timers *timers, struct timer *timer);
/* Removes and returns the next timer whose deadline is not after now; NULL: none. */
struct timer *timers_pop(struct timers *timers, uint64_t now_ns);
/* The next deadline; CLOCK_NEVER: no timer is started. */
uint64_t timers_next_deadline_ns(const struct timers *timers);

#endif
