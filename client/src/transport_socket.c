/* tcp:// and ipc:// over plain sockets: no threads, nothing that a fork could break. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/src/transport.h"
#include "proto/base/clock.h"

#define HOST_BYTES_MAX 256

int connect_socket(const struct sockaddr *address, socklen_t address_len, int type,
                   uint64_t deadline_ns) {
  int fd = socket(address->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return -1;
  }
  int error = connect(fd, address, address_len) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    socklen_t error_len = sizeof error;
    while (descriptor_wait(fd, POLLOUT, deadline_ns) == 0 && clock_now_ns() < deadline_ns) {
    }
    if (descriptor_wait(fd, POLLOUT, 0) == 0) {
      error = ETIMEDOUT;
    } else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) != 0) {
      error = errno;
    }
  }
  if (error != 0) {
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

/* ---------------------------------------------------------------- tcp */

/* HOST:PORT or [IPV6]:PORT. */
static bool split_host(const char *address, char host[HOST_BYTES_MAX], const char **port) {
  const char *end = strrchr(address, ':');
  const char *begin = address;
  if (end == NULL) {
    return false;
  }
  *port = end + 1;
  if (*begin == '[' && end > begin && end[-1] == ']') {
    begin++;
    end--;
  }
  size_t host_len = (size_t)(end - begin);
  if (host_len == 0 || host_len >= HOST_BYTES_MAX) {
    return false;
  }
  memcpy(host, begin, host_len);
  host[host_len] = '\0';
  return true;
}

static bool is_tcp_address(const char *address) {
  char host[HOST_BYTES_MAX];
  const char *port;
  char *end;
  if (!split_host(address, host, &port) || *port < '0' || *port > '9') {
    return false;
  }
  unsigned long number = strtoul(port, &end, 10);
  return *end == '\0' && number > 0 && number <= 65535;
}

/* The kernel asks a silent peer, and gives up on one that no longer acknowledges. */
static void notice_dead_peer(int fd, int64_t dead_after_ms) {
  const int on = 1;
  const int idle_s = 5, interval_s = 2, probe_count = 3;
  const unsigned int unacknowledged_ms =
      dead_after_ms < 60000 ? (unsigned int)dead_after_ms : 60000;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probe_count, sizeof probe_count);
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
}

static int dial_tcp(const char *address, uint64_t deadline_ns, int64_t dead_after_ms) {
  const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  struct addrinfo *found;
  char host[HOST_BYTES_MAX];
  const char *port;
  if (!split_host(address, host, &port) || getaddrinfo(host, port, &hints, &found) != 0) {
    errno = EHOSTUNREACH;
    return -1;
  }
  int fd = -1;
  for (const struct addrinfo *one = found; one != NULL && fd < 0; one = one->ai_next) {
    fd = connect_socket(one->ai_addr, one->ai_addrlen, SOCK_STREAM, deadline_ns);
  }
  int error = errno;
  freeaddrinfo(found);
  errno = error;
  if (fd >= 0) {
    notice_dead_peer(fd, dead_after_ms);
  }
  return fd;
}

/* ---------------------------------------------------------------- ipc */

static bool is_ipc_address(const char *address) {
  struct sockaddr_un socket_address;
  return *address != '\0' && strlen(address) < sizeof socket_address.sun_path;
}

static int dial_ipc(const char *address, uint64_t deadline_ns, int64_t dead_after_ms) {
  struct sockaddr_un socket_address = {.sun_family = AF_UNIX};
  (void)dead_after_ms; /* the kernel tells at once */
  snprintf(socket_address.sun_path, sizeof socket_address.sun_path, "%s", address);
  return connect_socket((const struct sockaddr *)&socket_address, sizeof socket_address,
                        SOCK_STREAM, deadline_ns);
}

/* ---------------------------------------------------------------- both */

static ssize_t send_parts(const struct link *link, struct iovec *parts, int part_count) {
  ssize_t sent;
  do {
    if (part_count == 1) {
      sent = send(link->fd, parts->iov_base, parts->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
    } else {
      struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)part_count};
      sent = sendmsg(link->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
  } while (sent < 0 && errno == EINTR);
  return sent;
}

static ssize_t receive(const struct link *link, void *data, size_t capacity) {
  ssize_t received;
  do {
    received = recv(link->fd, data, capacity, MSG_DONTWAIT);
  } while (received < 0 && errno == EINTR);
  return received;
}

static short await(const struct link *link, short events, int other, bool *is_other,
                   uint64_t deadline_ns) {
  return descriptor_wait_or(link->fd, events, other, is_other, deadline_ns);
}

static void cut(const struct link *link) {
  shutdown(link->fd, SHUT_RDWR);
}

static void close_socket(const struct link *link) {
  close(link->fd);
}

const struct transport transport_tcp = {"tcp://", "tcp",       SP_TCP,  is_tcp_address,
                                        dial_tcp, send_parts,  receive, await,
                                        cut,      close_socket};
const struct transport transport_ipc = {"ipc://", "ipc",       SP_IPC,  is_ipc_address,
                                        dial_ipc, send_parts,  receive, await,
                                        cut,      close_socket};
