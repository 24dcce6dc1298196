/* How dispatch is notified by the journal; without the engine's lock.
 *
 * layer   journal: declared here, implemented by server
 */
#ifndef HF_JOURNAL_HOST_H
#define HF_JOURNAL_HOST_H

#include "proto/sp.h"
#include "server/engine/reply.h"

struct cell_host;

struct journal_host {
  void *ctx;
  void (*committed)(void *ctx, uint64_t through);
  /* Whether `committed` does hardly anything. */
  bool (*is_awaited)(void *ctx);
  /* Nothing can be made durable any more: ends the process. */
  void (*lost)(void *ctx, const char *sentence);
  /* A reply of shape REPLY_BACKUP is a part of one now, or a failure; it is given. */
  void (*deliver)(void *ctx, uint64_t connection, const struct sp_route *route,
                  struct reply *reply);
  /* The disk has become full, or has room again. */
  void (*disk)(void *ctx, bool is_full);
  /* From now on what this thread does is what replay does, until it is not: an allocation that fails would
   * make another state. Under the engine's lock. */
  void (*guard)(void *ctx, bool is_on);
  const struct cell_host *cells; /* borrowed; NULL: there is no shared memory */
};

#endif
