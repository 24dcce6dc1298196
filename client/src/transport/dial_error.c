#include "client/src/transport/dial_error.h"

#include <errno.h>
#include <string.h>

const char *dial_error_text(int error) {
  switch (error) {
    case DIAL_UNKNOWN_HOST:
      return "unknown host: no address is known for that name";
    case DIAL_RESOLVER_SILENT:
      return "the resolver does not answer what the host's address is";
    case DIAL_RESOLVER_FAILS:
      return "the resolver can't find out the host's address now";
    case DIAL_PUT_OFF:
      return "the server is there, but does not take the session now";
    case EPROTO:
      return "what listens there is not holdfastd";
    default:
      return strerror(error);
  }
}
