/* What nng's listeners lack: a longer backlog, keepalive times.
 *
 * layer   transport, internal
 * threads the main thread, while nothing else opens descriptors
 */
#ifndef HF_TRANSPORT_LISTEN_SOCKET_H
#define HF_TRANSPORT_LISTEN_SOCKET_H

#include "server/transport/listen_result.h"

#include <nng/nng.h>

/* What errno means for an ipc address; logged if the result does not say it. */
enum listen_result listen_socket_result(void);
/* Finds our listening socket of that address and sets what its connections inherit: keepalive
 * times that notice a dead host within half a minute; and a backlog for many clients at once. */
void listen_socket_tune_tcp(const nng_sockaddr *address);
void listen_socket_url(const nng_sockaddr *address, char url[LISTEN_URL_BYTES_MAX]);

#endif
