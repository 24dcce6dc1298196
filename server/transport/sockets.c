#include "server/transport/sockets.h"

#include "server/transport/listener.h"

#include <nng/nng.h>
#include <nng/supplemental/util/platform.h>
#include <stdlib.h>
#include <string.h>

#define LISTENERS_MAX 16

struct sockets {
  const struct transport_acceptor *acceptor; /* borrowed */
  const struct transport_acceptor *tls;      /* borrowed; NULL: none */
  struct listener *listeners[LISTENERS_MAX];
  size_t listener_count;
};

struct sockets *sockets_new(const struct transport_acceptor *acceptor) {
  struct sockets *sockets = calloc(1, sizeof *sockets);
  if (sockets != NULL) {
    sockets->acceptor = acceptor;
  }
  return sockets;
}

void sockets_set_tls(struct sockets *sockets, const struct transport_acceptor *acceptor) {
  sockets->tls = acceptor;
}

enum listen_result sockets_listen(struct sockets *sockets, const char *url,
                                  char bound_url[LISTEN_URL_BYTES_MAX]) {
  if (sockets->listener_count == LISTENERS_MAX) {
    return LISTEN_FAILED;
  }
  struct listener *listener;
  bool is_tls = strncmp(url, LISTENER_TLS, strlen(LISTENER_TLS)) == 0;
  const struct transport_acceptor *acceptor = is_tls ? sockets->tls : sockets->acceptor;
  if (acceptor == NULL) {
    return LISTEN_NO_TLS;
  }
  enum listen_result result = listener_open(acceptor, url, bound_url, &listener);
  if (result == LISTEN_OK) {
    sockets->listeners[sockets->listener_count++] = listener;
  }
  return result;
}

const char *listen_result_sentence(enum listen_result result) {
  switch (result) {
    case LISTEN_OK:
      return "fine";
    case LISTEN_BAD_ADDRESS:
      return "this machine has no such address; use one of its own, 0.0.0.0 for all, or "
             "ipc:///PATH";
    case LISTEN_NO_TLS:
      return "needs --key-file FILE (holdfast key new USER > FILE) or --tls-certificate";
    case LISTEN_IN_USE:
      return "the address is in use; stop the server that has it, or choose another --listen";
    case LISTEN_NOT_ALLOWED:
      return "not permitted; choose a port above 1023 or a directory this user may write to";
    case LISTEN_NOT_A_SOCKET:
      return "the path exists and is not a socket; remove it, or choose another --listen";
    case LISTEN_NO_DIRECTORY:
      return "the directory does not exist; create it, or choose another --listen";
    case LISTEN_PATH_TOO_LONG:
      return "the path of a socket has 107 bytes at most; choose a shorter one";
    case LISTEN_LOCKED:
      return "another process keeps the directory locked; end it, or choose another --listen";
    case LISTEN_FAILED:
      break;
  }
  return "the system refused; see the line before";
}

void sockets_stop_accepting(struct sockets *sockets) {
  for (size_t i = 0; i < sockets->listener_count; i++) {
    listener_stop(sockets->listeners[i]);
  }
}

void sockets_free(struct sockets *sockets) {
  for (size_t i = 0; i < sockets->listener_count; i++) {
    listener_free(sockets->listeners[i]);
  }
  /* nng frees streams and operations on a thread of its own, and waits for it here. */
  nng_fini();
  free(sockets);
}
