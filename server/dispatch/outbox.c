#include "server/dispatch/outbox.h"

#include "proto/base/log.h"
#include "server/dispatch/operations.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MIN 16

void outbox_init(struct outbox *outbox, struct budget *budget, const char *version,
                 uint64_t connection, enum sp_transport transport) {
  *outbox = (struct outbox){.budget = budget,
                            .version = version,
                            .transport = transport,
                            .account.connection = connection};
  buffer_init(&outbox->encoded, &budget->buffers);
}

/* ------------------------------------------------------------------------------------ waiting */

static struct outbox_item *first_item(const struct outbox *outbox) {
  return &outbox->items[outbox->first];
}

static void update_account(struct outbox *outbox, size_t sent) {
  budget_update(outbox->budget, &outbox->account,
                outbox_encoded_bytes(outbox) + outbox->waiting_bytes, sent);
}

static bool grow(struct outbox *outbox) {
  size_t capacity = outbox->capacity > 0 ? outbox->capacity * 2 : ITEMS_MIN;
  struct outbox_item *items = malloc(capacity * sizeof *items);
  if (items == NULL) {
    return false;
  }
  for (size_t i = 0; i < outbox->count; i++) {
    items[i] = outbox->items[(outbox->first + i) % outbox->capacity];
  }
  free(outbox->items);
  outbox->items = items;
  outbox->first = 0;
  outbox->capacity = capacity;
  return true;
}

/* The reply is taken on success. */
static bool push(struct outbox *outbox, const struct outbox_item *item) {
  if (outbox->count == outbox->capacity && !grow(outbox)) {
    return false;
  }
  struct outbox_item *last = &outbox->items[(outbox->first + outbox->count) % outbox->capacity];
  *last = *item;
  outbox->count++;
  outbox->waiting_bytes += last->bytes;
  budget_wait(outbox->budget, last->bytes);
  update_account(outbox, 0);
  return true;
}

static void pop(struct outbox *outbox) {
  struct outbox_item *item = first_item(outbox);
  outbox->waiting_bytes -= item->bytes;
  budget_end_wait(outbox->budget, item->bytes);
  reply_release(item->reply);
  outbox->first = (outbox->first + 1) % outbox->capacity;
  if (--outbox->count == 0) { /* most connections never have a waiting reply again */
    free(outbox->items);
    outbox->items = NULL;
    outbox->first = outbox->capacity = 0;
  }
}

void outbox_deinit(struct outbox *outbox) {
  while (outbox->count > 0) {
    pop(outbox);
  }
  budget_forget(outbox->budget, &outbox->account);
  buffer_deinit(&outbox->encoded);
}

/* ----------------------------------------------------------------------------------- encoding */

/* Replaces a reply that is too long for a frame by an error. Answers the length on the wire. */
static size_t fit_reply(const struct outbox *outbox, struct reply **reply) {
  size_t len = encode_reply_len(*reply, outbox->version);
  if (len <= HF_REPLY_BYTES_MAX) {
    return len;
  }
  struct reply *error = reply_new((*reply)->sequence); /* the session may still have the long one */
  if (!error) {
    return 0;
  }
  error->reason = HF_REASON_REPLY_TOO_BIG;
  error->operation = (*reply)->operation;
  reply_release(*reply);
  *reply = error;
  return encode_reply_len(error, outbox->version);
}

/* Reserves so many bytes after the `used`, or fewer. Answers how many; 0: none now. */
static size_t make_room(struct buffer *buffer, size_t used, size_t len) {
  if (buffer_reserve(buffer, len)) {
    return len;
  }
  /* With little memory left a connection has one small buffer. */
  size_t small = len < BUFFER_SMALL_BYTES ? len : BUFFER_SMALL_BYTES;
  if (used == 0) {
    buffer_trim(buffer, BUFFER_SMALL_BYTES);
  }
  return used == 0 && buffer_reserve(buffer, small) ? small : 0;
}

/* How many of the `len` bytes that are left of the reply are encoded now, after the `used`. */
static size_t part_of(size_t used, size_t len) {
  size_t room = used < OUTBOX_BYTES_MAX ? OUTBOX_BYTES_MAX - used : 0;
  if (len <= OUTBOX_WHOLE_BYTES) {
    return room > 0 ? len : 0;
  }
  if (used > OUTBOX_BYTES_MAX / 4) {
    return 0; /* each of many small parts would move the bytes before it */
  }
  return room < len ? room : len;
}

static void put_head(const struct outbox *outbox, struct buffer *buffer,
                     const struct sp_route *route, size_t body_len) {
  uint8_t *at = buffer_end(buffer);
  size_t prefix_len = sp_prefix_write(outbox->transport, at, route->len + body_len);
  memcpy(at + prefix_len, route->words, route->len);
  buffer->len += prefix_len + route->len;
}

/* The fast path for a small reply when none waits: encoded in one pass, body before head. false:
 * nothing is done, use encode_some(). */
static bool encode_small(struct outbox *outbox, const struct sp_route *route,
                         const struct reply *reply) {
  size_t most = encode_reply_small_bytes(reply);
  size_t head_len = sp_prefix_bytes(outbox->transport) + route->len;
  if (most == 0 || outbox_encoded_bytes(outbox) >= OUTBOX_BYTES_MAX ||
      !buffer_reserve(&outbox->encoded, head_len + most)) {
    return false;
  }
  size_t body_len = encode_reply(reply, outbox->version, buffer_end(&outbox->encoded) + head_len);
  assert(body_len <= most);
  put_head(outbox, &outbox->encoded, route, body_len);
  outbox->encoded.len += body_len;
  return true;
}

/* What the reply lends; empty: it is copied. */
static struct bytes lent_by(const struct outbox_item *item) {
  struct bytes tail = encode_reply_tail(item->reply);
  return tail.len > OUTBOX_WHOLE_BYTES && item->body_len > tail.len ? tail : bytes_of(NULL, 0);
}

static void put_body(const struct outbox *outbox, struct buffer *buffer, struct outbox_item *item,
                     size_t len) {
  uint8_t *at = buffer_end(buffer);
  if (len == item->body_len) {
    item->encoding.done = encode_reply(item->reply, outbox->version, at);
  } else {
    encode_part(item->reply, outbox->version, &item->encoding, at, len);
  }
  buffer->len += len;
}

/* Whether all is encoded that is not lent. */
static bool is_encoded(const struct outbox_item *item) {
  return item->has_begun && item->encoding.done == item->body_len - lent_by(item).len;
}

/* Encodes as much of the item as there is room for after the `used` bytes, up to what it lends.
 * false: out of memory */
static bool encode_some(const struct outbox *outbox, struct outbox_item *item,
                        struct buffer *buffer, size_t used) {
  size_t head_len = 0;
  if (!item->has_begun) {
    item->body_len = fit_reply(outbox, &item->reply);
    head_len = sp_prefix_bytes(outbox->transport) + item->route.len;
  }
  size_t copied_len = item->body_len - lent_by(item).len;
  size_t part = part_of(used, head_len + copied_len - item->encoding.done);
  size_t room = part > 0 ? make_room(buffer, used, part) : 0;
  if (room == 0) {
    return part == 0 || used > 0;
  }
  if (!item->has_begun) {
    put_head(outbox, buffer, &item->route, item->body_len);
    item->has_begun = true;
  }
  if (item->body_len > 0) {
    put_body(outbox, buffer, item, room - head_len);
  }
  return true;
}

/* As encode_some, into the outbox's own buffer.
 * out  is_done  the whole item is encoded */
static bool encode_into_outbox(struct outbox *outbox, struct outbox_item *item, bool *is_done) {
  bool has_memory = encode_some(outbox, item, &outbox->encoded, outbox_encoded_bytes(outbox));
  bool is_all = has_memory && is_encoded(item);
  if (is_all) {
    outbox->lent = lent_by(item);
  }
  *is_done = is_all && outbox->lent.len == 0;
  return has_memory;
}

static bool is_large(const struct outbox_item *item) {
  return item->bytes > OUTBOX_LARGE_BYTES && encode_reply_tail(item->reply).len == 0;
}

bool outbox_fill(struct outbox *outbox) {
  bool is_done = true, has_memory = true;
  while (has_memory && is_done && outbox->count > 0 && outbox->lent.len == 0 &&
         !is_large(first_item(outbox))) {
    has_memory = encode_into_outbox(outbox, first_item(outbox), &is_done);
    if (is_done) {
      pop(outbox);
    }
  }
  update_account(outbox, 0);
  return has_memory;
}

const struct outbox_item *outbox_first_large(const struct outbox *outbox) {
  bool is_next = outbox->count > 0 && outbox_encoded_bytes(outbox) == 0 && outbox->lent.len == 0;
  return is_next && is_large(first_item(outbox)) ? first_item(outbox) : NULL;
}

bool outbox_encode_part(const struct outbox *outbox, struct outbox_item *item,
                        struct buffer *buffer) {
  return encode_some(outbox, item, buffer, 0);
}

void outbox_end_part(struct outbox *outbox, const struct outbox_item *item, size_t bytes) {
  *first_item(outbox) = *item;
  if (is_encoded(item)) {
    pop(outbox);
  }
  outbox->under_way = bytes;
  update_account(outbox, 0);
}

static void log_failure(const struct outbox *outbox, const struct reply *reply) {
  log_line(LOG_DEBUG, "failed connection=%llu operation=%s reason=%s",
           (unsigned long long)outbox->account.connection, operations_name(reply->operation),
           hf_reason_name(reply->reason));
}

bool outbox_add(struct outbox *outbox, const struct sp_route *route, struct reply *reply) {
  if (outbox->count == 0 && encode_small(outbox, route, reply)) {
    reply_release(reply);
    return true;
  }
  struct outbox_item item = {
      .route = *route, .reply = reply, .bytes = sizeof item + reply_memory_bytes(reply)};
  bool waits = outbox->count > 0 || is_large(&item);
  bool is_done = false;
  bool has_memory = waits || encode_into_outbox(outbox, &item, &is_done);
  if (item.reply->reason) {
    log_failure(outbox, item.reply);
  }
  if (has_memory && !is_done) {
    has_memory = push(outbox, &item);
    outbox->lent = has_memory ? outbox->lent : bytes_of(NULL, 0);
    is_done = !has_memory;
  }
  if (!has_memory || is_done) {
    reply_release(item.reply);
  }
  return has_memory;
}

void outbox_sent(struct outbox *outbox, size_t bytes, size_t lent) {
  if (lent > 0) {
    outbox->lent = bytes_of(outbox->lent.data + lent, outbox->lent.len - lent);
    if (outbox->lent.len == 0) {
      pop(outbox);
    }
  }
  update_account(outbox, bytes);
}
