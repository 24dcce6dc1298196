#include "tests/fuzz/cells_grants.h"

#include "proto/base/clock.h"
#include "proto/wire.h"

#include <string.h>

/* ---- who has a lock */

bool grants_session_is_over(const struct harness *harness, int idx) {
  const struct client_session *session = &harness->sessions[idx];
  bool is_late = clock_deadline_ns(session->lost_ns, GRACE_MS) <= harness->now_ns;
  return session->state == SESSION_ENDED || (session->state == SESSION_LOST && is_late);
}

bool grants_is_valid(const struct harness *harness, const struct grant *grant) {
  if (grant->depth == 0 || grant->session < 0) {
    return grant->depth > 0;
  }
  uint64_t heard_ns = harness->sessions[grant->session].heard_ns;
  heard_ns = heard_ns > grant->since_ns ? heard_ns : grant->since_ns;
  bool is_silent =
      grant->lease_ms && clock_deadline_ns(heard_ns, grant->lease_ms) <= harness->now_ns;
  return !is_silent && !grants_session_is_over(harness, grant->session);
}

void grants_drop_ended(struct harness *harness) {
  for (size_t i = 0; i < harness->grants_count; i++) {
    struct grant *grant = &harness->grants[i];
    grant->depth = grants_is_valid(harness, grant) ? grant->depth : 0;
  }
}

static struct grant *grant_of(struct harness *harness, uint64_t object) {
  for (size_t i = 0; i < harness->grants_count; i++) {
    if (harness->grants[i].object == object) {
      return &harness->grants[i];
    }
  }
  require(object != 0 && harness->grants_count < GRANTS_MAX);
  struct grant *grant = &harness->grants[harness->grants_count++];
  *grant = (struct grant){.object = object};
  return grant;
}

static bool is_owner(const struct grant *grant, const struct ask *ask,
                     const Holdfast__Request *message) {
  return ask->session >= 0 && grant->session == ask->session && grant->thread == message->thread;
}

/* No other thread owns the lock, neither by a grant nor by the mutex. */
static void check_passed(struct harness *harness, const struct ask *ask,
                         const Holdfast__Request *message, uint64_t object) {
  const struct grant *grant = grant_of(harness, object);
  const struct slot *slot = slots_of(&harness->slots, object);
  require(!grants_is_valid(harness, grant) || is_owner(grant, ask, message));
  if (slot && slot->has_lock && !slot->is_scribbled && slot->local != CELLS_NOBODY) {
    uint32_t thread = atomic_load(&slot_header(slot)->word) & CELL_WORD_THREAD;
    require(thread != THREAD_OF(slot->local)); /* else it counts as dead */
  }
}

static void take_mutex_over(struct harness *harness, const struct ask *ask, uint64_t object) {
  struct slot *slot = slots_of(&harness->slots, object);
  require(slot && (atomic_load(&slot_header(slot)->word) & CELL_WORD_THREAD));
  bool is_its = slot->local == harness->sessions[ask->session].client;
  slot->is_scribbled |= slot->local != CELLS_NOBODY && !is_its; /* that was a lie */
  slot->local = CELLS_NOBODY;
}

static void record_grant(struct harness *harness, struct ask *ask, const Holdfast__Request *message,
                         const struct reply *reply, uint64_t object) {
  const Holdfast__LockAcquire *acquire = message->lock_acquire;
  struct grant *grant = grant_of(harness, object);
  bool again = grants_is_valid(harness, grant);
  require(reply->shape == REPLY_GRANT && ask->session >= 0);
  require(again ? reply->token == grant->token : reply->token > grant->token);
  if (acquire->levels) {
    require(!again);
    take_mutex_over(harness, ask, object);
  }
  check_passed(harness, ask, message, object);
  if (!again) {
    *grant = (struct grant){.object = object,
                            .token = reply->token,
                            .thread = message->thread,
                            .lease_ms = acquire->lease_ms,
                            .since_ns = harness->now_ns,
                            .session = ask->session,
                            .robust = acquire->robust};
  }
  grant->depth = acquire->levels ? acquire->levels : grant->depth + 1;
  ask->granted = object;
  ask->token = reply->token;
}

static void record_release(struct harness *harness, const struct ask *ask,
                           const Holdfast__Request *message, uint64_t object) {
  struct grant *grant = grant_of(harness, object);
  require(grants_is_valid(harness, grant) && is_owner(grant, ask, message));
  grant->depth--;
}

static void record_cancel(struct harness *harness, const struct ask *ask,
                          const Holdfast__Cancel *message, const struct reply *reply) {
  for (size_t i = 0; reply->flag && message->revoke && i < harness->asks_count; i++) {
    struct ask *meant = &harness->asks[i];
    bool is_meant = meant->session == ask->session && meant->sequence == message->sequence;
    if (!is_meant || meant->granted == 0) {
      continue;
    }
    struct grant *grant = grant_of(harness, meant->granted);
    if (grants_is_valid(harness, grant) && grant->session == ask->session &&
        grant->token == meant->token) {
      grant->depth--;
    }
    meant->granted = 0;
  }
}

static void record_goodbye(struct harness *harness, int session) {
  for (size_t i = 0; i < harness->grants_count; i++) {
    struct grant *grant = &harness->grants[i];
    if (!grants_is_valid(harness, grant) || grant->session != session) {
      continue;
    }
    grant->session = CELLS_NOBODY; /* stays owned, as in Python */
    grant->depth = grant->robust || grant->lease_ms ? 0 : grant->depth;
  }
  harness->sessions[session].state = SESSION_ENDED;
}

/* ---- objects */

static bool is_named(const struct known_object *known, ProtobufCBinaryData name) {
  return known->name ? strlen(known->name) == name.len && !memcmp(known->name, name.data, name.len)
                     : name.len == 0;
}

static uint64_t target_of(const struct harness *harness, const Holdfast__Request *message) {
  for (size_t i = 0; i < OBJECTS_COUNT; i++) {
    const struct known_object *known = &harness->objects[i];
    if (message->target_case == HOLDFAST__REQUEST__TARGET_NAME && is_named(known, message->name)) {
      return known->id;
    }
  }
  return message->target_case == HOLDFAST__REQUEST__TARGET_OBJECT ? message->object : 0;
}

static void record_location(struct harness *harness, const struct ask *ask,
                            const struct reply *reply) {
  const struct reply_object *object = &reply->objects[0];
  struct slot *slot = slots_find(&harness->slots, object->segment);
  if (object->segment == 0 || (ask->is_repeat && !(slot && slot->is_out))) {
    return;
  }
  require(slot && slot->is_out && object->offset == 0 && object->bytes == slot->bytes);
  require(slot->object == 0 || slot->object == object->id);
  require(ask->session >= 0);
  slot->object = object->id;
  slot->has_lock = object->kind == HOLDFAST__KIND__VALUE || object->kind == HOLDFAST__KIND__ARRAY;
  require(!slot->has_lock || harness->sessions[ask->session].is_visible);
  slot->ever_given |= UINT64_C(1) << ask->session;
  slot->given |= (uint64_t)!ask->is_repeat << ask->session;
}

static void record_open(struct harness *harness, const Holdfast__ObjectOpen *message,
                        const struct reply *reply) {
  for (size_t i = 0; i < OBJECTS_COUNT; i++) {
    struct known_object *known = &harness->objects[i];
    if (is_named(known, message->name) && known->kind == message->kind) {
      require(known->name == NULL || (known->id == 0) == reply->objects[0].created);
      known->id = reply->objects[0].id;
    }
  }
}

static void record_delete(struct harness *harness, uint64_t object) {
  grant_of(harness, object)->depth = 0;
  for (size_t i = 0; i < OBJECTS_COUNT; i++) {
    if (harness->objects[i].id == object) {
      harness->objects[i].id = 0;
    }
  }
}

static void record_store(struct harness *harness, uint64_t object) {
  struct slot *slot = slots_of(&harness->slots, object);
  if (slot) {
    slot->may_store = true;
  }
}

/* ---- */

static void record_element(struct harness *harness, const struct ask *ask,
                           const Holdfast__Request *message, uint64_t object) {
  switch (message->operation_case) {
    case HOLDFAST__REQUEST__OPERATION_VALUE_SET:
    case HOLDFAST__REQUEST__OPERATION_VALUE_ADD:
    case HOLDFAST__REQUEST__OPERATION_VALUE_COMPARE_AND_SET:
    case HOLDFAST__REQUEST__OPERATION_ARRAY_SET:
    case HOLDFAST__REQUEST__OPERATION_ARRAY_SET_SLICE:
    case HOLDFAST__REQUEST__OPERATION_ARRAY_ADD:
      record_store(harness, object);
      check_passed(harness, ask, message, object);
      break;
    case HOLDFAST__REQUEST__OPERATION_VALUE_GET:
    case HOLDFAST__REQUEST__OPERATION_VALUE_WAIT:
    case HOLDFAST__REQUEST__OPERATION_ARRAY_GET:
    case HOLDFAST__REQUEST__OPERATION_ARRAY_GET_SLICE:
      check_passed(harness, ask, message, object);
      break;
    default:
      break;
  }
}

static void record_part(struct harness *harness, struct ask *ask, const Holdfast__Request *message,
                        const struct reply *reply) {
  uint64_t object = target_of(harness, message);
  switch (message->operation_case) {
    case HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN:
      record_open(harness, message->object_open, reply);
      record_location(harness, ask, reply);
      break;
    case HOLDFAST__REQUEST__OPERATION_OBJECT_INFO:
      record_location(harness, ask, reply);
      break;
    case HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE:
      record_delete(harness, object);
      break;
    case HOLDFAST__REQUEST__OPERATION_CLOSE_SESSION:
      record_goodbye(harness, ask->session);
      break;
    case HOLDFAST__REQUEST__OPERATION_LOCK_ACQUIRE:
      record_grant(harness, ask, message, reply, object);
      break;
    case HOLDFAST__REQUEST__OPERATION_LOCK_RELEASE:
      record_release(harness, ask, message, object);
      break;
    default:
      record_element(harness, ask, message, object);
  }
}

/* The first answer has given it all; a repeated object_info may name the location. */
static void record_repeated(struct harness *harness, struct ask *ask,
                            const Holdfast__Request *message, const struct reply *reply) {
  if (message->operation_case == HOLDFAST__REQUEST__OPERATION_OBJECT_INFO) {
    record_location(harness, ask, reply);
  }
}

void grants_record_answer(struct harness *harness, struct ask *ask, const struct reply *reply) {
  Holdfast__Request *message;
  struct bytes body = bytes_of(ask->body, ask->len);
  require(wire_unpack_request(body, &harness->reading, &message) == HF_REASON_NONE);
  if (message->operation_case == HOLDFAST__REQUEST__OPERATION_CANCEL) {
    record_cancel(harness, ask, message->cancel,
                  reply); /* a repeated one may still find something */
  } else if (ask->is_repeat) {
    record_repeated(harness, ask, message, reply);
  } else if (message->operation_case == HOLDFAST__REQUEST__OPERATION_WAIT_ANY) {
    require(reply->first < message->wait_any->n_operations);
    record_part(harness, ask, message->wait_any->operations[reply->first], reply->outcomes[0]);
  } else if (message->operation_case == HOLDFAST__REQUEST__OPERATION_TRANSACTION) {
    const Holdfast__Transaction *transaction = message->transaction;
    require(reply->outcomes_count == transaction->n_operations);
    for (size_t i = 0; i < transaction->n_operations; i++) {
      record_part(harness, ask, transaction->operations[i], reply->outcomes[i]);
    }
  } else {
    record_part(harness, ask, message, reply);
  }
  arena_reset(&harness->reading);
}
