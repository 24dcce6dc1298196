/* Unix sockets as files: finding out whether a server is bound to a path, and removing only sockets
 * of this process.
 *
 * layer   base
 * threads any
 */
#ifndef HF_BASE_SOCKET_PATH_H
#define HF_BASE_SOCKET_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#define IPC_SCHEME "ipc://"
#define SOCKET_PATH_BYTES_MAX 108 /* as in struct sockaddr_un */
/* How long to wait for another process to release the directory's lock. */
#define SOCKET_PATH_LOCK_MS 3000

/* A socket file that this process made. */
struct socket_file {
  char path[SOCKET_PATH_BYTES_MAX]; /* "": none */
  dev_t dev;
  ino_t ino;
};

/* The path that is in an ipc address, which may be empty or relative. NULL: another address. */
static inline const char *socket_path_of(const char *url) {
  size_t len = strlen(IPC_SCHEME);
  return strncmp(url, IPC_SCHEME, len) == 0 ? url + len : NULL;
}
/* Locks the directory of that path against other processes that create or remove sockets; while
 * waiting, logs the owner of the lock. A descriptor to be closed | -1: errno, ETIMEDOUT after
 * SOCKET_PATH_LOCK_MS */
int socket_path_lock(const char *path);
/* Removes a socket to which no process is bound any more. The caller has locked the directory.
 * true: the path is free | false: errno, EADDRINUSE a process is bound to the socket, listening or
 * not; ENOTSOCK the file is not a socket */
bool socket_path_clear(const char *path);
/* A random name in the same directory, not longer than the path. */
void socket_path_beside(const char *path, char beside[SOCKET_PATH_BYTES_MAX]);
/* Moves the socket to its path, unless a file exists there by now. false: errno */
bool socket_path_publish(const char *from, const char *path);
/* Records which file is at that path. false: errno */
bool socket_file_record(struct socket_file *file, const char *path);
/* Removes the recorded file if it is still at the path; another server may have replaced it. To be
 * called while the socket is open, so that the inode number is not reused. */
void socket_file_remove(struct socket_file *file);

#endif
