#include "server/engine/kinds/dict.h"
#include "server/engine/call.h"
#include "server/engine/handlers.h"
#include "server/engine/kinds/capture.h"
#include "server/engine/kinds/dict_snapshot.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/lending.h"
#include "server/engine/require.h"
#include "server/engine/wake.h"

#include <stdlib.h>

/* ---- one key */

hf_reason handle_dict_get(struct call *call) {
  struct value key, value;
  hf_reason reason = call_key(call, call->message->dict_get->key, &key);
  if (reason) {
    return reason;
  }
  bool found = dict_get(call->object->dict, key, &value);
  value_release(key);
  if (!found) {
    return HF_REASON_NO_SUCH_KEY;
  }
  call_answer_value(call, value_retain(value));
  return HF_REASON_NONE;
}

/* Wakes the waiters for this key. */
static void notify(struct call *call, struct value key) {
  struct wait_queue *watchers = &call->object->waits[WAIT_CHANGE];
  if (watchers->count > 0) {
    core_wake_key(call->engine, watchers, call_key_hash(call, key));
  }
  call->notified = true;
}

/* key and value are taken, also on failure. */
static hf_reason set(struct call *call, struct value key, struct value value) {
  struct value old;
  notify(call, key);
  hf_reason reason = dict_set(call->object->dict, key, value, &old);
  if (reason) {
    value_release(key);
    value_release(value);
    return reason;
  }
  call_keep(call, value);
  call_discard(call, old);
  return HF_REASON_NONE;
}

static hf_reason read_entry(struct call *call, const Holdfast__Value *key_message,
                            const Holdfast__Value *value_message, struct value *key,
                            struct value *value) {
  hf_reason reason = call_key(call, key_message, key);
  if (!reason && (reason = call_value(call, value_message, value))) {
    value_release(*key);
  }
  return reason;
}

hf_reason handle_dict_set(struct call *call) {
  const Holdfast__DictSet *message = call->message->dict_set;
  struct value key, value;
  hf_reason reason = read_entry(call, message->key, message->value, &key, &value);
  return reason ? reason : set(call, key, value);
}

/* Removes the key. false: not there. *removed is the caller's to discard. */
static bool remove_key(struct call *call, struct value key, struct value *removed) {
  struct value removed_key;
  bool found = dict_remove(call->object->dict, key, &removed_key, removed);
  if (found) {
    notify(call, key);
    value_release(removed_key);
  }
  return found;
}

hf_reason handle_dict_delete(struct call *call) {
  struct value key, removed;
  hf_reason reason = call_key(call, call->message->dict_delete->key, &key);
  if (reason) {
    return reason;
  }
  bool found = remove_key(call, key, &removed);
  value_release(key);
  if (!found) {
    return HF_REASON_NO_SUCH_KEY;
  }
  call_discard(call, removed);
  return HF_REASON_NONE;
}

hf_reason handle_dict_contains(struct call *call) {
  struct value key, value;
  hf_reason reason = call_key(call, call->message->dict_contains->key, &key);
  if (!reason) {
    call_answer_flag(call, dict_get(call->object->dict, key, &value));
    value_release(key);
  }
  return reason;
}

hf_reason handle_dict_pop(struct call *call) {
  const Holdfast__DictPop *message = call->message->dict_pop;
  struct value key, fallback = {0}, removed;
  hf_reason reason = call_key(call, message->key, &key);
  if (!reason && message->fallback && (reason = call_value(call, message->fallback, &fallback))) {
    value_release(key);
  }
  if (reason) {
    return reason;
  }
  bool found = remove_key(call, key, &removed);
  value_release(key);
  if (!found) {
    if (value_is_absent(fallback)) {
      return HF_REASON_NO_SUCH_KEY;
    }
    call_answer_value(call, fallback);
    call->notified = true; /* nothing changed */
    return HF_REASON_NONE;
  }
  value_release(fallback);
  call_answer_value(call, value_retain(removed));
  call_discard(call, removed);
  return HF_REASON_NONE;
}

/* Key and value may have come by two requests: an equal key may be longer, as 1.0 is than true. */
static bool fits_reply(struct value key, struct value value) {
  return reply_bytes_of(key) + reply_bytes_of(value) <= HF_FRAME_BYTES_MAX ||
         value_message_bytes(key) + value_message_bytes(value) <=
             HF_FRAME_BYTES_MAX + HF_FIELDS_MAX;
}

hf_reason handle_dict_pop_item(struct call *call) {
  struct value *entry, key, value;
  if (!dict_last(call->object->dict, &key, &value)) {
    return HF_REASON_NO_SUCH_KEY;
  }
  if (!fits_reply(key, value)) {
    return HF_REASON_REPLY_TOO_BIG;
  }
  hf_reason reason = call_answer_values(call, REPLY_ENTRIES, 2, &entry);
  if (reason) {
    return reason;
  }
  dict_remove_last(call->object->dict, &key, &value);
  entry[0] = key;
  entry[1] = value_retain(value);
  call_discard(call, value);
  return HF_REASON_NONE;
}

hf_reason handle_dict_set_default(struct call *call) {
  const Holdfast__DictSetDefault *message = call->message->dict_set_default;
  struct value key, value, found;
  hf_reason reason = read_entry(call, message->key, message->value, &key, &value);
  if (reason) {
    return reason;
  }
  if (dict_get(call->object->dict, key, &found)) {
    call_answer_value(call, value_retain(found));
    value_release(key);
    value_release(value);
    call->notified = true; /* nothing changed */
    return HF_REASON_NONE;
  }
  call_answer_value(call, value_retain(value));
  return set(call, key, value);
}

hf_reason handle_dict_replace(struct call *call) {
  const Holdfast__DictReplace *message = call->message->dict_replace;
  struct value key, value, found;
  hf_reason reason = read_entry(call, message->key, message->value, &key, &value);
  if (reason) {
    return reason;
  }
  if (!dict_get(call->object->dict, key, &found)) {
    value_release(key);
    value_release(value);
    return HF_REASON_NO_SUCH_KEY;
  }
  return set(call, key, value);
}

hf_reason handle_dict_add(struct call *call) {
  const Holdfast__DictAdd *message = call->message->dict_add;
  struct value key, amount, found, sum;
  hf_reason reason = read_entry(call, message->key, message->amount, &key, &amount);
  if (reason) {
    return reason;
  }
  if (!dict_get(call->object->dict, key, &found)) {
    found = value_int(0);
  }
  reason = value_add(found, amount, &sum);
  value_release(amount);
  if (reason) {
    value_release(key);
    return reason;
  }
  call_answer_value(call, sum);
  return set(call, key, sum);
}

/* ---- compare and set */

/* An absent message is an absent value. */
static hf_reason read_optional(struct call *call, const Holdfast__Value *message,
                               struct value *value) {
  *value = (struct value){0};
  return message ? call_value(call, message, value) : HF_REASON_NONE;
}

/* Brings key to desired, which may be absent; all are taken. */
static hf_reason exchange(struct call *call, struct value key, struct value desired) {
  struct value removed;
  if (!value_is_absent(desired)) {
    return set(call, key, desired);
  }
  if (remove_key(call, key, &removed)) {
    call_discard(call, removed);
  }
  value_release(key);
  return HF_REASON_NONE;
}

static bool matches(struct value found, struct value expected) {
  if (value_is_absent(found) || value_is_absent(expected)) {
    return value_is_absent(found) && value_is_absent(expected);
  }
  return value_equal(found, expected);
}

hf_reason handle_dict_compare_and_set(struct call *call) {
  const Holdfast__DictCompareAndSet *message = call->message->dict_compare_and_set;
  struct value key, expected = {0}, desired = {0}, found;
  hf_reason reason = call_key(call, message->key, &key);
  if (reason) {
    return reason;
  }
  if ((reason = read_optional(call, message->expected, &expected)) ||
      (reason = read_optional(call, message->desired, &desired))) {
    value_release(key);
    value_release(expected);
    return reason;
  }
  if (!dict_get(call->object->dict, key, &found)) {
    found = (struct value){0};
  }
  bool equal = matches(found, expected);
  call_answer_exchange(call, equal, value_retain(found));
  value_release(expected);
  if (!equal) {
    value_release(key);
    value_release(desired);
    call->notified = true; /* nothing changed */
    return HF_REASON_NONE;
  }
  return exchange(call, key, desired);
}

/* ---- waiting for a key */

static hf_reason read_wait(struct call *call, struct requirement *requirement) {
  const Holdfast__DictWait *message = call->message->dict_wait;
  *requirement = (struct requirement){
      .check = REQUIRE_CHANGED, .object = call->object->id, .compares = message->known != NULL};
  hf_reason reason = call_key(call, message->key, &requirement->key);
  if (!reason && (reason = read_optional(call, message->known, &requirement->value))) {
    require_drop(requirement);
  }
  return reason;
}

/* The requirement is taken. */
static hf_reason begin_wait(struct call *call, struct requirement *requirement) {
  struct requirements *requirements = requirements_new(1);
  if (!requirements) {
    require_drop(requirement);
    return HF_REASON_NO_MEMORY;
  }
  requirements_add(call->engine, requirements, requirement);
  requirements->suffice = true;
  call->requirements = requirements;
  return REASON_PARKED;
}

static hf_reason answer_change(struct call *call, struct value key) {
  struct value value;
  if (!dict_get(call->object->dict, key, &value)) {
    return HF_REASON_NO_SUCH_KEY;
  }
  call_answer_value(call, value_retain(value));
  return HF_REASON_NONE;
}

/* Checks the requirement: the key has changed, or the request waits on. */
static hf_reason check(struct call *call, struct requirement *requirement) {
  struct watch watch;
  if (!require_check(call, requirement, &watch)) {
    return answer_change(call, requirement->key);
  }
  call->key_hash = watch.key_hash;
  return call_park(call, watch.queue, HF_REASON_NOT_CHANGED);
}

hf_reason handle_dict_wait(struct call *call) {
  struct requirement requirement;
  if (call->waiter && call->waiter->requirements) { /* else it waited for the dict to be back */
    return check(call, &call->waiter->requirements->items[0]);
  }
  hf_reason reason = read_wait(call, &requirement);
  if (reason) {
    return reason;
  }
  reason = check(call, &requirement);
  if (reason == REASON_PARKED) {
    return begin_wait(call, &requirement);
  }
  require_drop(&requirement);
  return reason;
}

/* ---- many */

hf_reason handle_dict_len(struct call *call) {
  call_answer_count(call, dict_len(call->object->dict));
  return HF_REASON_NONE;
}

hf_reason handle_dict_clear(struct call *call) {
  return call_clear_content(call);
}

enum part { KEYS = 1, VALUES = 2 };

static void take_copy(struct job *job, struct value value) {
  job->values[job->values_count++] = value_retain(value);
  job->has_references |= value_has_reference(value);
}

static hf_reason copy_entries(struct job *job) {
  struct value key, value;
  uint64_t cursor = 0;
  job->values = malloc((job->count + 1) * sizeof *job->values);
  if (!job->values) {
    return HF_REASON_NO_MEMORY;
  }
  while (dict_next(job->dict, &cursor, &key, &value)) {
    if (job->parts & KEYS) {
      take_copy(job, key);
    }
    if (job->parts & VALUES) {
      take_copy(job, value);
    }
    if (job_is_stopped(job)) {
      return HF_REASON_STOPPING;
    }
  }
  return HF_REASON_NONE;
}

static hf_reason answer_all(struct call *call, enum reply_shape shape, unsigned parts) {
  const struct dict *dict = call->object->dict;
  size_t count = dict_len(dict) * (parts == (KEYS | VALUES) ? 2 : 1);
  struct job job = {.work = copy_entries, .dict = dict, .parts = parts, .count = count};
  if (count > HF_REPLY_BYTES_MAX / 4) { /* no value takes less than four bytes on the wire */
    return HF_REASON_REPLY_TOO_BIG;
  }
  hf_reason reason = call_work(call, &job, count / 4, count * sizeof *job.values);
  if (!reason) {
    call_answer_work(call, shape, &job, NULL);
  }
  return reason;
}

hf_reason handle_dict_keys(struct call *call) {
  return answer_all(call, REPLY_VALUES, KEYS);
}

hf_reason handle_dict_values(struct call *call) {
  return answer_all(call, REPLY_VALUES, VALUES);
}

hf_reason handle_dict_items(struct call *call) {
  return answer_all(call, REPLY_ENTRIES, KEYS | VALUES);
}

/* All entries are read before the first is set, so that a bad one leaves the dict as it was. */
hf_reason handle_dict_update(struct call *call) {
  const Holdfast__DictUpdate *message = call->message->dict_update;
  struct value *entries = malloc((2 * message->n_items + 1) * sizeof *entries);
  hf_reason reason = entries ? HF_REASON_NONE : HF_REASON_NO_MEMORY;
  size_t read = 0, taken = 0;
  while (!reason && read < message->n_items) {
    const Holdfast__Entry *item = message->items[read];
    reason = read_entry(call, item->key, item->value, &entries[2 * read], &entries[2 * read + 1]);
    read += !reason;
  }
  while (!reason && taken < read) {
    reason = set(call, entries[2 * taken], entries[2 * taken + 1]);
    taken++;
  }
  for (size_t i = 2 * taken; i < 2 * read; i++) {
    value_release(entries[i]);
  }
  free(entries);
  return reason;
}

hf_reason handle_dict_get_many(struct call *call) {
  const Holdfast__DictGetMany *message = call->message->dict_get_many;
  struct value *keys, *entries, value;
  hf_reason reason = call_values(call, message->n_keys, message->keys, &keys);
  if (reason) {
    return reason;
  }
  reason = call_answer_values(call, REPLY_ENTRIES, 2 * message->n_keys, &entries);
  if (reason) {
    call_free_values(keys, message->n_keys);
    return reason;
  }
  size_t count = 0;
  for (size_t i = 0; i < message->n_keys; i++) {
    if (dict_get(call->object->dict, keys[i], &value)) {
      entries[count++] = value_retain(keys[i]);
      entries[count++] = value_retain(value);
    }
  }
  call->reply->values_count = count;
  call_free_values(keys, message->n_keys);
  return HF_REASON_NONE;
}

hf_reason handle_dict_scan(struct call *call) {
  const Holdfast__DictScan *message = call->message->dict_scan;
  const struct dict *dict = call->object->dict;
  size_t limit =
      message->limit && message->limit < HF_PAGE_COUNT_MAX ? message->limit : HF_PAGE_COUNT_MAX;
  if (message->strict_case == HOLDFAST__DICT_SCAN__STRICT_EXPECTED_LENGTH &&
      message->expected_length != dict_len(dict)) {
    return HF_REASON_SIZE_CHANGED;
  }
  if (limit > dict_len(dict)) {
    limit = dict_len(dict);
  }
  struct value *entries, key, value;
  hf_reason reason = call_answer_values(call, REPLY_PAGE, 2 * limit, &entries);
  if (reason) {
    return reason;
  }
  uint64_t cursor = message->cursor, ahead = cursor;
  size_t count = 0, bytes = 0;
  bool more;
  while ((more = dict_next(dict, &ahead, &key, &value)) && count < limit) {
    bytes += reply_bytes_of(key) + reply_bytes_of(value);
    if (count > 0 && bytes > HF_FRAME_BYTES_MAX) {
      break;
    }
    entries[2 * count] = value_retain(key);
    entries[2 * count + 1] = value_retain(value);
    cursor = ahead;
    count++;
  }
  call->reply->values_count = 2 * count;
  call->reply->cursor = more ? cursor : 0;
  call->reply->length = dict_len(dict);
  return HF_REASON_NONE;
}

/* ---- the kind */

bool dict_content_init(struct object *object, const struct object_shape *shape,
                       const struct value_hash_key *hash_key) {
  (void)shape;
  object->dict = dict_new(hash_key);
  return object->dict != NULL;
}

void dict_content_deinit(struct object *object) {
  dict_free(object->dict);
}

struct content_bytes dict_content_bytes(const struct object *object) {
  return (struct content_bytes){dict_memory_bytes(object->dict), dict_values_bytes(object->dict)};
}

uint64_t dict_content_length(const struct object *object) {
  return dict_len(object->dict);
}

bool dict_content_next_value(const struct object *object, struct content_cursor *cursor,
                             struct value *value) {
  struct value key;
  return dict_next(object->dict, &cursor->position, &key, value);
}

static bool take_content(struct object *object, struct object *taken,
                         const struct value_hash_key *hash_key) {
  struct dict *empty = dict_new(hash_key);
  if (!empty) {
    return false;
  }
  taken->dict = object->dict;
  object->dict = empty;
  return true;
}

const struct kind kind_dict = {
    .init = dict_content_init,
    .deinit = dict_content_deinit,
    .bytes = dict_content_bytes,
    .length = dict_content_length,
    .is_counted = true,
    .next_value = dict_content_next_value,
    .take_content = take_content,
    .capture = capture_entry,
    .snapshot = dict_content_snapshot,
    .restore = dict_content_restore,
};
