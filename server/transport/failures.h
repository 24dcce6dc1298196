/* Addresses whose handshakes fail again and again: their next ones wait. A bounded memory of them.
 *
 * layer   transport, internal
 * shapes  A slot for each of some hundred hashes of addresses, which the last one that failed has; what
 *         is a minute old counts no more.
 * threads one at a time
 */
#ifndef HF_TRANSPORT_FAILURES_H
#define HF_TRANSPORT_FAILURES_H

#include <stdbool.h>
#include <stdint.h>

#define FAILURES_SLOTS 1024

struct failures {
  struct {
    uint64_t address; /* 0: none */
    uint64_t last_ns;
    uint32_t count;
  } slots[FAILURES_SLOTS];
};

void failures_add(struct failures *failures, uint64_t address, uint64_t now_ns);
/* A handshake of that address has succeeded. */
void failures_forget(struct failures *failures, uint64_t address);
/* How long the next handshake of that address has to wait. */
uint32_t failures_delay_ms(const struct failures *failures, uint64_t address, uint64_t now_ns);

#endif
