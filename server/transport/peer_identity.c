#include "server/transport/peer_identity.h"

#include "proto/base/log.h"
#include "proto/base/uid_map.h"
#include "server/transport/address.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define V4_MAPPED_BYTES 12 /* before an IPv4 address within an IPv6 one */

struct question {
  struct nlmsghdr header;
  struct inet_diag_req_v2 request;
};

struct answer {
  struct nlmsghdr header;
  union {
    struct inet_diag_msg socket;
    struct nlmsgerr error;
  };
};

/* ---------------------------------------------------------------------------------- loopback */

/* Both ends of a connection have the same family. false: none that has loopback. */
static bool name_socket(const nng_sockaddr *peer, const nng_sockaddr *own,
                        struct inet_diag_req_v2 *request) {
  struct inet_diag_sockid *id = &request->id;
  *id = (struct inet_diag_sockid){.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}};
  if (peer->s_family == NNG_AF_INET && own->s_family == NNG_AF_INET) {
    request->sdiag_family = AF_INET;
    id->idiag_sport = peer->s_in.sa_port, id->idiag_dport = own->s_in.sa_port;
    id->idiag_src[0] = peer->s_in.sa_addr, id->idiag_dst[0] = own->s_in.sa_addr;
    return true;
  }
  if (peer->s_family != NNG_AF_INET6 || own->s_family != NNG_AF_INET6) {
    return false;
  }
  static const uint8_t mapped[V4_MAPPED_BYTES] = {[10] = 0xff, [11] = 0xff};
  bool is_v4 = memcmp(peer->s_in6.sa_addr, mapped, sizeof mapped) == 0;
  size_t skipped = is_v4 ? V4_MAPPED_BYTES : 0;
  request->sdiag_family = is_v4 ? AF_INET : AF_INET6;
  id->idiag_sport = peer->s_in6.sa_port, id->idiag_dport = own->s_in6.sa_port;
  memcpy(id->idiag_src, peer->s_in6.sa_addr + skipped, sizeof peer->s_in6.sa_addr - skipped);
  memcpy(id->idiag_dst, own->s_in6.sa_addr + skipped, sizeof own->s_in6.sa_addr - skipped);
  return true;
}

/* Asks for exactly that socket. false: errno says why there is no answer, which may be that there is
 * no such socket (ENOENT). */
static bool ask(int netlink, const struct inet_diag_req_v2 *request, struct answer *answer) {
  struct question question = {
      .header = {.nlmsg_len = sizeof question,
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST},
      .request = *request,
  };
  if (send(netlink, &question, sizeof question, MSG_DONTWAIT) != (ssize_t)sizeof question) {
    return false;
  }
  ssize_t len = recv(netlink, answer, sizeof *answer, MSG_DONTWAIT);
  if (len < 0) {
    return false;
  }
  size_t head = NLMSG_HDRLEN;
  if (answer->header.nlmsg_type == NLMSG_ERROR && (size_t)len >= head + sizeof(int)) {
    errno = -answer->error.error;
    return false;
  }
  errno = EPROTO;
  return answer->header.nlmsg_type == SOCK_DIAG_BY_FAMILY &&
         (size_t)len >= head + sizeof answer->socket;
}

static void log_once(const char *reason) {
  static atomic_flag is_logged = ATOMIC_FLAG_INIT;
  if (!atomic_flag_test_and_set(&is_logged)) {
    log_line(LOG_WARN, "can't ask who connects over loopback: nobody is known reason=\"%s\"",
             reason);
  }
}

static bool find_uid(const nng_sockaddr *peer, const nng_sockaddr *own, uid_t *uid) {
  struct inet_diag_req_v2 request = {.sdiag_protocol = IPPROTO_TCP,
                                     .idiag_states = 1u << TCP_ESTABLISHED};
  struct answer answer = {0};
  if (!name_socket(peer, own, &request)) {
    return false;
  }
  int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  bool found = netlink >= 0 && ask(netlink, &request, &answer);
  if (!found && errno != ENOENT) {
    log_once(strerror(errno));
  }
  if (netlink >= 0) {
    close(netlink);
  }
  *uid = answer.socket.idiag_uid;
  return found && answer.socket.idiag_state == TCP_ESTABLISHED && answer.socket.idiag_inode != 0;
}

/* ------------------------------------------------------------------------------------- peer */

/* Whether it is still connected to that peer: if it was reset before the question, its port may have been
 * another socket's by then. */
static bool has_still(nng_stream *stream, const nng_sockaddr *peer, const nng_sockaddr *own) {
  struct inet_diag_req_v2 was = {0}, is = {0};
  nng_sockaddr now;
  return nng_stream_get_addr(stream, NNG_OPT_REMADDR, &now) == 0 && name_socket(peer, own, &was) &&
         name_socket(&now, own, &is) && memcmp(&was, &is, sizeof was) == 0;
}

static bool find_uid_of(nng_stream *stream, uid_t *uid) {
  nng_sockaddr peer, own;
  uint64_t number;
  if (nng_stream_get_uint64(stream, NNG_OPT_IPC_PEER_UID, &number) == 0) {
    *uid = (uid_t)number;
    return true;
  }
  return nng_stream_get_addr(stream, NNG_OPT_REMADDR, &peer) == 0 &&
         nng_stream_get_addr(stream, NNG_OPT_LOCADDR, &own) == 0 &&
         address_of(&peer) == ADDRESS_LOOPBACK && find_uid(&peer, &own, uid) &&
         has_still(stream, &peer, &own);
}

struct identity peer_identity(nng_stream *stream) {
  struct identity identity = {.kind = IDENTITY_NONE};
  uid_t uid;
  if (find_uid_of(stream, &uid) && uid_map_is_one(uid)) {
    identity.kind = IDENTITY_UID;
    identity.uid = uid;
  }
  return identity;
}
