#include "server/engine/wait_entries.h"

#include "proto/base/chunk.h"
#include "server/engine/admit_waiter.h"
#include "server/engine/require.h"

#include <stdlib.h>

bool wait_entries_add(struct waiter_list *entries, const struct call *nested, uint32_t part) {
  struct waiter *entry = malloc(sizeof *entry);
  if (!entry) {
    return false;
  }
  *entry = (struct waiter){
      .queue = nested->park_queue,
      .requirements = nested->requirements,
      .operation = nested->operation,
      .object = nested->object,
      .session = nested->session,
      .thread = nested->message->thread,
      .step = nested->step,
      .progress = nested->progress,
      .key_hash = nested->key_hash,
      .part = part,
  };
  TAILQ_INIT(&entry->entries);
  TAILQ_INSERT_TAIL(entries, entry, owner_link);
  return true;
}

void wait_entries_free(struct waiter_list *entries) {
  struct waiter *entry;
  while ((entry = TAILQ_FIRST(entries))) {
    TAILQ_REMOVE(entries, entry, owner_link);
    requirements_free(entry->requirements);
    free(entry);
  }
}

void wait_entries_start(struct waiter *owner, struct waiter_list *entries) {
  struct waiter *entry;
  TAILQ_CONCAT(&owner->entries, entries, owner_link);
  TAILQ_FOREACH(entry, &owner->entries, owner_link) {
    entry->owner = owner;
    entry->ticket = owner->ticket;
    wait_queue_insert(entry->queue, entry);
  }
}

void wait_entries_end(struct waiter *owner) {
  struct waiter *entry;
  TAILQ_FOREACH(entry, &owner->entries, owner_link) {
    wait_queue_remove(entry->queue, entry);
  }
  wait_entries_free(&owner->entries);
}

hf_reason wait_entries_follow(struct waiter *entry, struct call *nested) {
  hf_reason reason = core_keep_requirements(nested, entry);
  if (reason) {
    return reason;
  }
  entry->step = nested->step;
  entry->progress = nested->progress;
  entry->key_hash = nested->key_hash;
  wait_queue_move(entry, nested->park_queue);
  return HF_REASON_NONE;
}

size_t wait_entries_bytes(const struct waiter_list *entries) {
  const struct waiter *entry;
  size_t bytes = 0;
  TAILQ_FOREACH(entry, entries, owner_link) {
    bytes += chunk_bytes(sizeof *entry) + (entry->requirements ? entry->requirements->bytes : 0);
  }
  return bytes;
}
