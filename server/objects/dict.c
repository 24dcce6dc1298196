#include "server/objects/dict.h"

#include "proto/base/chunk.h"
#include "proto/limits.h"
#include "server/objects/dict_index.h"
#include "server/objects/dict_log.h"

#include <assert.h>
#include <stdlib.h>

_Static_assert(DICT_PAGE_SLOTS == LOG_PAGE_SLOTS, "a page is a page");

struct dict {
  const struct value_hash_key *hash_key;
  struct dict_log log;
  struct dict_index index;
  size_t values_bytes; /* of the boxes of keys and values */
};

struct dict *dict_new(const struct value_hash_key *hash_key) {
  struct dict *dict = malloc(sizeof *dict);
  if (dict) {
    *dict = (struct dict){.hash_key = hash_key};
    log_init(&dict->log);
    index_init(&dict->index);
  }
  return dict;
}

static void release_values(struct dict *dict) {
  uint64_t cursor = 0;
  struct value key;
  struct value value;
  while (dict_next(dict, &cursor, &key, &value)) {
    value_release(key);
    value_release(value);
  }
  dict->values_bytes = 0;
}

void dict_free(struct dict *dict) {
  if (!dict) {
    return;
  }
  release_values(dict);
  index_deinit(&dict->index);
  log_deinit(&dict->log);
  free(dict);
}

void dict_clear(struct dict *dict) {
  release_values(dict);
  index_deinit(&dict->index);
  log_clear(&dict->log);
}

size_t dict_len(const struct dict *dict) {
  return dict->log.live;
}

/* What an entry counts for in the index, and what an index with few of them takes besides. */
#define INDEX_ENTRY_BYTES 12
#define INDEX_BYTES 64

size_t dict_memory_bytes(const struct dict *dict) {
  size_t len = dict->log.live, index_bytes = len ? INDEX_BYTES + len * INDEX_ENTRY_BYTES : 0;
  return chunk_bytes(sizeof *dict) + log_counted_bytes(&dict->log) + index_bytes +
         dict->values_bytes;
}

size_t dict_values_bytes(const struct dict *dict) {
  return dict->values_bytes;
}

static uint32_t hash_of(const struct dict *dict, struct value key) {
  return (uint32_t)value_hash(dict->hash_key, key);
}

bool dict_get(const struct dict *dict, struct value key, struct value *out) {
  uint32_t slot;
  if (!index_find(&dict->index, &dict->log, hash_of(dict, key), key, &slot)) {
    return false;
  }
  *out = log_entry_at(&dict->log, slot)->value;
  return true;
}

/* Once in 2^32 insertions, when the first entry has stayed all the while: all entries move on to
 * new slots behind the present ones. A scan under way then meets them again; the alternative is
 * to miss some. false: out of memory, nothing changed. */
static bool renumber(struct dict *dict) {
  struct dict_log fresh;
  assert(!dict->log.pinned);
  log_init(&fresh);
  fresh.next = dict->log.next;
  log_clear(&fresh); /* begins with a new page */
  uint64_t cursor = 0;
  uint32_t hash;
  uint32_t slot;
  struct log_entry *entry;
  while ((entry = log_next(&dict->log, &cursor, &hash))) {
    if (!log_append(&fresh, hash, entry->key, entry->value, &slot)) {
      log_deinit(&fresh);
      return false;
    }
  }
  log_deinit(&dict->log);
  dict->log = fresh;
  index_forget_slots(&dict->index);
  cursor = 0;
  while (log_next(&dict->log, &cursor, &hash)) {
    index_insert(&dict->index, hash, (uint32_t)(cursor - 1));
  }
  return true;
}

static hf_reason insert(struct dict *dict, uint32_t hash, struct value key, struct value value) {
  if (dict->log.live >= HF_LENGTH_MAX) {
    return HF_REASON_OBJECT_TOO_BIG;
  }
  uint32_t slot;
  if ((log_is_full(&dict->log, 1) && !renumber(dict)) ||
      !index_reserve(&dict->index, &dict->log, hash) ||
      !log_append(&dict->log, hash, key, value, &slot)) {
    return HF_REASON_NO_MEMORY;
  }
  index_insert(&dict->index, hash, slot);
  dict->values_bytes += value_memory_bytes(key) + value_memory_bytes(value);
  return HF_REASON_NONE;
}

hf_reason dict_set(struct dict *dict, struct value key, struct value value, struct value *old) {
  uint32_t hash = hash_of(dict, key);
  uint32_t slot;
  struct value replaced = {0};
  if (index_find(&dict->index, &dict->log, hash, key, &slot)) {
    struct log_entry *entry = log_entry_at(&dict->log, slot);
    replaced = entry->value;
    entry->value = value;
    dict->values_bytes += value_memory_bytes(value) - value_memory_bytes(replaced);
    value_release(key);
  } else {
    hf_reason reason = insert(dict, hash, key, value);
    if (reason != HF_REASON_NONE) {
      return reason;
    }
  }
  if (old) {
    *old = replaced;
  } else {
    value_release(replaced);
  }
  return HF_REASON_NONE;
}

static void remove_slot(struct dict *dict, uint32_t hash, uint32_t slot, struct value *removed_key,
                        struct value *removed_value) {
  struct log_entry *entry = log_entry_at(&dict->log, slot);
  *removed_key = entry->key;
  *removed_value = entry->value;
  dict->values_bytes -= value_memory_bytes(entry->key) + value_memory_bytes(entry->value);
  index_remove(&dict->index, &dict->log, hash, slot);
  log_remove(&dict->log, slot);
}

bool dict_remove(struct dict *dict, struct value key, struct value *removed_key,
                 struct value *removed_value) {
  uint32_t hash = hash_of(dict, key);
  uint32_t slot;
  if (!index_find(&dict->index, &dict->log, hash, key, &slot)) {
    return false;
  }
  remove_slot(dict, hash, slot, removed_key, removed_value);
  return true;
}

bool dict_last(const struct dict *dict, struct value *key, struct value *value) {
  if (dict->log.live == 0) {
    return false;
  }
  const struct log_entry *entry = log_entry_at(&dict->log, log_last(&dict->log));
  *key = entry->key;
  *value = entry->value;
  return true;
}

bool dict_remove_last(struct dict *dict, struct value *removed_key, struct value *removed_value) {
  if (dict->log.live == 0) {
    return false;
  }
  uint32_t slot = log_last(&dict->log);
  remove_slot(dict, log_hash_at(&dict->log, slot), slot, removed_key, removed_value);
  return true;
}

/* ---------------------------------------------------------------- undoing */

bool dict_pin(struct dict *dict, size_t inserts) {
  if (dict->log.pinned) {
    return true;
  }
  if (log_is_full(&dict->log, inserts) && !renumber(dict)) {
    return false;
  }
  log_pin(&dict->log);
  return true;
}

bool dict_find(const struct dict *dict, struct value key, struct dict_slot *slot,
               struct value *found_key, struct value *value) {
  slot->hash = hash_of(dict, key);
  if (!index_find(&dict->index, &dict->log, slot->hash, key, &slot->slot)) {
    return false;
  }
  const struct log_entry *entry = log_entry_at(&dict->log, slot->slot);
  *found_key = entry->key;
  *value = entry->value;
  return true;
}

void dict_restore(struct dict *dict, struct dict_slot slot, struct value key, struct value value) {
  log_restore(&dict->log, slot.slot, key, value);
  index_insert(&dict->index, slot.hash, slot.slot);
  dict->values_bytes += value_memory_bytes(key) + value_memory_bytes(value);
}

void dict_tidy(struct dict *dict, struct dict_slot slot) {
  index_tidy(&dict->index, &dict->log, slot.hash);
  log_tidy(&dict->log, slot.slot);
}

void dict_unpin(struct dict *dict) {
  if (dict->log.pinned) {
    log_unpin(&dict->log);
  }
}

/* ---------------------------------------------------------------- walking */

bool dict_next(const struct dict *dict, uint64_t *cursor, struct value *key, struct value *value) {
  uint32_t hash;
  const struct log_entry *entry = log_next(&dict->log, cursor, &hash);
  if (!entry) {
    return false;
  }
  *key = entry->key;
  *value = entry->value;
  return true;
}

/* ---------------------------------------------------------------- building it again */

struct dict_page dict_page_of(const struct dict *dict, uint64_t cursor) {
  struct log_form form = log_form_of(&dict->log, cursor - 1);
  return (struct dict_page){form.number, form.capacity, form.is_packed,
                            (cursor - 1) & (LOG_PAGE_SLOTS - 1)};
}

uint64_t dict_begin(const struct dict *dict) {
  return dict->log.next;
}

bool dict_begin_at(struct dict *dict, uint64_t slot) {
  bool is_good = dict->log.live == 0 && dict->log.page_count == 0 && slot < UINT64_MAX >> 1;
  if (is_good) {
    log_begin_at(&dict->log, slot);
  }
  return is_good;
}

hf_reason dict_add_page(struct dict *dict, const struct dict_page *page) {
  struct log_form form = {page->number, page->capacity, page->is_packed};
  return log_add_form(&dict->log, form) ? HF_REASON_NONE : HF_REASON_BAD_ARGUMENT;
}

void dict_prefetch(const struct dict *dict, struct value key) {
  if (!value_is_absent(key) && !value_check_key(key)) {
    index_prefetch(&dict->index, hash_of(dict, key));
  }
}

hf_reason dict_add_entry(struct dict *dict, size_t offset, struct value key, struct value value) {
  hf_reason reason = value_check_key(key);
  if (reason || value_is_absent(key) || value_is_absent(value) || dict->log.live >= HF_LENGTH_MAX) {
    return reason ? reason : HF_REASON_BAD_ARGUMENT;
  }
  uint32_t hash = hash_of(dict, key);
  uint32_t slot;
  if (index_find(&dict->index, &dict->log, hash, key, &slot)) {
    return HF_REASON_BAD_ARGUMENT;
  }
  if (!index_reserve(&dict->index, &dict->log, hash)) {
    return HF_REASON_NO_MEMORY;
  }
  if (!log_add_entry(&dict->log, offset, hash, (struct log_entry){key, value}, &slot)) {
    return HF_REASON_BAD_ARGUMENT;
  }
  index_insert(&dict->index, hash, slot);
  dict->values_bytes += value_memory_bytes(key) + value_memory_bytes(value);
  return HF_REASON_NONE;
}
