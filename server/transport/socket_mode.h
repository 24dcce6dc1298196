/* Who may connect to a socket on this machine: to an ipc socket, and to that of the local handshake beside it.
 *
 * layer   transport, internal
 */
#ifndef HF_TRANSPORT_SOCKET_MODE_H
#define HF_TRANSPORT_SOCKET_MODE_H

#include <string.h>
#include <sys/types.h>

/* 0660 under /run/holdfast, whose group may connect; 0600 elsewhere. */
static inline mode_t socket_mode(const char *path) {
  static const char group_directory[] = "/run/holdfast/";
  return strncmp(path, group_directory, sizeof group_directory - 1) == 0 ? 0660 : 0600;
}

#endif
