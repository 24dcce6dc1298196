/* Who the peer of a socket is: the uid of a process of this machine, or nobody.
 *
 * layer   transport, internal
 * threads any; asks the kernel, never blocks
 *
 *   ipc                the uid that connected (SO_PEERCRED)
 *   tcp over loopback  the uid of the socket at the other end, by NETLINK_SOCK_DIAG: only while that is
 *                      connected and a process has it, because an orphan has uid 0 for some kernels, and
 *                      if this end is still connected to it after the question
 *   any other          nobody, and so is a uid that stands for others (proto/base/uid_map.h)
 *
 * A published port of a container is another host's, for its server: the peer's address is not
 * loopback. A proxy on loopback counts as its own uid, for all its clients: behind one of root's or of the
 * server's uid, such as `kubectl port-forward` of a node or an sshd's forwarding, everybody is the owner,
 * with all rights.
 */
#ifndef HF_TRANSPORT_PEER_IDENTITY_H
#define HF_TRANSPORT_PEER_IDENTITY_H

#include "server/users/identity.h"

#include <nng/nng.h>

struct identity peer_identity(nng_stream *stream);

#endif
