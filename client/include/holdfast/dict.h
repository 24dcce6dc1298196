/* Dicts.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_DICT_H
#define HOLDFAST_DICT_H

#include <holdfast/object.h>

HF_BEGIN_DECLARATIONS

/* Keys: none, bool, int, float, text, bytes, opaque, tuples of these. Entries are in insertion
 * order. */
HF_CHECKED hf_status hf_dict_open(hf_conn *conn, const char *name, hf_dict **dict);
HF_API void hf_dict_close(hf_dict *dict);
/* NOT_FOUND NO_SUCH_KEY */
HF_CHECKED hf_status hf_dict_get(hf_dict *dict, hf_value key, hf_value *value);
HF_CHECKED hf_status hf_dict_set(hf_dict *dict, hf_value key, hf_value value);
/* NOT_FOUND NO_SUCH_KEY */
HF_CHECKED hf_status hf_dict_delete(hf_dict *dict, hf_value key);
HF_CHECKED hf_status hf_dict_contains(hf_dict *dict, hf_value key, bool *found);
HF_CHECKED hf_status hf_dict_len(hf_dict *dict, uint64_t *len);
/* RESOURCE_EXHAUSTED REPLY_TOO_BIG beyond a frame: use hf_dict_next. Free *keys and *values with
 * hf_values_free. */
HF_CHECKED hf_status hf_dict_keys(hf_dict *dict, hf_value **keys, size_t *count);
HF_CHECKED hf_status hf_dict_values(hf_dict *dict, hf_value **values, size_t *count);
/* A consistent copy of all entries; free it with hf_entries_free. */
HF_CHECKED hf_status hf_dict_items(hf_dict *dict, struct hf_entry **entries, size_t *count);
HF_CHECKED hf_status hf_dict_copy(hf_dict *dict, struct hf_entry **entries, size_t *count);
HF_CHECKED hf_status hf_dict_clear(hf_dict *dict);
/* Removes the key and answers its value. A missing key: a copy of *fallback; with fallback NULL,
 * NOT_FOUND NO_SUCH_KEY */
HF_CHECKED hf_status hf_dict_pop(hf_dict *dict, hf_value key, const hf_value *fallback,
                                 hf_value *value);
/* Removes the last entry. NOT_FOUND NO_SUCH_KEY the dict is empty */
HF_CHECKED hf_status hf_dict_popitem(hf_dict *dict, struct hf_entry *entry);
/* Sets a missing key to `value`. Answers the key's value. */
HF_CHECKED hf_status hf_dict_setdefault(hf_dict *dict, hf_value key, hf_value value,
                                        hf_value *result);
HF_CHECKED hf_status hf_dict_update(hf_dict *dict, const struct hf_entry *entries, size_t count);
/* Atomic add; answers the sum. A missing key counts as 0. out sum may be NULL. INVALID_ARGUMENT
 * WRONG_TYPE not numbers | OUT_OF_RANGE OVERFLOW beyond 64 bits. On error the dict is unchanged. */
HF_CHECKED hf_status hf_dict_add(hf_dict *dict, hf_value key, hf_value amount, hf_value *sum);
/* Sets the key to *desired (NULL: deletes the key) if its value is *expected (NULL: the key is
 * missing). out found, may be NULL: the value before; none if the key was missing. */
HF_CHECKED hf_status hf_dict_compare_and_set(hf_dict *dict, hf_value key, const hf_value *expected,
                                             const hf_value *desired, bool *swapped,
                                             hf_value *found);
/* Sets an existing key. NOT_FOUND NO_SUCH_KEY */
HF_CHECKED hf_status hf_dict_replace(hf_dict *dict, hf_value key, hf_value value);
/* Waits until the key's value differs from *known (NULL: until the key exists) and answers it.
 * NOT_FOUND NO_SUCH_KEY the key was removed | DEADLINE_EXCEEDED NOT_CHANGED */
HF_CHECKED hf_status hf_dict_wait(hf_dict *dict, hf_value key, const hf_value *known,
                                  int64_t timeout_ms, hf_value *value);
/* Condition of a transaction: the key's value is *value (NULL: the key is missing). */
HF_CHECKED hf_status hf_require_equal(hf_dict *dict, hf_value key, const hf_value *value);
/* The entries of those keys that exist. */
HF_CHECKED hf_status hf_dict_get_many(hf_dict *dict, const hf_value *keys, size_t count,
                                      struct hf_entry **entries, size_t *entry_count);
/* Iterates in insertion order, page by page. Begin with a zeroed struct; *entry is valid until the
 * next call. With `strict`, ABORTED SIZE_CHANGED if the dict changes its size meanwhile, as in
 * Python. HF_OK: *entry is the next entry; NULL at the end, where the scan frees itself */
struct hf_dict_scan {
  bool strict;
  uint32_t page_count; /* entries per round trip; 0: 1,000 */
  uint64_t cursor, length;
  struct hf_entry *page;
  size_t page_len, page_idx;
  bool started, last;
};
HF_CHECKED hf_status hf_dict_next(hf_dict *dict, struct hf_dict_scan *scan,
                                  const struct hf_entry **entry);
/* Frees a scan that ends early. */
HF_API void hf_dict_scan_stop(struct hf_dict_scan *scan);

HF_END_DECLARATIONS

#endif
