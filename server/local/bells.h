/* How the local thread sleeps, and what wakes it: a word of each client that rests, and one of our
 * own that the server's other threads ring.
 *
 * layer   local, internal
 * threads bells_ring: any; the rest is the local thread's
 * limits  BELLS_MAX clients; those that rest beyond that knock at the door's socket
 * source  futex_waitv(2), Linux 5.16. Where there is none every client knocks at its socket.
 *         Measured: waking a thread by a futex and hearing from it takes 4 us where a packet,
 *         epoll and taking the packet away take 6.
 *
 * A client rings by changing its word from RING_BELL_FUTEX, which is what we sleep on, and waking
 * whoever does. It may write there what it likes: that wakes us too often, or not for it.
 */
#ifndef HF_LOCAL_BELLS_H
#define HF_LOCAL_BELLS_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BELLS_MAX 16

struct bells {
  atomic_uint own; /* 1: rung */
  bool has_many;   /* the kernel waits for many words at once */
  size_t count;    /* of clients; the longest there first */
  void *owners[BELLS_MAX];
  struct futex_waitv words[1 + BELLS_MAX]; /* our own, then theirs */
};

void bells_init(struct bells *bells);

/* Wakes the local thread, or keeps it from going to sleep. */
void bells_ring(struct bells *bells);
/* Whether that was done since it was last asked. */
bool bells_take_ring(struct bells *bells);

/* Whether a client may be told to ring a word. */
bool bells_have_room(const struct bells *bells);
/* Makes room, if need be: the one that hung longest has to knock from now on. Answers its owner if
 * it rang at that moment. */
void *bells_make_room(struct bells *bells);
/* Listens to the word too, which says RING_BELL_FUTEX, or did. There is room. */
void bells_hang(struct bells *bells, _Atomic uint32_t *word, void *owner);
/* If it is there. The word is not looked at. */
void bells_take_down(struct bells *bells, const void *owner);
/* Takes down one that was rung and answers its owner; NULL: none was. */
void *bells_take_rung(struct bells *bells);

/* Returns when a bell was rung, at once if one was already; at the deadline; or for no reason. */
void bells_sleep(struct bells *bells, uint64_t deadline_ns);

#endif
