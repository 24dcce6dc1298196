/* New settings for a server that runs: on SIGHUP, and when a file of its configuration has changed.
 *
 *   read again -- wrong --> logged; all stays as it was
 *        '------- right --> users, keys, certificates and the log's level change at once; peers that are
 *                           admitted no more are closed, and sessions of users that are gone end; what
 *                           needs a restart is logged
 *
 * Wrong is also what only a restart may do: to leave no [user NAME] while there are keys, and neither keys
 * nor a certificate to an encrypted address. Clients with certificates are verified again, over new
 * connections, when the file of the CA or of the CRL is another.
 *
 * layer   server
 * threads the main thread
 */
#ifndef HF_SERVER_RELOAD_H
#define HF_SERVER_RELOAD_H

#include "server/config/config.h"
#include "server/connection/connections.h"
#include "server/transport/tls_gate.h"

/* How often files are compared with what was read: Kubernetes swaps them and sends no signal. */
#define RELOAD_WATCH_MS 10000

struct reload {
  int argc;
  char **argv;
  struct config *started; /* what the server was started with; owned */
  struct config *config;  /* what holds; owned, or `started` */
  struct config *refused; /* what was read last, if that is wrong; owned. NULL: it holds */
  struct dispatch *dispatch;
  struct connections *connections;
  struct tls_gate *gate; /* NULL: no address is encrypted */
};

void reload_now(struct reload *reload);
void reload_if_changed(struct reload *reload);
void reload_deinit(struct reload *reload);

#endif
