/* The door: a socket beside an ipc socket, and what is said there before a connection begins.
 *
 * layer   transport, internal
 * threads the main thread opens and closes; the rings' thread does the rest
 * source  ../../proto/door.h
 */
#ifndef HF_TRANSPORT_DOOR_H
#define HF_TRANSPORT_DOOR_H

#include "proto/base/socket_path.h"
#include "proto/door.h"

#include <stdbool.h>
#include <stddef.h>

/* Listens on that path; a dead server's socket there is removed first, another's stays. 0660 under
 * /run/holdfast, 0600 elsewhere, as the ipc socket. A descriptor, or -1 and errno.
 * out  file  to be removed while the descriptor is open */
int door_open(const char *path, struct socket_file *file);
/* Accepts one. A descriptor, or -1 and errno. */
int door_accept(int listener);
/* Whether the peer is the server's user. Root is a user like any other here. */
bool door_admits(int door);
/* DOOR_HELLO_COME: *hello is filled, but perhaps nonsense. */
enum door_news { DOOR_NOTHING_YET, DOOR_HELLO_COME, DOOR_PEER_LEFT };
enum door_news door_read_hello(int door, struct door_hello *hello);
/* DOOR_WELCOME nothing against it | DOOR_OTHER_VERSION | DOOR_BAD_HELLO */
enum door_status door_check_hello(const struct door_hello *hello);
/* With the first so many descriptors. false: the peer left. */
bool door_answer(int door, enum door_status status, size_t ring_bytes, const int *descriptors,
                 size_t descriptors_count);
/* Wakes the peer; never blocks. */
void door_knock(int door);
/* Takes away what the peer said; it has nothing to say. false: it left. */
bool door_is_held(int door);

#endif
