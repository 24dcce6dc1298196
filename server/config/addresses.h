/* Addresses to listen on: which there are by default, and which are safe.
 *
 * layer   config, internal
 */
#ifndef HF_CONFIG_ADDRESSES_H
#define HF_CONFIG_ADDRESSES_H

#include "server/config/settings.h"

#include "proto/base/arena.h"

#define ADDRESS_ERROR_BYTES 400

enum address_reach {
  ADDRESS_BAD,       /* not one; error says why */
  ADDRESS_LOCAL,     /* ipc, or every address the host name stands for is a loopback one */
  ADDRESS_ENCRYPTED, /* tls+tcp:// */
  ADDRESS_OPEN,      /* other hosts reach it */
};

/* error goes on behind the url and a colon. */
enum address_reach address_reach(const char *url, char error[ADDRESS_ERROR_BYTES]);
/* With the path of a socket made absolute: clients get that one. NULL: out of memory. */
const char *address_absolute(struct arena *arena, const char *url);
/* What is listened on if nothing is said. false: out of memory. */
bool address_defaults(struct arena *arena, struct settings *settings);

#endif
