#include "client/src/window.h"

#include <stdlib.h>
#include <string.h>

#define REQ_ID_BYTES 4
/* A slot's buffer beyond this is not kept. */
#define SLOT_KEEP_BYTES 4096

bool window_init(struct window *window) {
  *window = (struct window){.used_count_max = HF_WINDOW_COUNT_MAX};
  window->slots = calloc(WINDOW_SLOTS_MAX, sizeof *window->slots);
  return window->slots != NULL;
}

void window_deinit(struct window *window) {
  for (uint32_t i = 0; i < window->touched_count; i++) {
    free(window->slots[i].frame);
  }
  free(window->slots);
  window->slots = NULL;
}

void window_reset(struct window *window) {
  while (window->oldest != NULL) {
    window_remove(window, window->oldest);
  }
  window->last_sequence = 0;
  window->also_count = 0;
  window->unsent_offset = 0;
}

/* Every reply up to this sequence was received. */
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

/* Those that `acked` covers by now need not be told one by one. */
static void forget_covered(struct window *window, uint64_t covered) {
  uint32_t kept_count = 0;
  for (uint32_t i = 0; i < window->also_count; i++) {
    if (window->also[i] > covered) {
      window->also[kept_count++] = window->also[i];
    }
  }
  window->also_count = kept_count;
}

static void encode(struct window *window, struct slot *slot, enum sp_transport framing,
                   const struct envelope *envelope) {
  size_t head_len = sp_prefix_bytes(framing) + REQ_ID_BYTES;
  uint32_t id = (uint32_t)(slot - window->slots) | 0x80000000u;
  uint8_t *word = slot->frame + sp_prefix_bytes(framing);
  size_t body_len = envelope_write(slot->frame + head_len, envelope, slot->sequence, acked(window),
                                   window->also, window->also_count);
  sp_prefix_write(framing, slot->frame, REQ_ID_BYTES + body_len);
  word[0] = (uint8_t)(id >> 24);
  word[1] = (uint8_t)(id >> 16);
  word[2] = (uint8_t)(id >> 8);
  word[3] = (uint8_t)id;
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
  slot->withdrawal = WITHDRAWAL_NONE;
  slot->withdraws = NULL;
  encode(window, slot, framing, envelope);
  window->last_sequence++;
  window->used_count++;
  append(window, slot);
  return slot;
}

struct slot *window_find(struct window *window, uint32_t id, uint64_t sequence) {
  struct slot *slot = id < window->touched_count ? &window->slots[id] : NULL;
  if (slot == NULL || slot->sequence == 0 || !slot->was_sent) {
    return NULL;
  }
  return sequence == 0 || slot->sequence == sequence ? slot : NULL;
}

/* What the slot was to tell, nobody may have heard: a link can lose what was sent. */
static void tell_again(struct window *window, const struct slot *slot) {
  window->also_count +=
      envelope_read_also(slot->frame + slot->head_len, window->also + window->also_count,
                         HF_WINDOW_COUNT_MAX - window->also_count);
}

void window_remove(struct window *window, struct slot *slot) {
  if (!slot->was_sent || slot->is_silent) {
    tell_again(window, slot);
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
  slot->sequence = 0;
  slot->call = NULL;
  slot->next = window->free;
  window->free = slot;
  window->used_count--;
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
  for (struct slot *slot = window->unsent; slot != NULL && part_count < part_count_max;
       slot = slot->next) {
    parts[part_count++] = (struct iovec){slot->frame + offset, slot->frame_len - offset};
    offset = 0;
  }
  return part_count;
}

void window_sent(struct window *window, size_t size) {
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

void window_rewind(struct window *window) {
  window->unsent = window->oldest;
  window->unsent_offset = 0;
}
