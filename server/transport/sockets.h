/* Listening on tcp and ipc addresses. With the rest of this folder's nng files the only code that
 * includes nng.
 *
 * layer   transport: called by server
 * threads the main thread; peers are accepted on nng's few task threads, which never block
 * source  ../../proto/PROTOCOL.md: the scalability protocols are spoken on nng's stream layer, not
 *         through its sockets
 *
 * A life: sockets_new, sockets_listen for each address, sockets_stop_accepting,
 * sockets_free when all streams are freed.
 */
#ifndef HF_TRANSPORT_SOCKETS_H
#define HF_TRANSPORT_SOCKETS_H

#include "server/transport/transport.h"

#define LISTEN_URL_BYTES_MAX 160

struct sockets;

enum listen_result {
  LISTEN_OK,
  LISTEN_BAD_ADDRESS,   /* not a tcp or ipc address, or a host nobody knows */
  LISTEN_IN_USE,        /* another server answers there */
  LISTEN_NOT_ALLOWED,   /* the system refuses: permissions, a privileged port */
  LISTEN_NOT_A_SOCKET,  /* ipc: something else has that path */
  LISTEN_NO_DIRECTORY,  /* ipc: the directory does not exist */
  LISTEN_PATH_TOO_LONG, /* ipc: no socket can have that path; logged */
  LISTEN_LOCKED,        /* ipc: another process keeps the directory locked; logged */
  LISTEN_FAILED,        /* anything else; logged */
};

/* acceptor is borrowed. NULL: out of memory. */
struct sockets *sockets_new(const struct transport_acceptor *acceptor);
/* Binds and starts to accept.
 * out  bound_url  the address really bound, with the port the system chose */
enum listen_result sockets_listen(struct sockets *sockets, const char *url,
                                  char bound_url[LISTEN_URL_BYTES_MAX]);
/* What to tell the user; static. */
const char *listen_result_sentence(enum listen_result result);
/* No peer is accepted after it returns; ipc sockets are removed. */
void sockets_stop_accepting(struct sockets *sockets);
/* Also ends nng in this process. No stream may be left. */
void sockets_free(struct sockets *sockets);

#endif
