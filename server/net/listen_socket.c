#include "server/net/listen_socket.h"

#include "proto/base/log.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define GROUP_DIRECTORY "/run/holdfast/"
#define KEEPALIVE_IDLE_S 10
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 3
#define BACKLOG 4096

/* ------------------------------------------------------------------------------------- ipc */

static enum net_result result_of_errno(void) {
  switch (errno) {
    case ENOENT:
    case ENOTDIR:
      return NET_NO_DIRECTORY;
    case EACCES:
    case EPERM:
    case EROFS:
      return NET_NOT_ALLOWED;
    default:
      log_line(LOG_ERROR, "listen failed reason=\"%s\"", strerror(errno));
      return NET_FAILED;
  }
}

static enum net_result lock_directory(const char *path, int *directory) {
  char name[sizeof((struct sockaddr_un *)NULL)->sun_path];
  snprintf(name, sizeof name, "%s", path);
  char *slash = strrchr(name, '/');
  slash[slash == name ? 1 : 0] = '\0';
  int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return result_of_errno();
  }
  if (flock(fd, LOCK_EX) != 0) {
    close(fd);
    return NET_FAILED;
  }
  *directory = fd;
  return NET_OK;
}

/* Whether somebody accepts on that socket. A full backlog (EAGAIN) is a server too. */
static bool answers(const struct sockaddr_un *address) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    return true; /* not known: nothing is removed */
  }
  bool refused = connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                 (errno == ECONNREFUSED || errno == ENOENT);
  close(fd);
  return !refused;
}

static enum net_result clear_stale(const char *path) {
  struct stat status;
  if (lstat(path, &status) != 0) {
    return errno == ENOENT ? NET_OK : result_of_errno();
  }
  if (!S_ISSOCK(status.st_mode)) {
    return NET_NOT_A_SOCKET;
  }
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path, path, strlen(path) + 1);
  if (answers(&address)) {
    return NET_IN_USE;
  }
  log_line(LOG_INFO, "removing stale socket path=%s", path);
  return unlink(path) == 0 ? NET_OK : result_of_errno();
}

enum net_result listen_socket_clear_path(const char *path, int *directory) {
  size_t len = strlen(path);
  if (path[0] != '/' || path[len - 1] == '/' ||
      len >= sizeof((struct sockaddr_un *)NULL)->sun_path) {
    return NET_BAD_ADDRESS;
  }
  enum net_result result = lock_directory(path, directory);
  if (result != NET_OK) {
    return result;
  }
  result = clear_stale(path);
  if (result != NET_OK) {
    listen_socket_release(*directory);
  }
  return result;
}

void listen_socket_release(int directory) {
  close(directory);
}

int listen_socket_mode(const char *path) {
  return strncmp(path, GROUP_DIRECTORY, strlen(GROUP_DIRECTORY)) == 0 ? 0660 : 0600;
}

/* ------------------------------------------------------------------------------------- tcp */

static void set_keepalive(int fd) {
  static const struct {
    int option;
    int value;
  } inherited[] = {
      {TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
      {TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
      {TCP_KEEPCNT, KEEPALIVE_COUNT},
      /* Keepalive rests while something is unacknowledged; this bounds that case. */
      {TCP_USER_TIMEOUT, HF_DRAIN_TIMEOUT_MS},
  };
  for (size_t i = 0; i < sizeof inherited / sizeof inherited[0]; i++) {
    if (setsockopt(fd, IPPROTO_TCP, inherited[i].option, &inherited[i].value, sizeof(int)) != 0) {
      log_line(LOG_WARN, "keepalive not set reason=\"%s\"", strerror(errno));
    }
  }
}

static bool same_address(const struct sockaddr_storage *bound, const nng_sockaddr *wanted) {
  if (bound->ss_family == AF_INET && wanted->s_family == NNG_AF_INET) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)bound;
    return in->sin_port == wanted->s_in.sa_port && in->sin_addr.s_addr == wanted->s_in.sa_addr;
  }
  if (bound->ss_family == AF_INET6 && wanted->s_family == NNG_AF_INET6) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)bound;
    return in6->sin6_port == wanted->s_in6.sa_port &&
           memcmp(&in6->sin6_addr, wanted->s_in6.sa_addr, sizeof in6->sin6_addr) == 0;
  }
  return false;
}

static bool listens_on(int fd, const nng_sockaddr *wanted) {
  int listening = 0;
  socklen_t len = sizeof listening;
  struct sockaddr_storage bound;
  socklen_t bound_len = sizeof bound;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening != 0 &&
         getsockname(fd, (struct sockaddr *)&bound, &bound_len) == 0 &&
         same_address(&bound, wanted);
}

/* nng keeps the descriptor to itself, so it is looked for among the process's own. */
void listen_socket_tune_tcp(const nng_sockaddr *address) {
  DIR *descriptors = opendir("/proc/self/fd");
  bool found = false;
  struct dirent *entry;
  while (descriptors != NULL && !found && (entry = readdir(descriptors)) != NULL) {
    int fd = atoi(entry->d_name);
    found = fd > 2 && listens_on(fd, address);
    if (found) {
      set_keepalive(fd);
      (void)listen(fd, BACKLOG); /* a second listen only changes the backlog */
    }
  }
  if (descriptors != NULL) {
    closedir(descriptors);
  }
  if (!found) {
    log_line(LOG_WARN, "keepalive times are the system's: listening socket not found");
  }
}

void listen_socket_url(const nng_sockaddr *address, char url[NET_URL_BYTES_MAX]) {
  char host[INET6_ADDRSTRLEN] = "";
  if (address->s_family == NNG_AF_INET6) {
    inet_ntop(AF_INET6, address->s_in6.sa_addr, host, sizeof host);
    snprintf(url, NET_URL_BYTES_MAX, "tcp://[%s]:%u", host, ntohs(address->s_in6.sa_port));
  } else {
    inet_ntop(AF_INET, &address->s_in.sa_addr, host, sizeof host);
    snprintf(url, NET_URL_BYTES_MAX, "tcp://%s:%u", host, ntohs(address->s_in.sa_port));
  }
}
