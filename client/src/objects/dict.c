#include <stdlib.h>

#include "client/src/call/paging.h"
#include "client/src/objects/object.h"

hf_status hf_dict_open(hf_conn *conn, const char *name, hf_dict **dict) {
  return object_open_simple(conn, name, HF_DICT, dict);
}

void hf_dict_close(hf_dict *dict) {
  hf_object_close(HF_AS_OBJECT(dict));
}

hf_status hf_dict_get(hf_dict *dict, hf_value key, hf_value *value) {
  struct request request;
  Holdfast__DictGet arm = HOLDFAST__DICT_GET__INIT;
  request_of(&request, dict, OPERATION(DICT_GET));
  arm.key = request_value(&request, &key);
  request_ask(&request, result_value, value, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_dict_set(hf_dict *dict, hf_value key, hf_value value) {
  struct request request;
  Holdfast__DictSet arm = HOLDFAST__DICT_SET__INIT;
  request_of(&request, dict, OPERATION(DICT_SET));
  arm.key = request_value(&request, &key);
  arm.value = request_value(&request, &value);
  return request_send(&request, &arm.base);
}

hf_status hf_dict_delete(hf_dict *dict, hf_value key) {
  struct request request;
  Holdfast__DictDelete arm = HOLDFAST__DICT_DELETE__INIT;
  request_of(&request, dict, OPERATION(DICT_DELETE));
  arm.key = request_value(&request, &key);
  return request_send(&request, &arm.base);
}

hf_status hf_dict_contains(hf_dict *dict, hf_value key, bool *found) {
  struct request request;
  Holdfast__DictContains arm = HOLDFAST__DICT_CONTAINS__INIT;
  request_of(&request, dict, OPERATION(DICT_CONTAINS));
  arm.key = request_value(&request, &key);
  request_ask(&request, result_flag, found, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_dict_len(hf_dict *dict, uint64_t *len) {
  struct request request;
  Holdfast__DictLen arm = HOLDFAST__DICT_LEN__INIT;
  request_of(&request, dict, OPERATION(DICT_LEN));
  request_ask(&request, result_count, len, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_dict_keys(hf_dict *dict, hf_value **keys, size_t *count) {
  struct request request;
  Holdfast__DictKeys arm = HOLDFAST__DICT_KEYS__INIT;
  request_of(&request, dict, OPERATION(DICT_KEYS));
  request_ask(&request, result_values, keys, count);
  return request_send(&request, &arm.base);
}

hf_status hf_dict_values(hf_dict *dict, hf_value **values, size_t *count) {
  struct request request;
  Holdfast__DictValues arm = HOLDFAST__DICT_VALUES__INIT;
  request_of(&request, dict, OPERATION(DICT_VALUES));
  request_ask(&request, result_values, values, count);
  return request_send(&request, &arm.base);
}

hf_status hf_dict_items(hf_dict *dict, struct hf_entry **entries, size_t *count) {
  struct request request;
  Holdfast__DictItems arm = HOLDFAST__DICT_ITEMS__INIT;
  request_of(&request, dict, OPERATION(DICT_ITEMS));
  request_ask(&request, result_entries, entries, count);
  return request_send(&request, &arm.base);
}

hf_status hf_dict_copy(hf_dict *dict, struct hf_entry **entries, size_t *count) {
  struct request request;
  Holdfast__DictCopy arm = HOLDFAST__DICT_COPY__INIT;
  request_of(&request, dict, OPERATION(DICT_COPY));
  request_ask(&request, result_entries, entries, count);
  return request_send(&request, &arm.base);
}

hf_status hf_dict_clear(hf_dict *dict) {
  struct request request;
  Holdfast__DictClear arm = HOLDFAST__DICT_CLEAR__INIT;
  request_of(&request, dict, OPERATION(DICT_CLEAR));
  return request_send(&request, &arm.base);
}

hf_status hf_dict_pop(hf_dict *dict, hf_value key, const hf_value *fallback, hf_value *value) {
  struct request request;
  Holdfast__DictPop arm = HOLDFAST__DICT_POP__INIT;
  request_of(&request, dict, OPERATION(DICT_POP));
  arm.key = request_value(&request, &key);
  arm.fallback = request_optional(&request, fallback);
  request_result(&request, result_value, value, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_dict_popitem(hf_dict *dict, struct hf_entry *entry) {
  struct request request;
  Holdfast__DictPopItem arm = HOLDFAST__DICT_POP_ITEM__INIT;
  request_of(&request, dict, OPERATION(DICT_POP_ITEM));
  request_result(&request, result_entry, entry, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_dict_setdefault(hf_dict *dict, hf_value key, hf_value value, hf_value *result) {
  struct request request;
  Holdfast__DictSetDefault arm = HOLDFAST__DICT_SET_DEFAULT__INIT;
  request_of(&request, dict, OPERATION(DICT_SET_DEFAULT));
  arm.key = request_value(&request, &key);
  arm.value = request_value(&request, &value);
  request_result(&request, result_value, result, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_dict_update(hf_dict *dict, const struct hf_entry *entries, size_t count) {
  struct request request;
  Holdfast__DictUpdate arm = HOLDFAST__DICT_UPDATE__INIT;
  request_of(&request, dict, OPERATION(DICT_UPDATE));
  arm.items = request_entries(&request, entries, count, &arm.n_items);
  return request_send(&request, &arm.base);
}

hf_status hf_dict_add(hf_dict *dict, hf_value key, hf_value amount, hf_value *sum) {
  struct request request;
  Holdfast__DictAdd arm = HOLDFAST__DICT_ADD__INIT;
  request_of(&request, dict, OPERATION(DICT_ADD));
  arm.key = request_value(&request, &key);
  arm.amount = request_value(&request, &amount);
  request_result(&request, result_value, sum, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_dict_compare_and_set(hf_dict *dict, hf_value key, const hf_value *expected,
                                  const hf_value *desired, bool *swapped, hf_value *found) {
  struct request request;
  Holdfast__DictCompareAndSet arm = HOLDFAST__DICT_COMPARE_AND_SET__INIT;
  request_of(&request, dict, OPERATION(DICT_COMPARE_AND_SET));
  arm.key = request_value(&request, &key);
  arm.expected = request_optional(&request, expected);
  arm.desired = request_optional(&request, desired);
  request_result(&request, result_exchange, swapped, found);
  return request_send(&request, &arm.base);
}

hf_status hf_dict_replace(hf_dict *dict, hf_value key, hf_value value) {
  struct request request;
  Holdfast__DictReplace arm = HOLDFAST__DICT_REPLACE__INIT;
  request_of(&request, dict, OPERATION(DICT_REPLACE));
  arm.key = request_value(&request, &key);
  arm.value = request_value(&request, &value);
  return request_send(&request, &arm.base);
}

hf_status hf_dict_wait(hf_dict *dict, hf_value key, const hf_value *known, int64_t timeout_ms,
                       hf_value *value) {
  struct request request;
  Holdfast__DictWait arm = HOLDFAST__DICT_WAIT__INIT;
  request_of(&request, dict, OPERATION(DICT_WAIT));
  request_wait(&request, timeout_ms);
  arm.key = request_value(&request, &key);
  arm.known = request_optional(&request, known);
  request_ask(&request, result_value, value, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_dict_get_many(hf_dict *dict, const hf_value *keys, size_t count,
                           struct hf_entry **entries, size_t *entry_count) {
  struct request request;
  Holdfast__DictGetMany arm = HOLDFAST__DICT_GET_MANY__INIT;
  request_of(&request, dict, OPERATION(DICT_GET_MANY));
  arm.keys = request_values(&request, keys, count, &arm.n_keys);
  request_ask(&request, result_entries, entries, entry_count);
  return request_send(&request, &arm.base);
}

/* ---------------------------------------------------------------- iteration */

#define PAGE_COUNT_DEFAULT 1000

/* first: struct hf_dict_scan * */
static hf_reason take_page(hf_conn *conn, const Holdfast__Response *reply,
                           const struct result *result) {
  struct hf_dict_scan *scan = result->first;
  if (reply->result_case != HOLDFAST__RESPONSE__RESULT_PAGE) {
    return HF_REASON_BAD_REPLY;
  }
  const Holdfast__Page *page = reply->page;
  hf_reason reason = result_copy_entries(conn, page->items, page->n_items, &scan->page);
  if (reason != HF_REASON_NONE) {
    return reason;
  }
  scan->page_len = page->n_items;
  scan->page_idx = 0;
  scan->cursor = page->cursor;
  scan->length = page->length;
  scan->started = true;
  scan->last = page->cursor == 0;
  return HF_REASON_NONE;
}

static void free_page(struct hf_dict_scan *scan) {
  hf_entries_free(scan->page, scan->page_len);
  scan->page = NULL;
  scan->page_len = scan->page_idx = 0;
}

/* Fetches pages until one has entries or is the last. */
struct fetching {
  struct steps steps; /* first */
  uint64_t dict;
  struct hf_dict_scan *scan;
  const struct hf_entry **entry;
  struct paging paging;
  uint64_t before; /* the cursor of the last request */
};

static hf_status fetch_page(struct fetching *fetching) {
  struct hf_dict_scan *scan = fetching->scan;
  struct request request;
  Holdfast__DictScan arm = HOLDFAST__DICT_SCAN__INIT;
  request_of_conn(&request, fetching->steps.conn, OPERATION(DICT_SCAN));
  request.envelope.object = fetching->dict;
  request_ask(&request, take_page, scan, NULL);
  fetching->before = arm.cursor = scan->cursor;
  arm.limit = scan->page_count > 0 ? scan->page_count : PAGE_COUNT_DEFAULT;
  if (scan->strict && scan->started) {
    arm.strict_case = HOLDFAST__DICT_SCAN__STRICT_EXPECTED_LENGTH;
    arm.expected_length = scan->length;
  }
  free(scan->page); /* an empty one */
  scan->page = NULL;
  return steps_send(&fetching->steps, &request, &arm.base);
}

static bool has_next(const struct hf_dict_scan *scan) {
  return scan->page_idx < scan->page_len || scan->last;
}

static hf_status fetch_step(struct steps *steps) {
  struct fetching *fetching = (struct fetching *)steps;
  const struct hf_dict_scan *scan = fetching->scan;
  if (has_next(scan)) {
    return HF_OK;
  }
  hf_status status = steps->sent_count == 0
                         ? HF_OK
                         : paging_check(&fetching->paging, 0, scan->cursor != fetching->before);
  return status == HF_OK ? fetch_page(fetching) : status;
}

static void give_next(struct hf_dict_scan *scan, const struct hf_entry **entry) {
  if (scan->page_idx < scan->page_len) {
    *entry = &scan->page[scan->page_idx++];
    return;
  }
  hf_dict_scan_stop(scan);
  *entry = NULL;
}

static hf_status fetch_end(struct steps *steps, hf_status status) {
  const struct fetching *fetching = (const struct fetching *)steps;
  if (status == HF_OK) {
    give_next(fetching->scan, fetching->entry);
  }
  return status;
}

hf_status hf_dict_next(hf_dict *dict, struct hf_dict_scan *scan, const struct hf_entry **entry) {
  static const struct steps_kind kind = {sizeof(struct fetching), fetch_step, NULL, fetch_end};
  hf_conn *conn = hf_object_conn(HF_AS_OBJECT(dict));
  if (!has_next(scan)) {
    free_page(scan);
  } else if (!steps_are_submitted(conn)) {
    give_next(scan, entry);
    return HF_OK;
  }
  struct fetching fetching = {.steps = {.kind = &kind, .conn = conn},
                              .dict = hf_object_id(HF_AS_OBJECT(dict)),
                              .scan = scan,
                              .entry = entry,
                              .paging = paging_begin(conn)};
  return steps_run(&fetching.steps);
}

void hf_dict_scan_stop(struct hf_dict_scan *scan) {
  const bool strict = scan->strict;
  const uint32_t page_count = scan->page_count;
  free_page(scan);
  *scan = (struct hf_dict_scan){.strict = strict, .page_count = page_count};
}
