/* The client's side of the local handshake, and the checks before the server's memory is mapped. */
#include "client/src/transport/rings.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/src/transport/descriptor.h"
#include "proto/base/clock.h"
#include "proto/base/uid_map.h"
#include "proto/limits.h"
#include "proto/local_handshake.h"

static int refuse(const char **why, const char *sentence, int error) {
  *why = sentence;
  return error;
}

/* Refuses a server of another user. A process that shares a robust mutex can make its peer write to
 * any address, through the list pointers beside the mutex; root therefore refuses all but root's
 * servers. */
static int check_server(int handshake, const char **why) {
  struct ucred peer;
  socklen_t len = sizeof peer;
  bool is_known = getsockopt(handshake, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0;
  if (is_known && !uid_map_is_one(peer.uid)) {
    return refuse(why, "the server's user may be any other one, seen from this user namespace",
                  EPERM);
  }
  if (is_known && (peer.uid == geteuid() || peer.uid == 0)) {
    return 0;
  }
  return refuse(why,
                geteuid() == 0 ? "the server there is another user's, and root shares memory with "
                                 "root's servers only; run this as that user"
                               : "the server there is another user's; run this as that user",
                EPERM);
}

static int say_hello(int handshake, const struct handshake_hello *hello, const char **why) {
  ssize_t sent = send(handshake, hello, sizeof *hello, MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent == (ssize_t)sizeof *hello
             ? 0
             : refuse(why, "the server hung up at the local handshake", EPIPE);
}

/* Takes the received descriptors; the control buffer had no room for more. */
static void take_descriptors(struct msghdr *message, int *descriptors) {
  struct cmsghdr *header = CMSG_FIRSTHDR(message);
  if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    memcpy(descriptors, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
  }
}

static const char other_version[] =
    "the server has another version of the local handshake; holdfastd and libholdfast must be of "
    "the same version";

/* STEP_WAITS: no answer yet. */
static int hear_answer(int handshake, struct handshake_answer *answer, int *descriptors,
                       const char **why) {
  struct iovec part = {answer, sizeof *answer};
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(HANDSHAKE_DESCRIPTORS * sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = CMSG_LEN(HANDSHAKE_DESCRIPTORS * sizeof(int))};
  ssize_t received;
  do {
    received = recvmsg(handshake, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0 && errno == EAGAIN) {
    return STEP_WAITS;
  }
  if (received <= 0) {
    return refuse(why, "the server hung up at the local handshake", ECONNRESET);
  }
  take_descriptors(&message, descriptors);
  if (received != (ssize_t)sizeof *answer ||
      !handshake_is_same_magic(answer->magic, HANDSHAKE_MAGIC)) {
    return refuse(why, "what answers at the local handshake is no holdfastd", EPROTO);
  }
  return answer->magic == HANDSHAKE_MAGIC ? 0 : refuse(why, other_version, EPROTO);
}

static int check_answer(const struct handshake_answer *answer, const char **why) {
  switch (answer->status) {
    case HANDSHAKE_WELCOME:
      return 0;
    case HANDSHAKE_NOT_ALLOWED:
      return refuse(why, "the server shares memory with its own user only; run this as that user",
                    EACCES);
    case HANDSHAKE_FULL:
      return refuse(why, "the server shares memory with as many as it may already", EAGAIN);
    case HANDSHAKE_NO_MEMORY:
      return refuse(why, "the server has no memory to share", ENOMEM);
    case HANDSHAKE_NO_SEGMENT:
      return refuse(why, "the server shares no such segment", ENOENT);
    case HANDSHAKE_OTHER_VERSION:
      return refuse(why, other_version, EPROTO);
    default:
      return refuse(why, "the server does not understand this library's hello", EPROTO);
  }
}

/* Whether the memfd is sealed: reading beyond a truncated file is a SIGBUS. */
static bool is_sealed(int memory_fd, size_t size) {
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  struct stat status;
  return (fcntl(memory_fd, F_GET_SEALS) & seals) == seals && fcntl(memory_fd, F_GET_SEALS) != -1 &&
         fstat(memory_fd, &status) == 0 && status.st_size == (off_t)size;
}

void *rings_map_memory(int memory_fd, enum shared_content content, size_t bytes, const char **why) {
  int protection = content == SHARED_SERVER_LIFE ? PROT_READ : PROT_READ | PROT_WRITE;
  if (bytes < SHARED_HEADER_BYTES || !is_sealed(memory_fd, bytes)) {
    errno = refuse(why, "the memory the server shares is not sealed", EPROTO);
    return NULL;
  }
  void *mapped = mmap(NULL, bytes, protection, MAP_SHARED, memory_fd, 0);
  if (mapped == MAP_FAILED) {
    errno = refuse(why, "out of memory", ENOMEM);
    return NULL;
  }
  *why = shared_header_check(mapped, content, bytes);
  if (*why != NULL) {
    munmap(mapped, bytes);
    errno = EPROTO;
    return NULL;
  }
  return mapped;
}

static bool is_ring_size(uint64_t size) {
  return size > 0 && size <= HF_RING_BYTES_MAX && (size & (size - 1)) == 0;
}

static struct rings *map_rings(int memory_fd, uint64_t ring_bytes, const char **why) {
  if (!is_ring_size(ring_bytes)) {
    errno = refuse(why, "the server's rings have no size that can be", EPROTO);
    return NULL;
  }
  size_t size = segment_bytes(ring_bytes);
  void *mapped = rings_map_memory(memory_fd, SHARED_RINGS, size, why);
  struct rings *rings = mapped != NULL ? calloc(1, sizeof *rings) : NULL;
  if (rings == NULL) {
    if (mapped != NULL) {
      munmap(mapped, size);
      errno = refuse(why, "out of memory", ENOMEM);
    }
    return NULL;
  }
  uint8_t *data = (uint8_t *)mapped + SEGMENT_DATA_OFFSET;
  rings->segment = mapped;
  rings->segment_bytes = size;
  ring_init_writer(&rings->requests, &rings->segment->requests, data, ring_bytes);
  ring_init_reader(&rings->replies, &rings->segment->replies, data + ring_bytes, ring_bytes);
  return rings;
}

int rings_connect(const char *handshake_path, const char **why) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", handshake_path);
  int handshake = connect_local((const struct sockaddr *)&address, sizeof address, SOCK_SEQPACKET);
  if (handshake < 0) {
    *why = errno == EACCES || errno == EPERM
               ? "this user may not connect to the server's local handshake"
           : errno == ENOENT
               ? "there is no local handshake beside the server's ipc socket as seen from here"
               : "nothing answers at the server's local handshake";
  }
  return handshake;
}

static int begin_asking(int handshake, const struct handshake_hello *hello, const char **why) {
  int error = check_server(handshake, why);
  return error != 0 ? error : say_hello(handshake, hello, why);
}

static int take_answer(int handshake, struct handshake_answer *answer, int *descriptors,
                       const char **why) {
  for (int i = 0; i < HANDSHAKE_DESCRIPTORS; i++) {
    descriptors[i] = -1;
  }
  int error = hear_answer(handshake, answer, descriptors, why);
  return error != 0 ? error : check_answer(answer, why);
}

int rings_ask(int handshake, const struct handshake_hello *hello, uint64_t deadline_ns,
              struct handshake_answer *answer, int *descriptors, const char **why) {
  int error = begin_asking(handshake, hello, why);
  for (int i = 0; i < HANDSHAKE_DESCRIPTORS; i++) {
    descriptors[i] = -1;
  }
  while (error == 0 && descriptor_wait(handshake, POLLIN, deadline_ns) == 0) {
    if (clock_now_ns() >= deadline_ns) {
      error = refuse(why, "the server did not answer at the local handshake in time", ETIMEDOUT);
    }
  }
  error = error != 0 ? error : take_answer(handshake, answer, descriptors, why);
  return error == STEP_WAITS ? EPROTO : error; /* the socket was readable */
}

void rings_close_descriptors(const int *descriptors) {
  for (int i = 0; i < HANDSHAKE_DESCRIPTORS; i++) {
    if (descriptors[i] >= 0) {
      close(descriptors[i]);
    }
  }
}

int rings_begin(int handshake, enum sp_transport framing, enum sp_protocol own, const char **why) {
  const struct handshake_hello hello = {
      .magic = HANDSHAKE_MAGIC, .protocol = (uint32_t)own, .framing = (uint32_t)framing};
  return begin_asking(handshake, &hello, why);
}

int rings_step(int handshake, enum sp_protocol own, struct rings **made, const char **why) {
  struct handshake_answer answer;
  struct rings *rings = NULL;
  int descriptors[HANDSHAKE_DESCRIPTORS];
  int error = take_answer(handshake, &answer, descriptors, why);
  if (error == 0 && descriptors[HANDSHAKE_DOORBELL] < 0) {
    error = refuse(why, "this process may not have more descriptors", EMFILE);
  } else if (error == 0) {
    rings = map_rings(descriptors[HANDSHAKE_MEMORY], answer.ring_bytes, why);
    error = rings == NULL ? errno : 0;
  }
  if (rings != NULL) {
    rings->is_one_way = own == SP_PUSH;
    rings->doorbell = descriptors[HANDSHAKE_DOORBELL];
    descriptors[HANDSHAKE_DOORBELL] = -1;
    *made = rings;
  }
  rings_close_descriptors(descriptors);
  return error;
}

void rings_free(struct rings *rings) {
  munmap(rings->segment, rings->segment_bytes);
  close(rings->doorbell);
  free(rings);
}
