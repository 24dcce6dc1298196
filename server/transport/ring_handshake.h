/* The local handshake: the socket beside an ipc socket, and the packets there before a connection begins.
 *
 * layer   transport, internal
 * threads the main thread opens and closes; the rings' thread does the rest
 * source  ../../proto/local_handshake.h
 */
#ifndef HF_TRANSPORT_RING_HANDSHAKE_H
#define HF_TRANSPORT_RING_HANDSHAKE_H

#include "proto/base/socket_path.h"
#include "proto/local_handshake.h"

#include <stdbool.h>
#include <stddef.h>

/* Listens on that path. The socket of a dead server is removed first, the socket of a live one stays.
 * The mode is that of the ipc socket (socket_mode.h). A descriptor, or -1 and errno.
 * out  file  to be removed while the descriptor is open */
int handshake_listen(const char *path, struct socket_file *file);
/* Accepts a client. A descriptor, or -1 and errno. */
int handshake_accept(int listener);
/* Whether the peer is the server's user. Root is a user like any other here. */
bool handshake_admits(int socket);
/* HANDSHAKE_HELLO: *hello is filled and unchecked. */
enum handshake_event { HANDSHAKE_PENDING, HANDSHAKE_HELLO, HANDSHAKE_PEER_LEFT };
enum handshake_event handshake_read_hello(int socket, struct handshake_hello *hello);
/* HANDSHAKE_WELCOME the hello is valid | HANDSHAKE_OTHER_VERSION | HANDSHAKE_BAD_HELLO */
enum handshake_status handshake_check_hello(const struct handshake_hello *hello);
/* Sends the answer, with descriptors_count descriptors. false: the peer has closed its socket. */
bool handshake_answer(int socket, enum handshake_status status, size_t ring_bytes,
                      const int *descriptors, size_t descriptors_count);
/* Sends a notification to the client; never blocks. */
void handshake_notify(int socket);
/* Discards a packet of the client, which has no meaning. false: the client has closed its socket. */
bool handshake_is_open(int socket);

#endif
