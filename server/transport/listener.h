/* One address that is listened on.
 *
 * layer   transport, internal
 * threads open, stop and free belong to the main thread; accepting runs on nng's
 */
#ifndef HF_TRANSPORT_LISTENER_H
#define HF_TRANSPORT_LISTENER_H

#include "server/transport/listen_result.h"
#include "server/transport/transport.h"

#define LISTENER_TLS "tls+" /* before the rest of the url */

struct listener;

/* out  listener  given; set only on LISTEN_OK */
enum listen_result listener_open(const struct transport_acceptor *acceptor, const char *url,
                                 char bound_url[LISTEN_URL_BYTES_MAX], struct listener **listener);
/* No connection is accepted after it returns; an ipc socket is removed. */
void listener_stop(struct listener *listener);
void listener_free(struct listener *listener);

#endif
