/* The journal of a server with --data: opened before it listens, loaded while clients are answered LOADING.
 *
 * layer   server
 * threads one
 */
#ifndef HF_SERVER_DURABILITY_H
#define HF_SERVER_DURABILITY_H

#include "server/config/settings.h"
#include "server/connection/connections.h"
#include "server/journal/data_directory.h"
#include "server/journal/journal.h"

struct durability {
  struct data_lock lock; /* of the directory; -1: the state is in memory only */
  struct journal *journal;
  struct cell_tape cells; /* the engine's */
  struct dispatch *dispatch;
};

/* Locks the directory, if there is one. false: it was logged why not. */
bool durability_lock(struct durability *durability, const struct settings *settings);
static inline bool durability_is_on(const struct durability *durability) {
  return durability->lock.file >= 0;
}
/* Loads the state into dispatch, which was started as loading, and closes all connections: their clients
 * come again. The cells are volatile ones; NULL: there is no shared memory. false: it was logged why not. */
bool durability_load(struct durability *durability, const struct settings *settings,
                     const struct cell_host *cells, struct dispatch *dispatch,
                     struct connections *connections, const struct users_settings *users);
/* The journal ends, after dispatch's threads and before dispatch is freed. */
void durability_stop(struct durability *durability);

#endif
