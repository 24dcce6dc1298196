#include "server/engine/reply.h"

#include "proto/base/chunk.h"

#include <stdlib.h>

struct reply *reply_new(uint64_t sequence) {
  struct reply *reply = malloc(sizeof *reply);
  if (reply) {
    *reply = (struct reply){.refs = {1}, .sequence = sequence};
  }
  return reply;
}

void reply_acquire(struct reply *reply) {
  shared_count_add(&reply->refs);
}

static void drop_objects(struct reply *reply) {
  for (size_t i = 0; i < reply->objects_count; i++) {
    value_release(reply->objects[i].name);
    value_release(reply->objects[i].owner);
  }
  free(reply->objects);
  value_release(reply->after);
}

static void drop_values(struct reply *reply) {
  for (size_t i = 0; i < reply->values_count; i++) {
    value_release(reply->values[i]);
  }
  free(reply->values);
}

static void drop_outcomes(struct reply *reply) {
  for (size_t i = 0; i < reply->outcomes_count; i++) {
    reply_release(reply->outcomes[i]);
  }
  free(reply->outcomes);
}

static void drop_locks(struct reply *reply) {
  for (size_t i = 0; i < reply->locks_count; i++) {
    struct reply_lock *lock = &reply->locks[i];
    for (size_t j = 0; j < lock->waiters_count; j++) {
      value_release(lock->waiters[j].client);
    }
    free(lock->waiters);
    value_release(lock->owner.client);
    value_release(lock->name);
  }
  free(reply->locks);
}

static void drop_result(struct reply *reply) {
  switch (reply->shape) {
    case REPLY_VALUE:
    case REPLY_PAYLOAD:
      value_release(reply->value);
      break;
    case REPLY_VALUES:
    case REPLY_ENTRIES:
    case REPLY_PAGE:
      drop_values(reply);
      break;
    case REPLY_OBJECT:
    case REPLY_OBJECTS:
      drop_objects(reply);
      break;
    case REPLY_FLUSHED:
      free(reply->flushed);
      break;
    case REPLY_SERVER:
      free(reply->server);
      break;
    case REPLY_EXCHANGE:
      value_release(reply->found);
      break;
    case REPLY_RESERVATION:
      value_release(reply->item);
      break;
    case REPLY_FIRST:
    case REPLY_RESULTS:
      drop_outcomes(reply);
      break;
    case REPLY_LOCKS:
      drop_locks(reply);
      break;
    case REPLY_BACKUP:
    case REPLY_NOTHING:
    case REPLY_FLAG:
    case REPLY_COUNT:
    case REPLY_SESSION:
    case REPLY_GRANT:
    case REPLY_ARRIVAL:
      break;
  }
  reply->shape = REPLY_NOTHING;
}

void reply_release(struct reply *reply) {
  if (reply && shared_count_drop(&reply->refs)) {
    drop_result(reply);
    value_release(reply->sentence);
    free(reply->taken_many);
    free(reply);
  }
}

void reply_fail(struct reply *reply, hf_reason reason, bool late) {
  drop_result(reply);
  reply->reason = reason;
  reply->late = late;
}

hf_status reply_status(const struct reply *reply) {
  return reply->late ? HF_DEADLINE_EXCEEDED : hf_reason_status(reply->reason);
}

static bool holds_outcomes(const struct reply *reply) {
  return reply->shape == REPLY_FIRST || reply->shape == REPLY_RESULTS;
}

static bool holds_values(const struct reply *reply) {
  return reply->shape == REPLY_VALUES || reply->shape == REPLY_ENTRIES ||
         reply->shape == REPLY_PAGE;
}

size_t reply_array_bytes(const struct reply *reply) {
  if (reply->shape == REPLY_OBJECT || reply->shape == REPLY_OBJECTS) {
    return reply->objects_count * sizeof *reply->objects;
  }
  if (reply->shape == REPLY_LOCKS) {
    return reply->locks_count * sizeof *reply->locks;
  }
  return holds_values(reply) ? reply->values_count * sizeof *reply->values : 0;
}

static size_t objects_bytes(const struct reply *reply) {
  size_t bytes = 0;
  for (size_t i = 0; i < reply->objects_count; i++) {
    bytes += value_memory_bytes(reply->objects[i].name);
  }
  return bytes;
}

size_t reply_memory_bytes(const struct reply *reply) {
  if (reply->reason) {
    return chunk_bytes(sizeof *reply) + value_memory_bytes(reply->sentence);
  }
  if (reply->shape == REPLY_NOTHING || reply->shape == REPLY_FLAG || reply->shape == REPLY_COUNT) {
    return chunk_bytes(sizeof *reply);
  }
  if (reply->shape == REPLY_VALUE) {
    return chunk_bytes(sizeof *reply) + value_memory_bytes(reply->value);
  }
  size_t array_bytes = reply_array_bytes(reply);
  size_t bytes = chunk_bytes(sizeof *reply) + (array_bytes ? chunk_bytes(array_bytes) : 0);
  if (reply->shape == REPLY_PAYLOAD) {
    bytes += value_memory_bytes(reply->value);
  } else if (reply->shape == REPLY_EXCHANGE) {
    bytes += value_memory_bytes(reply->found);
  } else if (reply->shape == REPLY_FLUSHED) {
    bytes += chunk_bytes(sizeof *reply->flushed);
  } else if (reply->shape == REPLY_OBJECT || reply->shape == REPLY_OBJECTS) {
    bytes += objects_bytes(reply);
  } else if (reply->shape == REPLY_RESERVATION) {
    bytes += value_memory_bytes(reply->item);
  } else if (holds_values(reply)) {
    bytes += reply->taken_many ? reply->values_count * sizeof *reply->taken_many : 0;
    for (size_t i = 0; i < reply->values_count; i++) {
      bytes += value_memory_bytes(reply->values[i]);
    }
  } else if (holds_outcomes(reply)) {
    for (size_t i = 0; i < reply->outcomes_count; i++) {
      bytes += sizeof *reply->outcomes + reply_memory_bytes(reply->outcomes[i]);
    }
  }
  return bytes;
}

/* What is small in memory, a number or a short text, takes up to 18 bytes where it takes 16 in a
 * tuple. */
size_t reply_bytes_of(struct value value) {
  size_t memory_bytes = value_memory_bytes(value);
  return 64 + memory_bytes + memory_bytes / 8;
}

void reply_each_reference(const struct reply *reply, void (*visit)(void *ctx, uint64_t object),
                          void *ctx) {
  if (reply->has_no_references) {
    return;
  }
  if (reply->shape == REPLY_VALUE) {
    value_each_reference(reply->value, visit, ctx);
  } else if (reply->shape == REPLY_EXCHANGE) {
    value_each_reference(reply->found, visit, ctx);
  } else if (reply->shape == REPLY_RESERVATION) {
    value_each_reference(reply->item, visit, ctx);
  } else if (holds_outcomes(reply)) {
    for (size_t i = 0; i < reply->outcomes_count; i++) {
      reply_each_reference(reply->outcomes[i], visit, ctx);
    }
  } else if (holds_values(reply)) {
    for (size_t i = 0; i < reply->values_count; i++) {
      value_each_reference(reply->values[i], visit, ctx);
    }
  }
}
