/* Clients on this machine: their calls come and go through rings in shared memory.
 *
 * layer   transport: called by server
 * threads one of its own serves all of them: it goes round the busy ones while there is traffic,
 *         and for some microseconds after it; then it sleeps in epoll. rings_* belong to the main
 *         thread.
 * source  ../../proto/segment_layout.h, ../../proto/door.h
 *
 * A life: rings_new, rings_start, rings_listen for each ipc address, rings_stop_accepting, rings_stop
 * when all connections have ended, rings_free.
 */
#ifndef HF_TRANSPORT_RINGS_H
#define HF_TRANSPORT_RINGS_H

#include "server/transport/transport.h"

#define RINGS_PATH_BYTES_MAX 108 /* as in struct sockaddr_un */

struct rings;

/* Where segments of cells come from. */
struct segment_lender {
  void *ctx;
  /* A descriptor, the caller's, and its size; -1: none has that id. NULL: there are none. */
  int (*lend)(void *ctx, uint64_t segment, size_t *bytes);
};

/* lender is copied. NULL: out of memory. */
struct rings *rings_new(const struct segment_lender *lender);
/* Starts the thread; acceptor is borrowed. false: out of memory. */
bool rings_start(struct rings *rings, const struct transport_acceptor *acceptor);
/* Opens a door beside the ipc socket of that path, which is ours and bound. Without a door, which
 * is logged, clients use the socket.
 * out  door_path  set on true */
bool rings_listen(struct rings *rings, const char *ipc_path, char door_path[RINGS_PATH_BYTES_MAX]);
/* No client is let in any more; the doors are removed. To be called before the ipc sockets go, so
 * that the next server finds both or neither. */
void rings_stop_accepting(struct rings *rings);
/* Ends the thread. */
void rings_stop(struct rings *rings);
void rings_free(struct rings *rings);

#endif
