#include "server/transport/ring_handshake.h"

#include "proto/base/descriptors.h"
#include "proto/base/uid_map.h"
#include "proto/sp.h"
#include "server/transport/socket_mode.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

/* ---------------------------------------------------------------------------------- opening */

static bool make_address(const char *path, struct sockaddr_un *address) {
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address->sun_path) {
    errno = ENAMETOOLONG;
    return false;
  }
  snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
  return true;
}

static int new_socket(void) {
  return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int listen_at(const struct sockaddr_un *address, struct socket_file *file) {
  int fd = new_socket();
  if (fd >= 0 &&
      (bind(fd, (const struct sockaddr *)address, sizeof *address) != 0 ||
       !socket_file_record(file, address->sun_path) ||
       chmod(address->sun_path, socket_mode(address->sun_path)) != 0 || listen(fd, BACKLOG) != 0)) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

int handshake_listen(const char *path, struct socket_file *file) {
  struct sockaddr_un address;
  *file = (struct socket_file){0};
  if (!make_address(path, &address)) {
    return -1;
  }
  int directory = socket_path_lock(path);
  if (directory < 0) {
    return -1;
  }
  int fd = socket_path_clear(path) ? listen_at(&address, file) : -1;
  int error = errno;
  close(directory);
  errno = error;
  return fd;
}

int handshake_accept(int listener) {
  return descriptors_for_client(accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

bool handshake_admits(int socket) {
  struct ucred peer;
  socklen_t len = sizeof peer;
  return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid() &&
         uid_map_is_one(peer.uid);
}

/* ---------------------------------------------------------------------------------- talking */

enum handshake_event handshake_read_hello(int socket, struct handshake_hello *hello) {
  ssize_t received = recv(socket, hello, sizeof *hello, MSG_DONTWAIT);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) {
    return HANDSHAKE_PENDING;
  }
  if (received <= 0) {
    return HANDSHAKE_PEER_LEFT;
  }
  if ((size_t)received < sizeof *hello) {
    hello->magic = 0;
  }
  return HANDSHAKE_HELLO;
}

static enum handshake_status check_rings(const struct handshake_hello *hello) {
  bool is_good = (hello->protocol == SP_REQ || hello->protocol == SP_PUSH) &&
                 (hello->framing == SP_TCP || hello->framing == SP_IPC);
  return is_good ? HANDSHAKE_WELCOME : HANDSHAKE_BAD_HELLO;
}

enum handshake_status handshake_check_hello(const struct handshake_hello *hello) {
  if (hello->magic == HANDSHAKE_MAGIC) {
    return check_rings(hello);
  }
  if (hello->magic == HANDSHAKE_SEGMENT) {
    return HANDSHAKE_WELCOME;
  }
  bool is_known = handshake_is_same_magic(hello->magic, HANDSHAKE_MAGIC) ||
                  handshake_is_same_magic(hello->magic, HANDSHAKE_SEGMENT);
  return is_known ? HANDSHAKE_OTHER_VERSION : HANDSHAKE_BAD_HELLO;
}

bool handshake_answer(int socket, enum handshake_status status, size_t ring_bytes,
                      const int *descriptors, size_t descriptors_count) {
  size_t bytes = descriptors_count * sizeof *descriptors;
  struct handshake_answer answer = {
      .magic = HANDSHAKE_MAGIC, .ring_bytes = ring_bytes, .status = (uint32_t)status};
  struct iovec part = {&answer, sizeof answer};
  alignas(struct cmsghdr) char control[CMSG_SPACE(HANDSHAKE_DESCRIPTORS * sizeof *descriptors)] = {
      0};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (descriptors_count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(bytes);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(header), descriptors, bytes);
  }
  return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof answer;
}

void handshake_notify(int socket) {
  ssize_t sent = send(socket, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  (void)sent; /* a full socket has a notification already; a closed one is found by reading */
}

bool handshake_is_open(int socket) {
  char said;
  ssize_t received = recv(socket, &said, sizeof said, MSG_DONTWAIT);
  return received > 0 || (received < 0 && (errno == EAGAIN || errno == EINTR));
}
