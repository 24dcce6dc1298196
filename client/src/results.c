#include "client/src/results.h"

#include <stdlib.h>

#include "client/src/conn.h"
#include "client/src/values.h"

hf_reason result_none(hf_conn *conn, const Holdfast__Response *reply, const struct result *result) {
  (void)result;
  result_drop(conn, reply);
  return HF_REASON_NONE;
}

static bool has(const Holdfast__Response *reply, Holdfast__Response__ResultCase result_case) {
  return reply->result_case == result_case;
}

hf_reason result_value(hf_conn *conn, const Holdfast__Response *reply,
                       const struct result *result) {
  if (!has(reply, HOLDFAST__RESPONSE__RESULT_VALUE)) {
    return HF_REASON_BAD_REPLY;
  }
  if (result->first == NULL) {
    value_drop_wire(conn, reply->value);
    return HF_REASON_NONE;
  }
  return value_from_wire(conn, reply->value, result->first);
}

hf_reason result_int(hf_conn *conn, const Holdfast__Response *reply, const struct result *result) {
  (void)conn;
  if (!has(reply, HOLDFAST__RESPONSE__RESULT_VALUE)) {
    return HF_REASON_BAD_REPLY;
  }
  const Holdfast__Value *value = reply->value;
  switch (value->kind_case) {
    case HOLDFAST__VALUE__KIND_INTEGER:
      *(int64_t *)result->first = value->integer;
      return HF_REASON_NONE;
    case HOLDFAST__VALUE__KIND_BOOLEAN:
      *(int64_t *)result->first = value->boolean;
      return HF_REASON_NONE;
    case HOLDFAST__VALUE__KIND_UNSIGNED:
      return HF_REASON_OVERFLOW;
    default:
      return HF_REASON_WRONG_TYPE;
  }
}

hf_reason result_float(hf_conn *conn, const Holdfast__Response *reply,
                       const struct result *result) {
  (void)conn;
  if (!has(reply, HOLDFAST__RESPONSE__RESULT_VALUE)) {
    return HF_REASON_BAD_REPLY;
  }
  const Holdfast__Value *value = reply->value;
  switch (value->kind_case) {
    case HOLDFAST__VALUE__KIND_REAL:
      *(double *)result->first = value->real;
      return HF_REASON_NONE;
    case HOLDFAST__VALUE__KIND_INTEGER:
      *(double *)result->first = (double)value->integer;
      return HF_REASON_NONE;
    case HOLDFAST__VALUE__KIND_BOOLEAN:
      *(double *)result->first = value->boolean;
      return HF_REASON_NONE;
    case HOLDFAST__VALUE__KIND_UNSIGNED:
      *(double *)result->first = (double)value->unsigned_;
      return HF_REASON_NONE;
    default:
      return HF_REASON_WRONG_TYPE;
  }
}

/* An array of at least one, so that an empty result is not NULL. */
static void *array_of(size_t count, size_t item_bytes) {
  return calloc(count > 0 ? count : 1, item_bytes);
}

hf_reason result_values(hf_conn *conn, const Holdfast__Response *reply,
                        const struct result *result) {
  if (!has(reply, HOLDFAST__RESPONSE__RESULT_VALUES)) {
    return HF_REASON_BAD_REPLY;
  }
  if (result->first == NULL) {
    result_drop(conn, reply);
    return HF_REASON_NONE;
  }
  size_t count = reply->values->n_items;
  hf_value *values = array_of(count, sizeof *values);
  if (values == NULL) {
    return HF_REASON_NO_MEMORY;
  }
  for (size_t i = 0; i < count; i++) {
    hf_reason reason = value_from_wire(conn, reply->values->items[i], &values[i]);
    if (reason != HF_REASON_NONE) {
      free(values);
      return reason;
    }
  }
  *(hf_value **)result->first = values;
  *(size_t *)result->second = count;
  return HF_REASON_NONE;
}

static hf_reason copy_entry(hf_conn *conn, const Holdfast__Entry *item, struct hf_entry *entry) {
  hf_reason reason = value_from_wire(conn, item->key, &entry->key);
  return reason != HF_REASON_NONE ? reason : value_from_wire(conn, item->value, &entry->value);
}

hf_reason result_copy_entries(hf_conn *conn, Holdfast__Entry *const *items, size_t count,
                              struct hf_entry **entries) {
  struct hf_entry *copies = array_of(count, sizeof *copies);
  if (copies == NULL) {
    return HF_REASON_NO_MEMORY;
  }
  for (size_t i = 0; i < count; i++) {
    hf_reason reason = copy_entry(conn, items[i], &copies[i]);
    if (reason != HF_REASON_NONE) {
      free(copies);
      return reason;
    }
  }
  *entries = copies;
  return HF_REASON_NONE;
}

hf_reason result_entries(hf_conn *conn, const Holdfast__Response *reply,
                         const struct result *result) {
  if (!has(reply, HOLDFAST__RESPONSE__RESULT_ENTRIES)) {
    return HF_REASON_BAD_REPLY;
  }
  const Holdfast__Entries *entries = reply->entries;
  hf_reason reason = result_copy_entries(conn, entries->items, entries->n_items, result->first);
  if (reason == HF_REASON_NONE) {
    *(size_t *)result->second = entries->n_items;
  }
  return reason;
}

hf_reason result_entry(hf_conn *conn, const Holdfast__Response *reply,
                       const struct result *result) {
  if (!has(reply, HOLDFAST__RESPONSE__RESULT_ENTRIES) || reply->entries->n_items != 1) {
    return HF_REASON_BAD_REPLY;
  }
  if (result->first == NULL) {
    result_drop(conn, reply);
    return HF_REASON_NONE;
  }
  struct hf_entry entry;
  hf_reason reason = copy_entry(conn, reply->entries->items[0], &entry);
  if (reason == HF_REASON_NONE) {
    *(struct hf_entry *)result->first = entry;
  }
  return reason;
}

hf_reason result_flag(hf_conn *conn, const Holdfast__Response *reply, const struct result *result) {
  (void)conn;
  if (!has(reply, HOLDFAST__RESPONSE__RESULT_FLAG)) {
    return HF_REASON_BAD_REPLY;
  }
  if (result->first != NULL) {
    *(bool *)result->first = reply->flag;
  }
  return HF_REASON_NONE;
}

hf_reason result_count(hf_conn *conn, const Holdfast__Response *reply,
                       const struct result *result) {
  (void)conn;
  if (!has(reply, HOLDFAST__RESPONSE__RESULT_COUNT)) {
    return HF_REASON_BAD_REPLY;
  }
  if (result->first != NULL) {
    *(uint64_t *)result->first = (uint64_t)reply->count;
  }
  return HF_REASON_NONE;
}

hf_reason result_exchange(hf_conn *conn, const Holdfast__Response *reply,
                          const struct result *result) {
  if (!has(reply, HOLDFAST__RESPONSE__RESULT_EXCHANGE)) {
    return HF_REASON_BAD_REPLY;
  }
  if (result->second == NULL) {
    value_drop_wire(conn, reply->exchange->found);
  } else {
    hf_reason reason = value_from_wire(conn, reply->exchange->found, result->second);
    if (reason != HF_REASON_NONE) {
      return reason;
    }
  }
  if (result->first != NULL) {
    *(bool *)result->first = reply->exchange->swapped;
  }
  return HF_REASON_NONE;
}

hf_reason result_grant(hf_conn *conn, const Holdfast__Response *reply,
                       const struct result *result) {
  (void)conn;
  if (!has(reply, HOLDFAST__RESPONSE__RESULT_GRANT)) {
    return HF_REASON_BAD_REPLY;
  }
  if (result->first != NULL) {
    struct hf_grant grant = {reply->grant->token, reply->grant->owner_died};
    *(struct hf_grant *)result->first = grant;
  }
  return HF_REASON_NONE;
}

hf_reason result_arrival(hf_conn *conn, const Holdfast__Response *reply,
                         const struct result *result) {
  (void)conn;
  if (!has(reply, HOLDFAST__RESPONSE__RESULT_ARRIVAL)) {
    return HF_REASON_BAD_REPLY;
  }
  if (result->first != NULL) {
    *(uint64_t *)result->first = reply->arrival->index;
  }
  if (result->second != NULL) {
    *(bool *)result->second = reply->arrival->acts;
  }
  return HF_REASON_NONE;
}

static void drop_entries(hf_conn *conn, Holdfast__Entry *const *items, size_t count) {
  for (size_t i = 0; i < count; i++) {
    value_drop_wire(conn, items[i]->key);
    value_drop_wire(conn, items[i]->value);
  }
}

void result_drop(hf_conn *conn, const Holdfast__Response *reply) {
  switch (reply->result_case) {
    case HOLDFAST__RESPONSE__RESULT_VALUE:
      value_drop_wire(conn, reply->value);
      break;
    case HOLDFAST__RESPONSE__RESULT_VALUES:
      for (size_t i = 0; i < reply->values->n_items; i++) {
        value_drop_wire(conn, reply->values->items[i]);
      }
      break;
    case HOLDFAST__RESPONSE__RESULT_ENTRIES:
      drop_entries(conn, reply->entries->items, reply->entries->n_items);
      break;
    case HOLDFAST__RESPONSE__RESULT_PAGE:
      drop_entries(conn, reply->page->items, reply->page->n_items);
      break;
    case HOLDFAST__RESPONSE__RESULT_EXCHANGE:
      value_drop_wire(conn, reply->exchange->found);
      break;
    default:
      break;
  }
}
