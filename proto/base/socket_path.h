/* Unix sockets as files: whose is it, is it dead, and removing none but one's own.
 *
 * layer   base
 * threads any
 */
#ifndef HF_BASE_SOCKET_PATH_H
#define HF_BASE_SOCKET_PATH_H

#include <stdbool.h>
#include <sys/stat.h>

#define SOCKET_PATH_BYTES_MAX 108 /* as in struct sockaddr_un */
/* How long another process may keep the directory's lock. */
#define SOCKET_PATH_LOCK_MS 3000

/* A socket file that this process made. */
struct socket_file {
  char path[SOCKET_PATH_BYTES_MAX]; /* "": none */
  dev_t dev;
  ino_t ino;
};

/* Locks the directory of that path against others that remove or make sockets there; who keeps the
 * lock is logged. A descriptor to be closed | -1: errno, ETIMEDOUT after SOCKET_PATH_LOCK_MS. */
int socket_path_lock(const char *path);
/* Removes a socket to which nobody is bound any more. The directory is locked by the caller.
 * true: nothing is there | false: errno, EADDRINUSE somebody is bound there, whether listening
 * yet or not; ENOTSOCK it is something else */
bool socket_path_clear(const char *path);
/* A name in the same directory that is not longer, and not taken by chance. */
void socket_path_beside(const char *path, char beside[SOCKET_PATH_BYTES_MAX]);
/* Moves the socket to its path, unless something is there by now. false: errno */
bool socket_path_publish(const char *from, const char *path);
/* Remembers which file is at that path. false: errno */
bool socket_file_note(struct socket_file *file, const char *path);
/* Removes it if it is still that one: the path may be another server's by now. To be called while
 * the socket is open, so that its inode's number can't be another's. */
void socket_file_remove(struct socket_file *file);

#endif
