#include "tests/support/digest.h"

#include "server/engine/core.h"
#include "server/engine/elements.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/lending.h"

#include <string.h>

static const struct value_hash_key hash_key = {{1}};

static uint64_t mix(uint64_t digest, uint64_t number) {
  digest = (digest ^ number) * UINT64_C(0x9e3779b97f4a7c15);
  return digest ^ digest >> 29;
}

/* Nothing of one that is lent: a job has it. */
static uint64_t mix_content(uint64_t digest, const struct object *object) {
  const struct kind *kind = object->row;
  if (core_is_lent(object)) {
    return digest;
  }
  struct content_cursor cursor = {0};
  struct value value;
  while (object_next_value(object, &cursor, &value)) {
    digest = mix(mix(digest, value.kind), value_hash(&hash_key, value));
  }
  if (kind->has_cells) {
    digest = mix(mix(digest, object->cells.is_volatile), object->cells.is_lost);
    digest = mix(mix(digest, object->cells.share != NULL), object->cells.lock_state);
  }
  if (kind->has_cells && object->cells.elements) { /* those of shared memory are no state */
    for (size_t i = 0; i < object->cells.count; i++) {
      digest = mix(digest, elements_bits(&object->cells, i));
    }
  }
  return kind->length ? mix(digest, kind->length(object)) : digest;
}

/* Its part of object_info: numbers, and words that are in no mapping. */
static uint64_t mix_report(uint64_t digest, const struct object *object) {
  struct reply_object reported = {0};
  if (object->row->report) {
    object->row->report(object, &reported);
  }
  digest = mix(digest, (uint64_t)reported.maxsize);
  digest = mix(mix(digest, reported.unfinished), reported.delayed);
  digest = mix(mix(digest, reported.reserved), reported.buried);
  return mix(digest, reported.shut_down);
}

static uint64_t mix_bytes(uint64_t digest, struct bytes bytes) {
  struct value text;
  if (bytes.len > 0 && value_bytes(bytes, &text)) {
    digest = mix(digest, value_hash(&hash_key, text));
    value_release(text);
  }
  return mix(digest, bytes.len);
}

static uint64_t mix_user(uint64_t digest, const struct user *user) {
  return user ? mix_bytes(digest, user_name(user)) : mix(digest, 0);
}

static uint64_t digest_object(const struct object *object) {
  uint64_t digest = mix(mix(object->id, object->kind), object->stored_references);
  const struct lock *lock = object_lock((struct object *)object);
  if (lock) {
    digest = mix(mix(digest, lock->depth), lock->depth ? lock->owner.session : 0);
  }
  for (size_t i = 0; i < OBJECT_WAITS; i++) {
    digest = mix(digest, object->waits[i].count);
  }
  if (!value_is_absent(object->name)) {
    digest = mix(digest, value_hash(&hash_key, object->name));
  }
  return mix_report(mix_content(digest, object), object);
}

static uint64_t digest_session(const struct session *session) {
  const struct map64 *tables[] = {&session->locks,  &session->ends,  &session->permits,
                                  &session->acting, &session->cells, &session->reservations,
                                  &session->window};
  uint64_t digest = mix(session->serial, session->acked);
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    digest = mix(digest, tables[i]->count);
  }
  digest = mix(mix(digest, session->waiters_count), session->failures_count);
  return mix(mix(digest, session->is_lost), session->connection);
}

/* With the rights that were handed with each. */
static uint64_t digest_references(const struct session *session) {
  uint64_t position = 0, id, digest = session->serial;
  void *entry;
  while (map64_next(&session->references, &position, &id, &entry)) {
    digest += mix(id, (uintptr_t)entry);
  }
  return digest;
}

uint64_t digest_users(const struct engine *engine) {
  uint64_t digest = engine->users.count;
  for (size_t i = 0; i < engine->users.count; i++) {
    const struct user *user = engine->users.users[i];
    const uint64_t uses[] = {user->references, user->is_gone, user->memory_bytes, user->objects,
                             user->sessions,   user->waiting, user->connections,  user->rate_ns};
    digest = mix_user(digest, user);
    for (size_t j = 0; j < sizeof uses / sizeof *uses; j++) {
      digest = mix(digest, uses[j]);
    }
  }
  uint64_t position = 0, id;
  void *item;
  while (map64_next(&engine->sessions, &position, &id, &item)) {
    digest += mix_user(digest_references(item), ((const struct session *)item)->user);
  }
  position = 0;
  while (map64_next(&engine->registry.by_id, &position, &id, &item)) {
    digest += mix_user(id, ((const struct object *)item)->user);
  }
  return digest;
}

/* Tables are summed up: their order says nothing. */
uint64_t digest_state(const struct engine *engine) {
  uint64_t digest = mix(engine->registry.by_id.count, engine->sessions.count), key;
  size_t position = 0;
  void *item;
  while (map64_next(&engine->registry.by_id, &position, &key, &item)) {
    digest += digest_object(item);
  }
  position = 0;
  while (map64_next(&engine->sessions, &position, &key, &item)) {
    digest += digest_session(item);
  }
  return mix(digest, engine->waiting);
}
