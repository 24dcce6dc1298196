/* The checksum of what is on the disk: the first 8 bytes of BLAKE2b. It finds damage; it is no proof of who
 * wrote the bytes.
 *
 * layer   journal
 */
#ifndef HF_JOURNAL_CHECKSUM_H
#define HF_JOURNAL_CHECKSUM_H

#include "proto/base/bytes.h"

#include <sodium.h>

#define CHECKSUM_BYTES 8

/* Of the bytes, and of a number that says which ones they are. */
static inline void checksum_write(uint8_t at[CHECKSUM_BYTES], struct bytes bytes, uint64_t number) {
  uint8_t hash[crypto_generichash_BYTES];
  crypto_generichash_state state;
  crypto_generichash_init(&state, NULL, 0, sizeof hash);
  crypto_generichash_update(&state, (const uint8_t *)&number, sizeof number); /* little endian */
  crypto_generichash_update(&state, bytes.data, bytes.len);
  crypto_generichash_final(&state, hash, sizeof hash);
  memcpy(at, hash, CHECKSUM_BYTES);
}

static inline bool checksum_fits(const uint8_t at[CHECKSUM_BYTES], struct bytes bytes,
                                 uint64_t number) {
  uint8_t expected[CHECKSUM_BYTES];
  checksum_write(expected, bytes, number);
  return memcmp(at, expected, CHECKSUM_BYTES) == 0;
}

#endif
