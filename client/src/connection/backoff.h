/* How long to wait before a retry: exponential backoff with jitter.
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

/* The pause before retry number retry_count, from 0: at most BACKOFF_FIRST_MS, doubled per retry up
 * to BACKOFF_LAST_MS, and at least half of that. Clients that lost one server at the same moment
 * come back at different ones. */
uint64_t backoff_ns(uint32_t retry_count);

#endif
