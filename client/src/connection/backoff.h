/* Exponential backoff with jitter.
 *
 * source  full jitter: Brooker, "Exponential Backoff And Jitter", 2015; many clients that lost one server
 *         come back over the whole pause, as TLS handshakes need: 10,000 take seconds of a processor
 * layer   client, connection
 * units   nanoseconds
 * threads any
 */
#ifndef HF_CLIENT_BACKOFF_H
#define HF_CLIENT_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 1
#define BACKOFF_LAST_MS 2000
/* Retries after at least half of the pause; further ones after any part of it. */
#define BACKOFF_SHORT_RETRIES 3

/* The pause before retry number retry_count, from 0: up to BACKOFF_FIRST_MS, doubling per retry up
 * to BACKOFF_LAST_MS. */
uint64_t backoff_ns(uint32_t retry_count);

#endif
