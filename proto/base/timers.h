/* Deadlines in order: a binary heap of timers that live inside other structs.
 *
 * layer   base; time is an argument
 * cost    O(log n) to start or stop, O(1) to look
 */
#ifndef HF_BASE_TIMERS_H
#define HF_BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
  uint64_t deadline_ns;
  uint64_t order;  /* among those of one deadline: the first started is the first to expire */
  size_t position; /* in the heap, from 1; 0: not started */
  int kind;        /* which struct it lives in, where a heap has several */
};

struct timers {
  struct timer **heap; /* heap[0] is the first to expire */
  size_t count, capacity;
  uint64_t next_order;
};

/* The timers in it are forgotten, not stopped. */
void timers_deinit(struct timers *timers);
/* So that one more can be started. false: out of memory. */
bool timers_make_room(struct timers *timers);
/* timer is borrowed until it is stopped or popped. false: out of memory. */
bool timers_start(struct timers *timers, struct timer *timer, uint64_t deadline_ns);
/* The same, with the turn that it was given when it was started. */
bool timers_put_back(struct timers *timers, struct timer *timer, uint64_t deadline_ns,
                     uint64_t order);
/* Started or not, it expires then. false: out of memory, which can't be when it was started;
 * unchanged. */
bool timers_restart(struct timers *timers, struct timer *timer, uint64_t deadline_ns);
/* Harmless when it is not started. */
void timers_stop(struct timers *timers, struct timer *timer);
/* Removes and answers one whose deadline is not after now; NULL: none. */
struct timer *timers_pop(struct timers *timers, uint64_t now_ns);
/* Of the first to expire; CLOCK_NEVER when there is none. */
uint64_t timers_next_deadline_ns(const struct timers *timers);

#endif
