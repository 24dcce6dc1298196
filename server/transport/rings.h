/* Clients on this machine: their calls come and go through rings in shared memory.
 *
 * layer   transport: called by server
 * threads The rings' thread serves all of them: it polls the busy rings while there is traffic, and
 *         for some microseconds after the last; then it waits in epoll. rings_* are called by the
 *         main thread.
 * source  ../../proto/ring_layout.h, ../../proto/local_handshake.h
 *
 * A life: rings_new, rings_start, rings_listen for each ipc address, rings_stop_accepting, rings_stop
 * when all connections have ended, rings_free.
 */
#ifndef HF_TRANSPORT_RINGS_H
#define HF_TRANSPORT_RINGS_H

#include "server/transport/segment_opener.h"
#include "server/transport/transport.h"

#define RINGS_PATH_BYTES_MAX 108 /* as in struct sockaddr_un */

struct rings;

/* opener is copied. NULL: out of memory. */
struct rings *rings_new(const struct segment_opener *opener);
/* Starts the thread; acceptor is borrowed. false: out of memory. */
bool rings_start(struct rings *rings, const struct transport_acceptor *acceptor);
/* Listens for local handshakes beside the ipc socket of that path, which this server has bound. When
 * that fails, which is logged, clients use the ipc socket.
 * out  handshake_path  set on true */
bool rings_listen(struct rings *rings, const char *ipc_path,
                  char handshake_path[RINGS_PATH_BYTES_MAX]);
/* Stops accepting and removes the sockets of the local handshake. To be called before the ipc sockets
 * are removed, so that the next server finds both or neither. */
void rings_stop_accepting(struct rings *rings);
/* Ends the thread. */
void rings_stop(struct rings *rings);
void rings_free(struct rings *rings);

#endif
