#include "client/src/call/results.h"

#include <stdlib.h>
#include <string.h>

#include "client/src/call/values.h"

static bool has(const Holdfast__Response *reply, Holdfast__Response__ResultCase result_case) {
  return reply->result_case == result_case;
}

hf_reason result_value(hf_conn *conn, const Holdfast__Response *reply,
                       const struct result *result) {
  if (!has(reply, HOLDFAST__RESPONSE__RESULT_VALUE)) {
    return HF_REASON_BAD_REPLY;
  }
  if (result->first == NULL) {
    reply_drop_value(conn, reply->value);
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

/* At least one item, so that an empty result is not NULL. */
static void *array_of(size_t count, size_t item_bytes) {
  return calloc(count > 0 ? count : 1, item_bytes);
}

static void forget_values(hf_value *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    value_forget(&values[i]);
  }
  free(values);
}

hf_reason result_values(hf_conn *conn, const Holdfast__Response *reply,
                        const struct result *result) {
  if (!has(reply, HOLDFAST__RESPONSE__RESULT_VALUES)) {
    return HF_REASON_BAD_REPLY;
  }
  if (result->first == NULL) {
    reply_drop(conn, reply);
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
      forget_values(values, i);
      return reason;
    }
  }
  *(hf_value **)result->first = values;
  *(size_t *)result->second = count;
  return HF_REASON_NONE;
}

static hf_reason copy_entry(hf_conn *conn, const Holdfast__Entry *item, struct hf_entry *entry) {
  hf_reason reason = value_from_wire(conn, item->key, &entry->key);
  if (reason != HF_REASON_NONE) {
    return reason;
  }
  reason = value_from_wire(conn, item->value, &entry->value);
  if (reason != HF_REASON_NONE) {
    value_forget(&entry->key);
  }
  return reason;
}

static void forget_entries(struct hf_entry *entries, size_t count) {
  for (size_t i = 0; i < count; i++) {
    value_forget(&entries[i].key);
    value_forget(&entries[i].value);
  }
  free(entries);
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
      forget_entries(copies, i);
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
    reply_drop(conn, reply);
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

hf_reason result_size(hf_conn *conn, const Holdfast__Response *reply, const struct result *result) {
  uint64_t count = 0;
  const struct result counted = {result_count, &count, NULL, 0};
  hf_reason reason = result_count(conn, reply, &counted);
  if (reason == HF_REASON_NONE && result->first != NULL) {
    *(size_t *)result->first = (size_t)count;
  }
  return reason;
}

hf_reason result_exchange(hf_conn *conn, const Holdfast__Response *reply,
                          const struct result *result) {
  if (!has(reply, HOLDFAST__RESPONSE__RESULT_EXCHANGE)) {
    return HF_REASON_BAD_REPLY;
  }
  if (result->second == NULL) {
    reply_drop_value(conn, reply->exchange->found);
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

hf_reason result_bytes(hf_conn *conn, const Holdfast__Response *reply,
                       const struct result *result) {
  (void)conn;
  if (!has(reply, HOLDFAST__RESPONSE__RESULT_VALUE) ||
      reply->value->kind_case != HOLDFAST__VALUE__KIND_BYTES ||
      reply->value->bytes.len != result->size) {
    return HF_REASON_BAD_REPLY;
  }
  if (result->size > 0 && reply->value->bytes.data != result->first) { /* else they have landed */
    memcpy(result->first, reply->value->bytes.data, result->size);
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
    *(struct acting *)result->second = (struct acting){reply->arrival->acts, reply->arrival->round};
  }
  return HF_REASON_NONE;
}

hf_reason result_reservation(hf_conn *conn, const Holdfast__Response *reply,
                             const struct result *result) {
  if (!has(reply, HOLDFAST__RESPONSE__RESULT_RESERVATION)) {
    return HF_REASON_BAD_REPLY;
  }
  const Holdfast__Reservation *given = reply->reservation;
  struct hf_reservation reservation = {
      .id = given->id, .tries = given->tries, .priority = given->priority};
  hf_reason reason = value_from_wire(conn, given->value, &reservation.value);
  if (reason == HF_REASON_NONE) {
    *(struct hf_reservation *)result->first = reservation;
  }
  return reason;
}

void result_copy_text(char *to, size_t capacity, ProtobufCBinaryData from) {
  size_t len = from.len < capacity ? from.len : capacity - 1;
  if (len > 0) {
    memcpy(to, from.data, len);
  }
  to[len] = '\0';
}
