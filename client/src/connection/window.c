#include "client/src/connection/window.h"

#include <stdlib.h>
#include <string.h>

#define REQ_ID_BYTES 4
#define AHEAD_ID 0x80fffffeu
/* A slot's buffer larger than this is freed with the slot. */
#define SLOT_KEEP_BYTES 4096

/* A request that waits for room. */
struct kept_request {
  struct kept_request *next;
  struct envelope envelope;
  uint8_t arm[];
};

bool window_init(struct window *window) {
  *window =
      (struct window){.used_count_max = HF_WINDOW_COUNT_MAX, .parked_count_max = HF_IN_FLIGHT_MAX};
  window->slots = calloc(WINDOW_SLOTS_MAX, sizeof *window->slots);
  return window->slots != NULL;
}

static void drop_kept(struct window *window) {
  while (window->kept != NULL) {
    struct kept_request *kept = window->kept;
    window->kept = kept->next;
    free(kept);
  }
}

void window_deinit(struct window *window) {
  drop_kept(window);
  for (uint32_t i = 0; i < window->touched_count; i++) {
    free(window->slots[i].frame);
  }
  free(window->slots);
  free(window->ahead);
  window->slots = NULL;
  window->ahead = NULL;
}

void window_reset(struct window *window) {
  while (window->oldest != NULL) {
    window_remove(window, window->oldest);
  }
  drop_kept(window);
  window->last_sequence = 0;
  window->also_count = 0;
  window->unsent_offset = 0;
  window->ahead_len = window->ahead_sent = 0;
}

/* The cumulative acknowledgement: every reply up to this sequence was received. */
static uint64_t acked(const struct window *window) {
  return window->oldest != NULL ? window->oldest->sequence - 1 : window->last_sequence;
}

static bool reserve_frame(struct slot *slot, size_t size) {
  if (slot->frame_capacity >= size) {
    return true;
  }
  size_t capacity = size < 256 ? 256 : size;
  free(slot->frame);
  slot->frame = malloc(capacity);
  slot->frame_capacity = slot->frame == NULL ? 0 : capacity;
  return slot->frame != NULL;
}

static struct slot *free_slot(struct window *window) {
  if (window->free == NULL) {
    struct slot *slot = &window->slots[window->touched_count++];
    slot->next = NULL;
    window->free = slot;
  }
  return window->free;
}

/* Drops selective acknowledgements at or below the cumulative one. */
static void forget_covered(struct window *window, uint64_t covered) {
  uint32_t kept_count = 0;
  for (uint32_t i = 0; i < window->also_count; i++) {
    if (window->also[i] > covered) {
      window->also[kept_count++] = window->also[i];
    }
  }
  window->also_count = kept_count;
}

static void write_id(uint8_t *word, uint32_t id) {
  word[0] = (uint8_t)(id >> 24);
  word[1] = (uint8_t)(id >> 16);
  word[2] = (uint8_t)(id >> 8);
  word[3] = (uint8_t)id;
}

static void encode(struct window *window, struct slot *slot, enum sp_transport framing,
                   const struct envelope *envelope) {
  size_t head_len = sp_prefix_bytes(framing) + REQ_ID_BYTES;
  uint32_t id = (uint32_t)(slot - window->slots) | 0x80000000u;
  size_t body_len = envelope_write(slot->frame + head_len, envelope, slot->sequence, acked(window),
                                   window->also, window->also_count);
  sp_prefix_write(framing, slot->frame, REQ_ID_BYTES + body_len);
  write_id(slot->frame + sp_prefix_bytes(framing), id);
  slot->head_len = head_len;
  slot->frame_len = head_len + body_len;
  window->also_count = 0;
}

static void append(struct window *window, struct slot *slot) {
  slot->next = NULL;
  slot->previous = window->newest;
  if (window->newest != NULL) {
    window->newest->next = slot;
  } else {
    window->oldest = slot;
  }
  window->newest = slot;
  if (window->unsent == NULL) {
    window->unsent = slot;
    window->unsent_offset = 0;
  }
}

struct slot *window_add(struct window *window, enum sp_transport framing,
                        const struct envelope *envelope) {
  struct slot *slot = free_slot(window);
  size_t head_len = sp_prefix_bytes(framing) + REQ_ID_BYTES;
  forget_covered(window, acked(window));
  if (!reserve_frame(slot, head_len + envelope_body_max(envelope, window->also_count))) {
    return NULL;
  }
  window->free = slot->next;
  slot->sequence = window->last_sequence + 1;
  slot->call = NULL;
  slot->operation = envelope->operation;
  slot->was_sent = slot->is_silent = slot->may_wait = false;
  slot->is_parked = slot->is_refused = slot->outlives_call = false;
  slot->retains = 0;
  slot->withdrawal = WITHDRAWAL_NONE;
  slot->withdraws = NULL;
  encode(window, slot, framing, envelope);
  window->last_sequence++;
  window->used_count++;
  window->cancel_count += slot->operation == OPERATION(CANCEL);
  append(window, slot);
  return slot;
}

bool window_has_room(const struct window *window) {
  return window->used_count < window->used_count_max + WINDOW_RESERVED_COUNT;
}

/* Out of memory: not kept. */
static void keep(struct window *window, const struct envelope *envelope) {
  struct kept_request *kept = malloc(sizeof *kept + envelope->arm_len);
  if (kept == NULL) {
    return;
  }
  kept->next = NULL;
  kept->envelope = *envelope;
  protobuf_c_message_pack(envelope->arm, kept->arm);
  kept->envelope.arm = NULL;
  kept->envelope.packed = kept->arm;
  *(window->kept == NULL ? &window->kept : &window->newest_kept->next) = kept;
  window->newest_kept = kept;
}

void window_add_unawaited(struct window *window, enum sp_transport framing,
                          const struct envelope *envelope) {
  bool is_added = window->kept == NULL && window_has_room(window) &&
                  window_add(window, framing, envelope) != NULL;
  if (is_added) {
    window->has_unawaited = true;
  } else {
    keep(window, envelope);
  }
}

void window_add_kept(struct window *window, enum sp_transport framing) {
  struct kept_request *kept = window->kept;
  while (kept != NULL && window_has_room(window) &&
         window_add(window, framing, &kept->envelope) != NULL) {
    window->has_unawaited = true;
    window->kept = kept->next;
    free(kept);
    kept = window->kept;
  }
}

struct slot *window_find(struct window *window, uint32_t id, uint64_t sequence) {
  struct slot *slot = id < window->touched_count ? &window->slots[id] : NULL;
  if (slot == NULL || slot->sequence == 0 || !slot->was_sent) {
    return NULL;
  }
  return sequence == 0 || slot->sequence == sequence ? slot : NULL;
}

/* The link may have lost the slot's acknowledgements: queues them again. */
static void requeue_acknowledgements(struct window *window, const struct slot *slot) {
  struct bytes body = bytes_of(slot->frame + slot->head_len, slot->frame_len - slot->head_len);
  window->also_count += envelope_read_also(body, window->also + window->also_count,
                                           HF_WINDOW_COUNT_MAX - window->also_count);
}

void window_remove(struct window *window, struct slot *slot) {
  if (!slot->was_sent || slot->is_silent) {
    requeue_acknowledgements(window, slot);
  }
  if (window->oldest != slot && window->also_count < HF_WINDOW_COUNT_MAX) {
    window->also[window->also_count++] = slot->sequence;
  }
  if (window->unsent == slot) {
    window->unsent = slot->next;
    window->unsent_offset = 0;
  }
  *(slot->previous != NULL ? &slot->previous->next : &window->oldest) = slot->next;
  *(slot->next != NULL ? &slot->next->previous : &window->newest) = slot->previous;
  if (slot->frame_capacity > SLOT_KEEP_BYTES) {
    free(slot->frame);
    slot->frame = NULL;
    slot->frame_capacity = 0;
  }
  window->due_count -= slot->withdrawal == WITHDRAWAL_DUE;
  window->parked_count -= slot->is_parked;
  window->cancel_count -= slot->operation == OPERATION(CANCEL);
  window->refused_count -= slot->is_refused;
  slot->sequence = 0;
  slot->call = NULL;
  slot->next = window->free;
  window->free = slot;
  window->used_count--;
}

bool window_is_unsent(const struct window *window, const struct slot *slot) {
  return window->unsent != NULL && slot->sequence >= window->unsent->sequence;
}

bool window_has_abandoned(const struct window *window) {
  const struct slot *slot = window->oldest;
  while (slot != NULL && slot->call != NULL) {
    slot = slot->next;
  }
  return slot != NULL;
}

int window_unsent(const struct window *window, struct iovec *parts, int part_count_max) {
  size_t offset = window->unsent_offset;
  int part_count = 0;
  if (window->ahead_sent < window->ahead_len) {
    parts[part_count++] =
        (struct iovec){window->ahead + window->ahead_sent, window->ahead_len - window->ahead_sent};
  }
  for (struct slot *slot = window->unsent; slot != NULL && part_count < part_count_max;
       slot = slot->next) {
    parts[part_count++] = (struct iovec){slot->frame + offset, slot->frame_len - offset};
    offset = 0;
  }
  return part_count;
}

void window_sent(struct window *window, size_t size) {
  size_t ahead_left = window->ahead_len - window->ahead_sent;
  size_t ahead = size < ahead_left ? size : ahead_left;
  window->ahead_sent += ahead;
  size -= ahead;
  while (size > 0) {
    struct slot *slot = window->unsent;
    size_t left = slot->frame_len - window->unsent_offset;
    slot->was_sent = true;
    if (size < left) {
      window->unsent_offset += size;
      return;
    }
    size -= left;
    window->unsent = slot->next;
    window->unsent_offset = 0;
    if (slot->is_silent) {
      window_remove(window, slot);
    }
  }
}

void window_park(struct window *window, struct slot *slot) {
  slot->is_parked = true;
  window->parked_count++;
}

/* false: out of memory; the requests are sent without an Acknowledge, and refused ones are resent.
 */
static bool reserve_ahead(struct window *window, size_t size) {
  if (window->ahead_capacity < size) {
    free(window->ahead);
    window->ahead = malloc(size);
    window->ahead_capacity = window->ahead == NULL ? 0 : size;
  }
  return window->ahead_capacity >= size;
}

/* Encodes the Acknowledge to be sent before `unsent`. No slot has its id, so a reply is ignored. A
 * request that is answered carries the same acknowledgements, since the link may lose this message.
 */
static void acknowledge_ahead(struct window *window, enum sp_transport framing) {
  const struct envelope envelope = {.timeout_ms = -1,
                                    .operation = HOLDFAST__REQUEST__OPERATION_ACKNOWLEDGE,
                                    .packed = (const uint8_t *)""};
  size_t head_len = sp_prefix_bytes(framing) + REQ_ID_BYTES;
  window->ahead_len = window->ahead_sent = 0;
  forget_covered(window, acked(window));
  bool is_empty = acked(window) == 0 && window->also_count == 0;
  if (window->unsent == NULL || is_empty ||
      !reserve_ahead(window, head_len + envelope_body_max(&envelope, window->also_count))) {
    return;
  }
  size_t body_len = envelope_write(window->ahead + head_len, &envelope, 0, acked(window),
                                   window->also, window->also_count);
  sp_prefix_write(framing, window->ahead, REQ_ID_BYTES + body_len);
  write_id(window->ahead + sp_prefix_bytes(framing), AHEAD_ID);
  window->ahead_len = head_len + body_len;
}

/* It goes once more. The server has answered the Cancel of a call that waits, if any, that it knows no
 * such request, and the Cancel has left the window: another one is to follow. */
static void unrefuse(struct window *window, struct slot *slot) {
  if (slot->is_refused && slot->call != NULL && slot->withdrawal == WITHDRAWAL_SENT) {
    slot->withdrawal = WITHDRAWAL_DUE;
    window->due_count++;
  }
  slot->is_refused = false;
}

void window_rewind(struct window *window, enum sp_transport framing) {
  window->unsent = window->oldest;
  window->unsent_offset = 0;
  for (struct slot *slot = window->oldest; slot != NULL; slot = slot->next) {
    unrefuse(window, slot);
  }
  window->refused_count = 0;
  acknowledge_ahead(window, framing);
}

void window_refuse(struct window *window, struct slot *slot) {
  window->refused_count += !slot->is_refused;
  slot->is_refused = true;
}

bool window_resend_refused(struct window *window, enum sp_transport framing) {
  struct slot *first = NULL;
  if (window->unsent_offset > 0 || window->ahead_sent < window->ahead_len) {
    return false;
  }
  for (struct slot *slot = window->newest; slot != NULL; slot = slot->previous) {
    first = slot->is_refused ? slot : first;
    unrefuse(window, slot);
  }
  window->refused_count = 0;
  window->unsent = first != NULL ? first : window->unsent;
  acknowledge_ahead(window, framing);
  return true;
}
