#include "server/net/listen_socket.h"

#include "proto/base/log.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUP_DIRECTORY "/run/holdfast/"
#define KEEPALIVE_IDLE_S 10
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 3
#define BACKLOG 4096

/* ------------------------------------------------------------------------------------- ipc */

enum net_result listen_socket_result(void) {
  switch (errno) {
    case ENOENT:
    case ENOTDIR:
      return NET_NO_DIRECTORY;
    case EACCES:
    case EPERM:
    case EROFS:
      return NET_NOT_ALLOWED;
    case EADDRINUSE:
      return NET_IN_USE;
    case ENOTSOCK:
      return NET_NOT_A_SOCKET;
    case ETIMEDOUT:
      return NET_LOCKED;
    default:
      log_line(LOG_ERROR, "listen failed reason=\"%s\"", strerror(errno));
      return NET_FAILED;
  }
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
