/* The dict: a hash table that remembers the order of insertion, and never stops the world to grow.
 *
 * layer   objects: no time, no I/O, no protobuf
 * memory  Values are kept (one count each): "taken" arguments become the dict's on success only;
 *         what is answered through `out` is retained for the caller unless it says "borrowed".
 * cost    O(1) for one key, at any size; filling one to four million, the worst step took 0.1 ms.
 *
 *   index                          log, in insertion order
 *   hash -> segment of up to       pages of 512 slots: hash, key, value
 *     512 log slots  ---------->  [#0 ...511] [#512 ...] [NULL: all deleted] [sparse page]
 *
 * A slot's number never changes while the entry lives, so a number is a cursor for a scan: an
 * entry that is there throughout a scan is answered exactly once. A page with few entries left is
 * packed (a bitmap has the slots that remain, of 512); an empty one is freed. The index is
 * extendible hashing: a full segment splits in two, the directory of segments doubles.
 */
#ifndef HF_OBJECTS_DICT_H
#define HF_OBJECTS_DICT_H

#include "proto/status.h"
#include "proto/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dict;

/* hash_key is borrowed for the dict's life. NULL: out of memory. */
struct dict *dict_new(const struct value_hash_key *hash_key);
void dict_free(struct dict *dict);
size_t dict_len(const struct dict *dict);
/* Bytes it counts for, its values' included: a function of its entries and their slots, whatever was
 * there before. It takes a quarter more at most, and 16 KiB. O(1): kept up to date. */
size_t dict_memory_bytes(const struct dict *dict);

/* Of the boxes of keys and values alone. */
size_t dict_values_bytes(const struct dict *dict);

/* out is borrowed: valid until the dict changes. false: not there. */
bool dict_get(const struct dict *dict, struct value key, struct value *out);
/* Sets or replaces; key and value are taken. Where the key is there already, the old key is kept
 * (as in Python) and the new one released. *old gets the replaced value, to be released by the
 * caller, or VALUE_ABSENT; NULL: the dict releases it. HF_REASON_NONE | NO_MEMORY OBJECT_TOO_BIG,
 * nothing taken */
hf_reason dict_set(struct dict *dict, struct value key, struct value value, struct value *old);
/* Removes. *removed_key and *removed_value are the caller's to release. false: not there. */
bool dict_remove(struct dict *dict, struct value key, struct value *removed_key,
                 struct value *removed_value);
/* The entry inserted last, borrowed. false: empty. */
bool dict_last(const struct dict *dict, struct value *key, struct value *value);
/* Removes the entry inserted last, as above. false: empty. */
bool dict_remove_last(struct dict *dict, struct value *removed_key, struct value *removed_value);
/* Forgets everything; releases it. */
void dict_clear(struct dict *dict);

/* ---- changes that may have to be undone
 *
 *   dict_pin .. dict_find, a change, dict_find, a change ..     as it was: dict_restore, dict_set,
 *                                                                dict_remove, latest change first
 *   dict_tidy for each slot that was removed, dict_unpin
 */

/* Where an entry stands. */
struct dict_slot {
  uint32_t slot;
  uint32_t hash;
};

/* Pins the dict: until dict_unpin removed entries can be put back, without memory; for up to `inserts`
 * insertions. Harmless when it is pinned. false: out of memory. */
bool dict_pin(struct dict *dict, size_t inserts);
/* Borrowed key, as it was inserted, and value. false: not there. */
bool dict_find(const struct dict *dict, struct value key, struct dict_slot *slot,
               struct value *found_key, struct value *value);
/* Puts an entry that was removed back into its old slot. key and value are taken. */
void dict_restore(struct dict *dict, struct dict_slot slot, struct value key, struct value value);
/* Gives the memory of a removed entry's slot back. Harmless when it is in use. */
void dict_tidy(struct dict *dict, struct dict_slot slot);
void dict_unpin(struct dict *dict);

/* ---- all of it */

/* Walks in insertion order: begin with *cursor = 0; borrowed key and value. *cursor moves behind
 * the entry that was answered, and stays good when the dict changes. false: no more. */
bool dict_next(const struct dict *dict, uint64_t *cursor, struct value *key, struct value *value);

/* ---- writing it down, and building it again: every entry keeps its slot, and what is inserted later
 *      gets the same slot in both */

#define DICT_PAGE_SLOTS 512

struct dict_page {
  uint64_t number;
  uint32_t capacity;
  bool is_packed;
  size_t offset; /* of the entry in it */
};
/* Of the entry that dict_next has just answered. */
struct dict_page dict_page_of(const struct dict *dict, uint64_t cursor);
/* The slot that an empty dict uses next; for dict_begin_at of another dict. */
uint64_t dict_begin(const struct dict *dict);
/* false: no dict begins there. */
bool dict_begin_at(struct dict *dict, uint64_t slot);
/* The page of the next entries. HF_REASON_NONE | BAD_ARGUMENT also without memory */
hf_reason dict_add_page(struct dict *dict, const struct dict_page *page);
/* Brings nearer what dict_add_entry will look at for that key: those of several keys are fetched at once. */
void dict_prefetch(const struct dict *dict, struct value key);
/* The next entry, at that offset of the page. key and value are taken on success only.
 * HF_REASON_NONE | BAD_ARGUMENT NOT_HASHABLE NO_MEMORY */
hf_reason dict_add_entry(struct dict *dict, size_t offset, struct value key, struct value value);

#endif
