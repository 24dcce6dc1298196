/* What a connection has still to send: bytes, and behind them replies that are not bytes yet.
 *
 * layer   dispatch; used by connection
 * threads one at a time: the connection's lock
 * memory  replies are taken; a waiting one keeps its values alive, which is counted (budget.h)
 *
 *   replies:   done, done | first: encoded up to here| | waits | waits | waits
 *   bytes:     under way  | encoded                  |
 *
 * At most OUTBOX_BYTES_MAX, and one reply of no more than OUTBOX_WHOLE_BYTES, are bytes at one time.
 * The rest costs little: a reply is a count on values. A peer that does not read holds that much and
 * no more, because requests of a connection whose outbox is full are not applied.
 */
#ifndef HF_DISPATCH_OUTBOX_H
#define HF_DISPATCH_OUTBOX_H

#include "proto/sp.h"
#include "server/dispatch/budget.h"
#include "server/dispatch/encode.h"

#define OUTBOX_BYTES_MAX ((size_t)256 << 10)
#define OUTBOX_WHOLE_BYTES ((size_t)64 << 10) /* a reply up to this long is not encoded in parts */

struct outbox_item {
  struct sp_route route;
  struct reply *reply; /* one count */
  size_t bytes;        /* counted as waiting */
};

struct outbox {
  struct budget *budget; /* borrowed */
  const char *version;   /* the server's; borrowed */
  enum sp_transport transport;
  struct budget_account account;
  struct buffer encoded; /* taken by the transport from the front */
  size_t under_way;      /* bytes that it has taken and not sent yet */
  size_t waiting_bytes;
  /* A ring of waiting replies; of the first some may be encoded. */
  struct outbox_item *items;
  size_t first, count, capacity;
  struct encoding encoding; /* of the first */
  size_t body_len;          /* of the first; 0: nothing of it is encoded */
};

void outbox_init(struct outbox *outbox, struct budget *budget, const char *version,
                 uint64_t connection, enum sp_transport transport);
void outbox_deinit(struct outbox *outbox);
/* The reply, which is taken, is sent behind all others. false: out of memory; close. */
bool outbox_add(struct outbox *outbox, const struct sp_route *route, struct reply *reply);
/* Encodes what there is room for, after bytes were taken. false: out of memory; close. */
bool outbox_fill(struct outbox *outbox);
/* So many bytes have gone to the peer. */
void outbox_note_sent(struct outbox *outbox, size_t bytes);

static inline size_t outbox_encoded_bytes(const struct outbox *outbox) {
  return outbox->encoded.len + outbox->under_way;
}

static inline bool outbox_is_empty(const struct outbox *outbox) {
  return outbox_encoded_bytes(outbox) == 0 && outbox->count == 0;
}

/* No more requests of the connection are to be applied, because of their replies. */
static inline bool outbox_is_full(const struct outbox *outbox) {
  return outbox_encoded_bytes(outbox) + outbox->waiting_bytes > HF_UNSENT_BYTES_MAX ||
         outbox->count >= HF_IN_FLIGHT_MAX;
}

/* After it was full: they are again. */
static inline bool outbox_has_room(const struct outbox *outbox) {
  return outbox_encoded_bytes(outbox) + outbox->waiting_bytes < HF_UNSENT_BYTES_MAX / 2 &&
         outbox->count < HF_IN_FLIGHT_MAX / 2;
}

#endif
