#include "server/transport/failures.h"

#include "proto/base/clock.h"
#include "proto/limits.h"

#define MEMORY_NS (60000 * CLOCK_NS_PER_MS)

static uint32_t slot_of(uint64_t address) {
  return (uint32_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> 54); /* its upper 10 bits */
}

_Static_assert(FAILURES_SLOTS == 1 << 10, "slot_of has 10 bits");

void failures_add(struct failures *failures, uint64_t address, uint64_t now_ns) {
  uint32_t slot = slot_of(address);
  bool is_known = failures->slots[slot].address == address &&
                  now_ns - failures->slots[slot].last_ns < MEMORY_NS;
  failures->slots[slot].count = is_known ? failures->slots[slot].count + 1 : 1;
  failures->slots[slot].address = address;
  failures->slots[slot].last_ns = now_ns;
}

void failures_forget(struct failures *failures, uint64_t address) {
  uint32_t slot = slot_of(address);
  if (failures->slots[slot].address == address) {
    failures->slots[slot].address = 0;
  }
}

uint32_t failures_delay_ms(const struct failures *failures, uint64_t address, uint64_t now_ns) {
  uint32_t slot = slot_of(address);
  if (failures->slots[slot].address != address ||
      now_ns - failures->slots[slot].last_ns >= MEMORY_NS ||
      failures->slots[slot].count < HF_HANDSHAKE_FAILURES_FREE) {
    return 0;
  }
  uint32_t doublings = failures->slots[slot].count - HF_HANDSHAKE_FAILURES_FREE;
  uint32_t delay_ms =
      doublings < 16 ? HF_HANDSHAKE_DELAY_MS_MIN << doublings : HF_HANDSHAKE_DELAY_MS_MAX;
  return delay_ms < HF_HANDSHAKE_DELAY_MS_MAX ? delay_ms : HF_HANDSHAKE_DELAY_MS_MAX;
}
