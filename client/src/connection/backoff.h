/* Exponential backoff with jitter.
 *
 * layer   client, connection
 * units   nanoseconds
 * threads any
 */
#ifndef HF_CLIENT_BACKOFF_H
#define HF_CLIENT_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 1
#define BACKOFF_LAST_MS 500

/* The pause before retry number retry_count, from 0: up to BACKOFF_FIRST_MS, doubling per retry up
 * to BACKOFF_LAST_MS; at least half of that. The jitter spreads clients that lost a server at the
 * same moment. */
uint64_t backoff_ns(uint32_t retry_count);

#endif
