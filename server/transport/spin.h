/* For how long the rings' thread goes round after the last traffic, before it sleeps: half as long
 * each time that it was in vain, because the next client may need this very processor, and at last
 * not at all; twice as long when it was not. A client that was awake to see its reply, on another
 * processor, is waited for in any case: its next request is near. But all that only when requests
 * follow each other closely: after one that comes alone it sleeps at once, because its client may
 * have been put aside for us.
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
  bool is_waiting;  /* went round in vain since the last traffic */
  bool is_followed; /* by a client that is awake elsewhere */
  bool is_pressed;  /* the last traffic came soon after that before */
};

/* Never goes round where there is but one processor. */
void spin_init(struct spin *spin);
void spin_note_traffic(struct spin *spin, uint64_t now_ns);
/* Whether to look once more before sleeping. */
bool spin_goes_on(struct spin *spin, uint64_t now_ns);
/* It goes to sleep. */
void spin_end(struct spin *spin);

#endif
