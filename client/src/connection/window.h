/* The window: encoded requests in flight, ordered by sequence. It implements cumulative and
 * selective acknowledgement.
 *
 *   oldest                        unsent              newest
 *     [ sent, unanswered ... ]      [ not yet sent ... ]
 *
 * Answered requests leave from any position. After a lost link all requests are unsent again. The
 * id of a REQ message is the index of its slot, so a reply finds its slot in constant time.
 *
 * layer   client, connection
 * threads Connection's mutex held.
 * memory  A slot keeps its buffer for the next request, unless the buffer has grown large.
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

/* The body of a reply: the REQ id and the message. */
#define REPLY_BODY_BYTES_MAX (HF_REPLY_BYTES_MAX + 4)

/* Memory that unpacking a reply of that length may allocate. */
static inline size_t reply_unpack_bytes_max(size_t reply_bytes) {
  return HF_REPLY_UNPACK_BYTES + HF_REPLY_UNPACK_RATIO * reply_bytes;
}

/* Slots for acknowledgements and Cancels beyond the server's bound, so that a full window can be
 * emptied. The server keeps no replies of them. */
#define WINDOW_SPARE_COUNT 64
/* Slots for calls that don't wait, beyond the bound of those that do: another thread's call may be
 * what the waiting calls wait for. */
#define WINDOW_RESERVED_COUNT 64
#define WINDOW_SLOTS_MAX (HF_WINDOW_COUNT_MAX + WINDOW_RESERVED_COUNT + WINDOW_SPARE_COUNT)

struct call;
struct kept_request;

/* Whether the request is to be withdrawn; see cancel.h. */
enum withdrawal { WITHDRAWAL_NONE, WITHDRAWAL_DUE, WITHDRAWAL_SENT };

struct slot {
  uint8_t *frame;                             /* prefix, id and body as sent */
  size_t head_len, frame_len, frame_capacity; /* head: all before the body */
  uint64_t sequence;                          /* 0: free */
  struct call *call;                          /* NULL: no call takes the reply */
  uint32_t operation;
  /* The object to which it adds a reference, which is released if no call takes it; 0: none. */
  uint64_t retains;
  bool was_sent;      /* on this link or an earlier one */
  bool is_silent;     /* has no reply: leaves the window once sent */
  bool may_wait;      /* the operation may wait on the server without limit */
  bool is_parked;     /* counted in parked_count */
  bool is_refused;    /* answered WINDOW_FULL: to be resent */
  bool outlives_call; /* is performed also if its call is given up */
  enum withdrawal withdrawal;
  /* Of a Cancel: the slot of the withdrawn request, while that has this sequence. */
  struct slot *withdraws;
  uint64_t withdrawn_sequence;
  struct slot *next, *previous;
};

struct window {
  struct slot *slots; /* WINDOW_SLOTS_MAX */
  struct slot *free;
  uint32_t touched_count; /* slots used so far */
  uint32_t used_count;
  uint32_t used_count_max; /* the server's bound */
  uint32_t parked_count, parked_count_max;
  uint32_t refused_count;
  uint32_t due_count;    /* slots whose withdrawal is due */
  uint32_t cancel_count; /* slots of Cancels */
  struct slot *oldest, *newest, *unsent;
  bool has_unawaited; /* requests that nobody writes, see conn_write_unawaited */
  struct kept_request *kept, *newest_kept; /* until the window has room, see window_add_unawaited */
  size_t unsent_offset;                    /* bytes of *unsent already sent */
  uint64_t last_sequence;
  /* Selective acknowledgements: sequences beyond the cumulative one whose replies were received,
   * and that no request to be answered carries yet. */
  uint64_t also[HF_WINDOW_COUNT_MAX];
  uint32_t also_count;
  /* An Acknowledge to be sent before `unsent`: resent requests carry the acknowledgements of their
   * first sending, and those that other requests carried may be lost. */
  uint8_t *ahead;
  size_t ahead_capacity, ahead_len, ahead_sent;
};

bool window_init(struct window *window);
void window_deinit(struct window *window);
/* Drops all requests, for a new session. */
void window_reset(struct window *window);

/* Assigns the next sequence and encodes the request. The caller ensures used_count <
 * used_count_max, or WINDOW_SLOTS_MAX for spare slots. NULL: out of memory; no sequence is used. */
struct slot *window_add(struct window *window, enum sp_transport framing,
                        const struct envelope *envelope);
/* Whether there is room for a request that doesn't wait on the server. */
bool window_has_room(const struct window *window);
/* Adds a request whose reply nobody waits for, or keeps a copy until window_add_kept finds room. Out of
 * memory: ends with the session what it was to end. */
void window_add_unawaited(struct window *window, enum sp_transport framing,
                          const struct envelope *envelope);
/* Adds the kept requests, as far as there is room. */
void window_add_kept(struct window *window, enum sp_transport framing);
/* The slot of a reply; NULL: no such request. sequence 0 matches any. */
struct slot *window_find(struct window *window, uint32_t id, uint64_t sequence);
/* Whether the request, or the rest of it, is to be sent, maybe once more. */
bool window_is_unsent(const struct window *window, const struct slot *slot);
/* Frees the slot of a request that was answered, or given up before any of it was sent. */
void window_remove(struct window *window, struct slot *slot);
/* Whether the reply of some request is taken by no call. */
bool window_has_abandoned(const struct window *window);
/* Fills parts with the bytes to be sent; returns their count. */
int window_unsent(const struct window *window, struct iovec *parts, int part_count_max);
/* Records that `size` of those bytes were sent. */
void window_sent(struct window *window, size_t size);
/* Counts a request whose operation may wait on the server; see parked_count_max. */
void window_park(struct window *window, struct slot *slot);
/* Makes all requests unsent, for a new link, after an Acknowledge of all received replies. */
void window_rewind(struct window *window, enum sp_transport framing);
/* The server refused the request with WINDOW_FULL and did not perform it. */
void window_refuse(struct window *window, struct slot *slot);
/* Makes all requests from the first refused one on unsent, after an Acknowledge; the server
 * recognizes those it has performed. false: not now, a request is partly sent. */
bool window_resend_refused(struct window *window, enum sp_transport framing);

#endif
