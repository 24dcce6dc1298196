/* The network: listeners, connections, and the way replies leave.
 *
 * layer   net, the only code that includes nng: called by server, calls dispatch
 * threads nng's few task threads run everything here, and never block; net_* belong to the main
 *         thread
 * source  ../../proto/PROTOCOL.md: the scalability protocols are spoken on nng's stream layer, not
 *         through its sockets
 *
 * A life: net_new, dispatch_start with net_sink, net_listen for each address, net_stop_accepting,
 * dispatch_drain, net_close, dispatch_stop, net_free.
 */
#ifndef HF_NET_NET_H
#define HF_NET_NET_H

#include "server/dispatch/dispatch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_URL_BYTES_MAX 160

struct net;

enum net_result {
  NET_OK,
  NET_BAD_ADDRESS,   /* not a tcp or ipc address, or a host nobody knows */
  NET_IN_USE,        /* another server answers there */
  NET_NOT_ALLOWED,   /* the system refuses: permissions, a privileged port */
  NET_NOT_A_SOCKET,  /* ipc: something else has that path */
  NET_NO_DIRECTORY,  /* ipc: the directory does not exist */
  NET_PATH_TOO_LONG, /* ipc: no socket can have that path; logged */
  NET_LOCKED,        /* ipc: another process keeps the directory locked; logged */
  NET_FAILED,        /* anything else; logged */
};

/* connections_max: further ones are closed at once; lowered, and logged, when the process may not
 * open that many descriptors. NULL: out of memory. */
struct net *net_new(uint32_t connections_max);
/* Borrowed; valid until net_free. */
const struct dispatch_sink *net_sink(struct net *net);
/* Binds and starts to accept.
 * out  bound_url  the address really bound, with the port the system chose */
enum net_result net_listen(struct net *net, struct dispatch *dispatch, const char *url,
                           char bound_url[NET_URL_BYTES_MAX]);
/* What to tell the user; static. */
const char *net_result_sentence(enum net_result result);
void net_stop_accepting(struct net *net);
/* Sends what is unsent for at most flush_ms, closes every connection and waits until the last
 * callback has ended. Removes ipc sockets. */
void net_close(struct net *net, uint32_t flush_ms);
/* After net_close, or when nothing listens. Also ends nng in this process. */
void net_free(struct net *net);

#endif
