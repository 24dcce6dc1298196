/* Waiting a moment for the next request instead of going to sleep.
 *
 * layer   net, internal
 * threads the one that reads the connection
 * source  measured: of a round trip of about 55 us with one busy client, some 40 are the wake-up of
 *         the thread that runs nng's callback. A receive without callback completes on nng's poll
 *         thread, and a thread that is still awake sees it at once.
 *
 * It pays only for one client that sends request after request: with several, threads are awake
 * anyway. So a connection lingers when it alone was served lately; it ends as soon as another one
 * is, and is tried more and more seldom while it does not pay.
 */
#ifndef HF_NET_LINGERING_H
#define HF_NET_LINGERING_H

#include <nng/nng.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Of all connections: counts the turns in which requests were handed over. */
struct lingering_turns {
  atomic_uint_fast64_t count;
  bool forbidden; /* one processor: whoever lingers keeps the others from running */
};

struct lingering {
  nng_aio *receive; /* without callback; NULL until it is first needed */
  uint64_t last_turn;
  uint32_t row;     /* turns in a row that were this connection's alone */
  uint32_t skip;    /* times not to try */
  uint32_t penalty; /* the next skip */
};

void lingering_init_turns(struct lingering_turns *turns);
void lingering_deinit(struct lingering *lingering);
/* A turn of this connection. */
void lingering_note_turn(struct lingering *lingering, struct lingering_turns *turns);
/* Whether to start `receive` instead of the receive with a callback, and then wait. */
bool lingering_is_due(struct lingering *lingering, const struct lingering_turns *turns);
/* out  count  bytes received
 * 0 | NNG_ECANCELED nothing came, and nothing is under way | why the receive failed */
int lingering_wait(struct lingering *lingering, const struct lingering_turns *turns, size_t *count);

#endif
