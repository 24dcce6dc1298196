#include "server/transport/listen_socket.h"

#include "proto/base/log.h"
#include "proto/limits.h"
#include "server/transport/nng_shim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEEPALIVE_IDLE_S 10
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 3
#define BACKLOG 4096

/* ------------------------------------------------------------------------------------- ipc */

enum listen_result listen_socket_result(void) {
  switch (errno) {
    case ENOENT:
    case ENOTDIR:
      return LISTEN_NO_DIRECTORY;
    case EACCES:
    case EPERM:
    case EROFS:
      return LISTEN_NOT_ALLOWED;
    case EADDRINUSE:
      return LISTEN_IN_USE;
    case ENOTSOCK:
      return LISTEN_NOT_A_SOCKET;
    case ETIMEDOUT:
      return LISTEN_LOCKED;
    default:
      log_line(LOG_ERROR, "listen failed reason=\"%s\"", strerror(errno));
      return LISTEN_FAILED;
  }
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

void listen_socket_tune_tcp(const nng_sockaddr *address) {
  int fd = nng_shim_listening_socket(address);
  if (fd >= 0) {
    set_keepalive(fd);
    (void)listen(fd, BACKLOG); /* a second listen only changes the backlog */
  } else {
    log_line(LOG_WARN, "keepalive times are the system's: listening socket not found");
  }
}

void listen_socket_url(const nng_sockaddr *address, char url[LISTEN_URL_BYTES_MAX]) {
  char host[INET6_ADDRSTRLEN] = "";
  if (address->s_family == NNG_AF_INET6) {
    inet_ntop(AF_INET6, address->s_in6.sa_addr, host, sizeof host);
    snprintf(url, LISTEN_URL_BYTES_MAX, "tcp://[%s]:%u", host, ntohs(address->s_in6.sa_port));
  } else {
    inet_ntop(AF_INET, &address->s_in.sa_addr, host, sizeof host);
    snprintf(url, LISTEN_URL_BYTES_MAX, "tcp://%s:%u", host, ntohs(address->s_in.sa_port));
  }
}
