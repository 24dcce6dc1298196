/* One address that is listened on.
 *
 * layer   net, internal
 * threads open, stop and free belong to the main thread; accepting runs on nng's
 */
#ifndef HF_NET_LISTENER_H
#define HF_NET_LISTENER_H

#include "server/net/net.h"
#include "server/net/table.h"

struct listener;

/* out  listener  given; set only on NET_OK */
enum net_result listener_open(struct table *table, const char *url,
                              char bound_url[NET_URL_BYTES_MAX], struct listener **listener);
/* No connection is accepted after it returns; an ipc socket is removed. */
void listener_stop(struct listener *listener);
void listener_free(struct listener *listener);

#endif
