#include "server/engine/addresses.h"

#include <stdlib.h>

struct address *address_acquire(struct map64 *addresses, uint64_t number) {
  struct address *address = map64_get(addresses, number);
  if (address) {
    return address_share(address);
  }
  address = malloc(sizeof *address);
  if (!address) {
    return NULL;
  }
  *address = (struct address){.number = number, .users = 1};
  TAILQ_INIT(&address->lost);
  if (!map64_set(addresses, number, address)) {
    free(address);
    return NULL;
  }
  return address;
}

struct address *address_share(struct address *address) {
  address->users++;
  return address;
}

void address_release(struct map64 *addresses, struct address *address) {
  if (--address->users == 0) {
    map64_remove(addresses, address->number);
    free(address);
  }
}
