/* What a connection has to send: encoded bytes, then replies that wait to be encoded.
 *
 * layer   dispatch; used by connection
 * threads one at a time: the connection's lock
 * memory  replies are taken; a waiting reply has references to its values, which are counted (budget.h)
 *
 *   replies:   done, done | first: encoded up to here| | waits | waits | waits
 *   bytes:     under way  | encoded          | lent  |
 *
 * Long bytes are not copied: the first reply lends those of its value, and nothing is encoded behind
 * them until they are sent.
 *
 * At most OUTBOX_BYTES_MAX, and one reply of no more than OUTBOX_WHOLE_BYTES, are encoded at a time. A
 * waiting reply costs little: it refers to values. Back-pressure: requests of a connection whose
 * outbox is full are not applied, so a peer that does not read costs no more than that.
 *
 * A large reply takes long to encode: 200,000 values 29 ms. It waits until all before it are sent; then a
 * thread for that encodes it part by part, beside the connection's lock:
 *
 *   with the lock      item = *outbox_first_large()
 *   without            outbox_encode_part(&item) into a buffer of its own
 *   with the lock      outbox_end_part(&item)
 */
#ifndef HF_DISPATCH_OUTBOX_H
#define HF_DISPATCH_OUTBOX_H

#include "proto/sp.h"
#include "server/dispatch/budget.h"
#include "server/dispatch/encode.h"

#define OUTBOX_BYTES_MAX ((size_t)256 << 10)
#define OUTBOX_WHOLE_BYTES ((size_t)64 << 10) /* a reply up to this long is not encoded in parts */
/* A reply of more memory is large, unless it lends most of it: some 8,000 values. */
#define OUTBOX_LARGE_BYTES ((size_t)128 << 10)

struct outbox_item {
  struct sp_route route;
  struct reply *reply; /* one reference */
  size_t bytes;        /* counted as waiting */
  bool has_begun;      /* its head is encoded, and what is counted here */
  size_t body_len;
  struct encoding encoding;
};

struct outbox {
  struct budget *budget; /* borrowed */
  const char *version;   /* the server's; borrowed */
  enum sp_transport transport;
  struct budget_account account;
  struct buffer encoded; /* the transport takes bytes from the front */
  size_t under_way;      /* bytes that the transport has taken and not sent yet */
  struct bytes
      lent; /* to be sent after `encoded`; they end the first reply, whose value has them */
  size_t waiting_bytes;
  /* A ring of waiting replies; the first may be encoded in part. */
  struct outbox_item *items;
  size_t first, count, capacity;
};

void outbox_init(struct outbox *outbox, struct budget *budget, const char *version,
                 uint64_t connection, enum sp_transport transport);
void outbox_deinit(struct outbox *outbox);
/* Takes the reply and appends it. false: out of memory; close. */
bool outbox_add(struct outbox *outbox, const struct sp_route *route, struct reply *reply);
/* Encodes as many replies as there is room for, up to a large one. false: out of memory; close. */
bool outbox_fill(struct outbox *outbox);
/* The large reply that is next to be encoded, when there is nothing else to send; borrowed, and to be
 * copied. NULL: there is none. */
const struct outbox_item *outbox_first_large(const struct outbox *outbox);
/* Encodes the next part into the empty buffer. Call without the lock; nobody else fills the outbox or
 * sends meanwhile. false: out of memory; close. */
bool outbox_encode_part(const struct outbox *outbox, struct outbox_item *item,
                        struct buffer *buffer);
/* The part that was encoded last, of `bytes`, is under way. */
void outbox_end_part(struct outbox *outbox, const struct outbox_item *item, size_t bytes);
/* So many bytes were sent, the last `lent` of them from those that are lent. */
void outbox_sent(struct outbox *outbox, size_t bytes, size_t lent);

static inline size_t outbox_encoded_bytes(const struct outbox *outbox) {
  return outbox->encoded.len + outbox->under_way;
}

static inline bool outbox_is_empty(const struct outbox *outbox) {
  return outbox_encoded_bytes(outbox) == 0 && outbox->count == 0;
}

/* Back-pressure: no more requests of the connection are applied. */
static inline bool outbox_is_full(const struct outbox *outbox) {
  return outbox_encoded_bytes(outbox) + outbox->waiting_bytes > HF_UNSENT_BYTES_MAX ||
         outbox->count >= HF_IN_FLIGHT_MAX;
}

/* The end of back-pressure. */
static inline bool outbox_has_room(const struct outbox *outbox) {
  return outbox_encoded_bytes(outbox) + outbox->waiting_bytes < HF_UNSENT_BYTES_MAX / 2 &&
         outbox->count < HF_IN_FLIGHT_MAX / 2;
}

#endif
