#include "server/journal/digest.h"

#include "server/engine/state_digest.h"

/* SplitMix64's finalizer over the sum: every bit of both counts. */
static uint64_t mix(uint64_t chain, uint64_t number) {
  uint64_t mixed = chain * 31 + number + UINT64_C(0x9e3779b97f4a7c15);
  mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
  return mixed ^ (mixed >> 31);
}

static uint64_t mix_session(uint64_t chain, const uint8_t session[HF_SESSION_BYTES]) {
  uint64_t halves[2];
  _Static_assert(sizeof halves == HF_SESSION_BYTES, "a session is two numbers");
  memcpy(halves, session, sizeof halves);
  return mix(mix(chain, halves[0]), halves[1]);
}

/* Of a float only that it is one: the bits of NaN are the processor's. Of a long value its length. */
static uint64_t mix_value(uint64_t chain, struct value value) {
  chain = mix(chain, value.kind);
  switch ((enum value_kind)value.kind) {
    case VALUE_BOOL:
      return mix(chain, value.boolean);
    case VALUE_INT:
    case VALUE_UINT:
    case VALUE_REFERENCE:
      return mix(chain, value.unsigned_integer);
    case VALUE_TEXT:
    case VALUE_BYTES:
      return mix(chain, value_content(&value).len);
    default:
      return chain;
  }
}

static uint64_t mix_outcome(uint64_t chain, const struct reply *reply);

static uint64_t mix_outcomes(uint64_t chain, const struct reply *reply) {
  chain = mix(mix(chain, reply->first), reply->outcomes_count);
  for (size_t i = 0; i < reply->outcomes_count; i++) {
    const struct reply *outcome = reply->outcomes[i];
    chain = outcome ? mix_outcome(chain, outcome) : mix(chain, 0);
  }
  return chain;
}

static uint64_t mix_result(uint64_t chain, const struct reply *reply) {
  switch (reply->shape) {
    case REPLY_VALUE:
    case REPLY_PAYLOAD:
      return mix_value(chain, reply->value);
    case REPLY_VALUES:
    case REPLY_ENTRIES:
      return mix(chain, reply->values_count);
    case REPLY_PAGE:
      return mix(mix(mix(chain, reply->values_count), reply->cursor), reply->length);
    case REPLY_FLAG:
      return mix(chain, reply->flag);
    case REPLY_COUNT:
      return mix(chain, (uint64_t)reply->count);
    case REPLY_SESSION:
      return mix(mix_session(chain, reply->session), reply->grace_ms);
    case REPLY_OBJECTS:
      return mix(mix(chain, reply->objects_count), reply->more);
    case REPLY_OBJECT:
      return mix(mix(chain, reply->objects[0].id), reply->objects[0].created);
    case REPLY_GRANT:
      return mix(mix(chain, reply->token), reply->owner_died);
    case REPLY_FLUSHED:
      return mix(mix(mix(chain, reply->flushed->received), reply->flushed->finished),
                 reply->flushed->failed);
    case REPLY_EXCHANGE:
      return mix_value(mix(chain, reply->swapped), reply->found);
    case REPLY_ARRIVAL: /* without its round: revision 3 had none, and its batches are replayed */
      return mix(mix(chain, reply->index), reply->acts);
    case REPLY_RESERVATION:
      return mix(mix(mix_value(chain, reply->item), reply->reservation), reply->tries);
    case REPLY_FIRST:
    case REPLY_RESULTS:
      return mix_outcomes(chain, reply);
    case REPLY_LOCKS:
      return mix(mix(chain, reply->locks_count), reply->more_locks);
    case REPLY_NOTHING:
    case REPLY_BACKUP:
    case REPLY_SERVER: /* about the process, not the state */
      break;
  }
  return chain;
}

static uint64_t mix_outcome(uint64_t chain, const struct reply *reply) {
  chain = mix(chain, (uint64_t)hf_reason_status(reply->reason));
  chain = mix(chain, (uint64_t)reply->part << 9 | (uint64_t)reply->late << 8 | reply->shape);
  return mix_result(chain, reply);
}

uint64_t digest_add_reply(uint64_t chain, uint64_t connection, const struct reply *reply) {
  return mix_outcome(mix(mix(chain, connection), reply->sequence), reply);
}

uint64_t digest_of(const struct engine *engine, uint64_t chain) {
  return mix(chain, engine_digest(engine));
}
