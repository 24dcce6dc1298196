/* Listening on tcp, tls+tcp and ipc addresses. With the rest of this folder's nng files the only code that
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

#include "server/transport/listen_result.h"
#include "server/transport/transport.h"

struct sockets;

/* The acceptors are borrowed. NULL: out of memory. */
struct sockets *sockets_new(const struct transport_acceptor *acceptor);
/* Who takes the streams of tls+tcp addresses, which are refused without it. */
void sockets_set_tls(struct sockets *sockets, const struct transport_acceptor *acceptor);
/* Binds and starts to accept.
 * out  bound_url  the address really bound, with the port the system chose */
enum listen_result sockets_listen(struct sockets *sockets, const char *url,
                                  char bound_url[LISTEN_URL_BYTES_MAX]);
/* A sentence for the user; static. */
const char *listen_result_sentence(enum listen_result result);
/* No peer is accepted after it returns; ipc sockets are removed. */
void sockets_stop_accepting(struct sockets *sockets);
/* Also ends nng in this process. No stream may be left. */
void sockets_free(struct sockets *sockets);

#endif
