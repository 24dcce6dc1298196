/* Names to addresses, with a deadline.
 *
 * Numbers, what /etc/hosts has and "localhost" are found at once, in the calling thread. For every
 * other name getaddrinfo is called, in a thread of its own: it knows what the machine is set up for
 * (DNS, LDAP, mDNS), it can neither be given a deadline nor be ended, and waits for a silent resolver
 * as long as that is set to. The thread is the only one that the library ever starts. It owns what it
 * works on together with those that wait for it, blocks all signals, touches nothing else, and ends
 * by itself; the library is not unloaded under it. Several connections that look for one name share
 * one thread.
 *
 * Rejected: a DNS client of our own finds other addresses than all other programs of the machine; a
 * forked child may not call getaddrinfo when its parent has threads; a helper program has to be found
 * and started wherever the library is; SIGALRM belongs to the program.
 *
 * layer   client, transport
 * threads any; a forked child forgets its parent's searches
 */
#ifndef HF_CLIENT_RESOLVE_H
#define HF_CLIENT_RESOLVE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "client/src/transport/descriptor.h"

#define RESOLVE_HOST_BYTES_MAX 256
#define RESOLVE_PORT_BYTES_MAX 6
#define RESOLVE_ADDRESSES_MAX 16 /* those beyond are left out */

struct address {
  struct sockaddr_storage socket;
  socklen_t len; /* 0: none */
};

struct addresses {
  size_t count;
  struct address items[RESOLVE_ADDRESSES_MAX];
};

struct search;

/* port: a decimal number. 0 it is found | STEP_WAITS *search is asked by resolve_step |
 * DIAL_UNKNOWN_HOST DIAL_RESOLVER_FAILS | an errno. out search: given up by resolve_end */
int resolve_begin(const char *host, const char *port, struct addresses *found,
                  struct search **search);
/* The same answers. */
int resolve_step(struct search *search, struct addresses *found, struct waits *waits);
/* To be called before pthread_atfork by who begins or ends searches in such a handler: their mutex is
 * locked after its prepare handler then, and unlocked before its other ones. */
void resolve_watch_forks(void);
/* NULL is harmless. */
void resolve_end(struct search *search);

#endif
