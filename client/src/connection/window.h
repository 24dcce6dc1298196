/* The window: requests that are under way, encoded, in the order of their sequences.
 *
 *   oldest                        unsent              newest
 *     [ sent, unanswered ... ]      [ not yet sent ... ]
 *
 * Answered requests leave from anywhere. After a lost link everything is unsent again. The id of a
 * REQ message is the slot's index, so that a reply finds its slot without a search.
 *
 * layer   client, connection
 * threads Connection's mutex held.
 * memory  A slot keeps its buffer for the next request, unless it has grown big.
 */
#ifndef HF_CLIENT_WINDOW_H
#define HF_CLIENT_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "client/src/connection/envelope.h"
#include "proto/limits.h"
#include "proto/sp.h"

/* The body of a reply: the REQ id it belongs to, and the message. */
#define REPLY_BODY_BYTES_MAX (HF_REPLY_BYTES_MAX + 4)

/* What unpacking a reply of that length may allocate. */
static inline size_t reply_unpack_bytes_max(size_t reply_bytes) {
  return HF_REPLY_UNPACK_BYTES + HF_REPLY_UNPACK_RATIO * reply_bytes;
}

/* Beyond what the server allows of others: acknowledgements and cancels, so that a full window can
 * be emptied. Their replies are not kept. */
#define WINDOW_SPARE_COUNT 64
/* For calls that don't wait, beside as many that do as the server allows: else nobody in the process
 * could bring about what they wait for. */
#define WINDOW_RESERVED_COUNT 64
#define WINDOW_SLOTS_MAX (HF_WINDOW_COUNT_MAX + WINDOW_RESERVED_COUNT + WINDOW_SPARE_COUNT)

struct call;

/* Whether the request is to be taken back; see cancel.h. */
enum withdrawal { WITHDRAWAL_NONE, WITHDRAWAL_DUE, WITHDRAWAL_SENT };

struct slot {
  uint8_t *frame;                             /* prefix, id and body as sent */
  size_t head_len, frame_len, frame_capacity; /* head: all before the body */
  uint64_t sequence;                          /* 0: free */
  struct call *call;                          /* NULL: nobody waits for the reply */
  uint32_t operation;
  bool was_sent;   /* on this link or an earlier one */
  bool is_silent;  /* has no reply: it leaves when it was sent */
  bool may_wait;   /* on the server, for something that may never come */
  bool is_parked;  /* counted among those that may take one of the server's places for waits */
  bool is_refused; /* WINDOW_FULL: it goes once more */
  enum withdrawal withdrawal;
  struct slot *withdraws; /* of a Cancel that takes back: what for */
  struct slot *next, *previous;
};

struct window {
  struct slot *slots; /* WINDOW_SLOTS_MAX */
  struct slot *free;
  uint32_t touched_count; /* slots that were ever used */
  uint32_t used_count;
  uint32_t used_count_max; /* as the server told */
  uint32_t parked_count, parked_count_max;
  uint32_t refused_count;
  uint32_t due_count;    /* slots whose withdrawal is due */
  uint32_t cancel_count; /* slots that withdraw others */
  struct slot *oldest, *newest, *unsent;
  size_t unsent_offset; /* bytes of *unsent that are sent already */
  uint64_t last_sequence;
  /* Received, but beyond one that is still under way, and not yet told to the server in a request
   * that will be answered. */
  uint64_t also[HF_WINDOW_COUNT_MAX];
  uint32_t also_count;
  /* An Acknowledge that goes ahead of `unsent`: requests that are sent again tell what they told at
   * first, and count on what others told that are gone. */
  uint8_t *ahead;
  size_t ahead_capacity, ahead_len, ahead_sent;
};

bool window_init(struct window *window);
void window_deinit(struct window *window);
/* Forgets everything, as for a new session. */
void window_reset(struct window *window);

/* Takes the next sequence and encodes the request. There must be room: used_count < used_count_max,
 * or for the spare ones < WINDOW_SLOTS_MAX.
 * NULL: out of memory; no sequence is used up. */
struct slot *window_add(struct window *window, enum sp_transport framing,
                        const struct envelope *envelope);
/* The slot of a reply; NULL when it belongs to none. sequence 0 fits any. */
struct slot *window_find(struct window *window, uint32_t id, uint64_t sequence);
/* The reply is there, or was given up before anything of it was sent. */
void window_remove(struct window *window, struct slot *slot);
/* Whether there is a request whose reply nobody waits for. */
bool window_has_abandoned(const struct window *window);
/* Fills parts with what is to be sent; answers how many. */
int window_unsent(const struct window *window, struct iovec *parts, int part_count_max);
/* So many bytes of that were sent. */
void window_sent(struct window *window, size_t size);
/* A request that may take one of the server's places for waits; see parked_count. */
void window_park(struct window *window, struct slot *slot);
/* Everything has to be sent again over a new link, behind an Acknowledge of all that was received. */
void window_rewind(struct window *window, enum sp_transport framing);
/* The server had no room for the request, and did not apply it. */
void window_refuse(struct window *window, struct slot *slot);
/* All from the first that was refused have to be sent again, behind an Acknowledge; the server knows
 * those that it has applied. false: not yet, a request is half sent. */
bool window_resend_refused(struct window *window, enum sp_transport framing);

#endif
