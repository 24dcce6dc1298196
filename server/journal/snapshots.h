/* When snapshots are made, and what becomes obsolete by them.
 *
 *   the journal has grown enough, or one was asked for
 *     --> the backend is cut --> compactor --> the parts and snapshots before the new one are removed
 *
 * Enough is half of the last snapshot, so that snapshots are at most two thirds of what is ever written, and
 * SNAPSHOT_BYTES_MIN, so that a small state is not written all the time: that much is replayed in about a second.
 * On a full disk SNAPSHOT_BYTES_FULL are enough, as long as there is room to try: of what was deleted, or written
 * over, the journal still has the commands.
 *
 * While a backup reads the directory nothing is removed, but snapshots are made as they are due, so that a start
 * does not have to replay more. A backup that takes KEPT_LOG_MS is logged, again and again.
 *
 * layer   journal
 * threads step: the journal's, which has the backend; request, state and end: any
 */
#ifndef HF_JOURNAL_SNAPSHOTS_H
#define HF_JOURNAL_SNAPSHOTS_H

#include "server/journal/backend.h"
#include "server/journal/compactor.h"

#include <stdatomic.h>

#define SNAPSHOT_BYTES_MIN ((uint64_t)64 << 20)
#define SNAPSHOT_BYTES_FULL ((uint64_t)1 << 20)
/* After one that failed, doubled each time, up to an hour. */
#define SNAPSHOT_RETRY_MS 10000
#define SNAPSHOT_RETRY_MS_MAX 3600000
#define KEPT_LOG_MS 60000
/* The process needs as much memory as this one, and some more while it reads and writes. */
#define SNAPSHOT_MEMORY_PERCENT 150

struct snapshots {
  const char *directory; /* borrowed */
  uint64_t bytes_min;
  struct compactor compactor;
  void (*wake)(void *ctx); /* a step is due */
  void *ctx;
  /* The thread's. */
  uint64_t retry_ns;              /* not before then, unless asked for */
  uint32_t failures;              /* one after the other */
  uint64_t short_of_memory_ns;    /* when it was logged last; 0: never */
  uint64_t began_ns, began_bytes; /* of the one that is made, or was: the journal then */
  bool is_full;                   /* the disk, at the last step */
  bool has_obsolete;              /* to be removed, as soon as no backup reads it */
  uint64_t kept_ns,
      kept_log_ns; /* since when a backup reads it; when that is to be logged. 0: none does */
  _Atomic uint64_t obsolete_bytes; /* of the journal, about */
  /* Of any. */
  _Atomic uint64_t index, bytes; /* of the newest one; 0: none */
  _Atomic int64_t made_s;        /* the same: when it was made, by the clock of the day */
  _Atomic uint64_t ended;        /* what the compactor answered */
  atomic_bool is_requested, is_running, has_ended;
};

/* Removes what servers left unfinished. index: the newest one there is; 0: none. wake is called from another thread. false: no thread. */
bool snapshots_start(struct snapshots *snapshots, const char *program, const char *directory,
                     uint64_t bytes_min, uint64_t index, void (*wake)(void *ctx), void *ctx);
/* One is made as soon as it can be, whatever there is of memory. */
void snapshots_request(struct snapshots *snapshots);
struct snapshots_journal {
  uint64_t bytes;     /* of all its parts, about */
  uint64_t committed; /* its last batch */
  bool is_disk_full;
};
/* Begins one if it is due, or brings one to its end. Answers whether parts were removed. The backend says what goes
 * wrong with it. */
bool snapshots_step(struct snapshots *snapshots, struct journal_backend *backend,
                    const struct snapshots_journal *journal);
/* Whether a step would do something, or one is being made. */
bool snapshots_are_wanted(const struct snapshots *snapshots, uint64_t journal_bytes);
/* While one is made the journal has grown by as much again as made it due: what is written is to wait for it. */
bool snapshots_is_behind(const struct snapshots *snapshots, uint64_t journal_bytes);
/* Whether one was asked for or is being made. When none is, the newest is what came of it. */
bool snapshots_are_under_way(const struct snapshots *snapshots);
/* Milliseconds since the newest one was made; UINT64_MAX: there is none. */
uint64_t snapshots_age_ms(const struct snapshots *snapshots);
/* One that is being made is given up. */
void snapshots_stop(struct snapshots *snapshots);

#endif
