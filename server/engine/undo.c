#include "server/engine/undo.h"

#include "server/engine/call.h"
#include "server/engine/kinds/kind.h"

#include <stdlib.h>

bool undo_init(struct undo *undo, struct call *call, size_t capacity) {
  *undo = (struct undo){.call = call, .entries = malloc((capacity + 1) * sizeof *undo->entries)};
  return undo->entries != NULL;
}

struct call undo_call_on(const struct undo *undo, struct object *object) {
  struct call call = *undo->call;
  call.object = object;
  return call;
}

void undo_swap_back(const struct undo *undo, const struct undo_entry *entry, struct value dropped) {
  struct call call = undo_call_on(undo, entry->object);
  call_keep(&call, entry->value);
  call_discard(&call, dropped);
}

hf_reason undo_capture(struct undo *undo, struct call *operation) {
  struct undo_entry *entry = &undo->entries[undo->count];
  *entry = (struct undo_entry){.object = operation->object};
  if (operation->operation->effect == EFFECT_NONE) {
    return HF_REASON_NONE;
  }
  hf_reason reason = operation->object->row->capture(entry, operation);
  undo->count += !reason;
  return reason;
}

void undo_roll_back(struct undo *undo) {
  for (size_t i = undo->count; i > 0; i--) {
    struct undo_entry *entry = &undo->entries[i - 1];
    if (entry->way) {
      entry->way->put_back(undo, entry);
    }
  }
}

static void tidy(struct undo_entry *entry) {
  if (entry->way && entry->way->tidy) {
    entry->way->tidy(entry);
  }
  value_release(entry->value);
}

static void release(const struct undo *undo, struct undo_entry *entry) {
  if (entry->way && entry->way->release) {
    entry->way->release(entry);
  }
  registry_account(&undo->call->engine->registry, entry->object);
}

void undo_deinit(struct undo *undo) {
  for (size_t i = 0; i < undo->count; i++) {
    tidy(&undo->entries[i]);
  }
  for (size_t i = 0; i < undo->count; i++) {
    release(undo, &undo->entries[i]);
  }
  free(undo->entries);
}
