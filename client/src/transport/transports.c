/* All transports that a url can name. */
#include <string.h>

#include "client/src/transport/transport.h"

const struct transport *transport_find(const char *url, const char **address) {
  static const struct transport *const all[] = {&transport_tcp, &transport_tls, &transport_ipc};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    size_t scheme_len = strlen(all[i]->scheme);
    if (strncmp(url, all[i]->scheme, scheme_len) == 0) {
      *address = url + scheme_len;
      return all[i]->is_address(*address) ? all[i] : NULL;
    }
  }
  return NULL;
}
