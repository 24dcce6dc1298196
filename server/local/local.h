/* Clients on this machine: their calls come and go through rings in shared memory.
 *
 * layer   local: called by server, calls dispatch; beside net
 * threads one of its own serves all of them: it goes round the busy ones while there is traffic,
 *         and for some microseconds after it; then it sleeps in epoll. local_* belong to the main
 *         thread.
 * source  ../../proto/segment_layout.h, ../../proto/door.h
 *
 * A life: local_new, dispatch_start with local_sink, local_start, local_listen for each ipc
 * address, local_stop_accepting, dispatch_drain, local_close, dispatch_stop, local_free.
 */
#ifndef HF_LOCAL_LOCAL_H
#define HF_LOCAL_LOCAL_H

#include "server/dispatch/dispatch.h"

/* Connections of local have this bit in their number, others don't. */
#define LOCAL_CONNECTION (UINT64_C(1) << 63)

#define LOCAL_PATH_BYTES_MAX 108 /* as in struct sockaddr_un */

struct local;

/* Where segments of cells come from. */
struct segment_lender {
  void *ctx;
  /* A descriptor, the caller's, and its size; -1: none has that id. NULL: there are none. */
  int (*lend)(void *ctx, uint64_t segment, size_t *bytes);
};

/* lender is copied. NULL: out of memory. */
struct local *local_new(const struct segment_lender *lender);
/* Borrowed; valid until local_free. */
const struct dispatch_sink *local_sink(struct local *local);
/* Starts the thread. false: out of memory. */
bool local_start(struct local *local, struct dispatch *dispatch);
/* Opens a door beside the ipc socket of that path, which is ours and bound. Without a door, which
 * is logged, clients use the socket.
 * out  door_path  set on true */
bool local_listen(struct local *local, const char *ipc_path, char door_path[LOCAL_PATH_BYTES_MAX]);
/* No client is let in any more; the doors are removed. To be called before the ipc sockets go, so
 * that the next server finds both or neither. */
void local_stop_accepting(struct local *local);
/* Sends what is unsent for at most flush_ms, then ends every connection and the thread. */
void local_close(struct local *local, uint32_t flush_ms);
void local_free(struct local *local);

#endif
