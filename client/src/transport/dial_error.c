#include "client/src/transport/dial_error.h"

#include <errno.h>
#include <string.h>

hf_reason dial_error_reason(int error, bool was_let_in) {
  switch (error) {
    case DIAL_KEY_REFUSED:
      return HF_REASON_KEY_REFUSED;
    case DIAL_NOT_ADMITTED:
      return HF_REASON_NOT_ADMITTED;
    case DIAL_IN_CLEAR:
      return was_let_in ? HF_REASON_NONE : HF_REASON_SERVER_NOT_TRUSTED;
    case DIAL_WANTS_TLS:
      return was_let_in ? HF_REASON_NONE : HF_REASON_NOT_ADMITTED;
    case DIAL_SERVER_NOT_TRUSTED:
      return HF_REASON_SERVER_NOT_TRUSTED;
    default:
      return HF_REASON_NONE;
  }
}

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
    case DIAL_LOADING:
      return "the server still loads its state";
    case DIAL_HANDSHAKE_CUT:
      return "the server closed the connection during the TLS handshake";
    case DIAL_HANDSHAKE_BROKEN:
      return "the TLS handshake was broken on its way";
    case DIAL_IN_CLEAR:
      return "what listens there answers in clear";
    case DIAL_WANTS_TLS:
      return "what listens there wants TLS";
    case EACCES:
      return "no access to the socket; users other than the server's own have its tcp address";
    case EPROTO:
      return "what listens there is not holdfastd";
    default:
      return strerror(error);
  }
}
