/* How many requests may wait: of a session, a connection, an address, and all together. */
#include "server/engine/admit_waiter.h"
#include "server/engine/quota.h"
#include "server/engine/require.h"

/* A waiting request of up to this many bytes may wait also when memory is full, as long as the
 * reserve lasts: it may be the get that makes room. */
#define SMALL_BODY_BYTES 512

/* Waiters that answer on the connection, and waiters of its former sessions. */
static size_t parked_by(const struct peer *peer) {
  size_t count = peer->parked;
  const struct session *session;
  TAILQ_FOREACH(session, &peer->sessions, peer_link) {
    count += session != peer->session ? session->waiters_count : 0;
  }
  return count;
}

/* Whether one that waits may take so many bytes more. HF_REASON_NONE | MEMORY_FULL */
static hf_reason admit_growth(const struct call *call, const struct address *address,
                              size_t bytes) {
  const struct memory *memory = &call->engine->memory;
  size_t all_bytes = memory->used[MEMORY_WAITERS] + bytes;
  if (all_bytes > memory_waiters_max(memory) ||
      address->waiters_bytes + bytes > memory_waiters_of_address_max(memory)) {
    return HF_REASON_MEMORY_FULL;
  }
  size_t decoded_bytes = call->requirements ? call->requirements->bytes : 0;
  bool is_small = call->body.len <= SMALL_BODY_BYTES && decoded_bytes <= SMALL_BODY_BYTES &&
                  TAILQ_EMPTY(&call->entries);
  bool is_reserved = is_small && all_bytes <= HF_WAITERS_RESERVE_BYTES;
  return is_reserved ? HF_REASON_NONE : core_check_memory(call->engine, bytes);
}

hf_reason core_admit_waiter(const struct call *call, size_t bytes) {
  const struct peer *peer = core_peer(call->engine, call->connection);
  const struct session *session = call->session;
  if (!peer || parked_by(peer) >= HF_IN_FLIGHT_MAX ||
      (session && session->waiters_count >= HF_SESSION_WAITERS_MAX)) {
    return HF_REASON_IN_FLIGHT_FULL;
  }
  hf_reason reason = quota_check_waiting(call->engine, call->user);
  if (reason) {
    return reason;
  }
  return admit_growth(call, session ? session->address : peer->address, bytes);
}

struct address *core_address_of(const struct engine *engine, const struct waiter *waiter) {
  return waiter->session ? waiter->session->address
                         : core_peer(engine, waiter->connection)->address;
}

void core_charge_waiting(struct engine *engine, struct waiter *waiter, size_t bytes) {
  waiter->memory_bytes += bytes;
  memory_charge(&engine->memory, MEMORY_WAITERS, bytes);
  core_address_of(engine, waiter)->waiters_bytes += bytes;
}

hf_reason core_keep_requirements(struct call *call, struct waiter *waiter) {
  struct requirements *requirements = call->requirements;
  struct waiter *owner = waiter_owner(waiter);
  call->requirements = NULL;
  if (!requirements) {
    return HF_REASON_NONE;
  }
  hf_reason reason = admit_growth(call, core_address_of(call->engine, owner), requirements->bytes);
  if (reason) {
    requirements_free(requirements);
    return reason;
  }
  waiter->requirements = requirements;
  core_charge_waiting(call->engine, owner, requirements->bytes);
  return HF_REASON_NONE;
}
