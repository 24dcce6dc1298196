/* Adaptive spinning: for how long the rings' thread polls after the last traffic, before it waits in
 * epoll. The budget doubles on a hit and halves on a miss, down to 0. There is a minimum while a
 * client is awake on another processor: its next request is near. After a request that came alone
 * the thread does not spin, because the client may need this processor.
 *
 * layer   transport, internal
 * threads the rings' thread's
 */
#ifndef HF_TRANSPORT_SPIN_H
#define HF_TRANSPORT_SPIN_H

#include <stdbool.h>
#include <stdint.h>

struct spin {
  uint64_t span_ns, span_ns_max; /* 0: one processor */
  uint64_t last_traffic_ns;
  bool is_waiting;  /* has spun since the last traffic */
  bool is_followed; /* a client is awake on another processor */
  bool is_pressed;  /* the last two traffics were close to each other */
};

/* With one processor the budget is always 0. */
void spin_init(struct spin *spin);
void spin_record_traffic(struct spin *spin, uint64_t now_ns);
/* Whether to poll once more before sleeping. */
bool spin_goes_on(struct spin *spin, uint64_t now_ns);
/* The thread goes to sleep. */
void spin_end(struct spin *spin);

#endif
