/* The addresses that peers come from, and how much each address uses: the peers of one machine can't
 * use up the limits for all.
 *
 * layer   engine
 * shapes  An address is a number that the transport made of it, without the port.
 *         ADDRESS_LOCAL is the address of all peers over ipc or shared memory.
 */
#ifndef HF_ENGINE_ADDRESSES_H
#define HF_ENGINE_ADDRESSES_H

#include "proto/base/map64.h"

#include <stdbool.h>
#include <sys/queue.h>

#define ADDRESS_LOCAL 1

struct session;
TAILQ_HEAD(session_list, session);

struct address {
  uint64_t number; /* never 0 */
  size_t users;    /* connections and sessions that point here */
  size_t sessions;
  size_t waiters_bytes;
  struct session_list lost; /* its sessions without a connection, the longest lost first */
};

/* The address of that number, with one user more. NULL: out of memory. */
struct address *address_acquire(struct map64 *addresses, uint64_t number);
struct address *address_share(struct address *address); /* one user more; answers its argument */
/* Frees it with its last user. */
void address_release(struct map64 *addresses, struct address *address);

#endif
