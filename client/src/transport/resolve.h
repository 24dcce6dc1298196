/* Name resolution with a deadline.
 *
 * Numeric addresses, entries of /etc/hosts and "localhost" are resolved at once in the calling
 * thread. For every other name a thread of its own calls getaddrinfo, which knows the machine's
 * configuration (DNS, LDAP, mDNS), but can neither be given a deadline nor be cancelled. This
 * thread is the only one that the library starts. It shares its search with the waiting
 * connections, blocks all signals, accesses nothing else, and ends by itself; the library can't be
 * unloaded before. Connections that search for the same name share one thread.
 *
 * Rejected: a DNS client of our own, which would find other addresses than all other programs on
 * the machine; a forked child, which may not call getaddrinfo if its parent has threads; a helper
 * program, which would have to be found wherever the library is; SIGALRM, which belongs to the
 * program.
 *
 * layer   client, transport
 * threads any; a forked child drops its parent's searches
 */
#ifndef HF_CLIENT_RESOLVE_H
#define HF_CLIENT_RESOLVE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "client/src/transport/descriptor.h"

#define RESOLVE_HOST_BYTES_MAX 256
#define RESOLVE_PORT_BYTES_MAX 6
#define RESOLVE_ADDRESSES_MAX 16 /* further ones are ignored */

struct address {
  struct sockaddr_storage socket;
  socklen_t len; /* 0: none */
};

struct addresses {
  size_t count;
  struct address items[RESOLVE_ADDRESSES_MAX];
};

struct search;

/* Splits HOST:PORT or [IPV6]:PORT. out port: within address. false: malformed */
bool resolve_split(const char *address, char host[RESOLVE_HOST_BYTES_MAX], const char **port);
/* port: a decimal number. 0 found | STEP_WAITS poll *search with resolve_step | DIAL_UNKNOWN_HOST
 * DIAL_RESOLVER_FAILS | an errno. out search: to be ended by resolve_end */
int resolve_begin(const char *host, const char *port, struct addresses *found,
                  struct search **search);
/* The same results. */
int resolve_step(struct search *search, struct addresses *found, struct waits *waits);
/* For a module that begins or ends searches in a fork handler: to be called before its
 * pthread_atfork. The mutex of searches is then locked after that module's prepare handler, and
 * unlocked before its other handlers. */
void resolve_watch_forks(void);
/* Ends a search. NULL is ignored. */
void resolve_end(struct search *search);

#endif
