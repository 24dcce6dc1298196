/* The thread that commits batches, brings them to the disk in intervals, watches the disk's room, and makes the
 * steps of snapshots.
 *
 *   double_buffer.h --take--> committer --append--> backend --committed--> releaser.h --> the host
 *
 * A batch that finds the disk full is tried again until there is room, and what a snapshot makes obsolete is removed
 * meanwhile; anything else that goes wrong is the end.
 *
 * While the thread waits, another one that would only wait for its commit is the leader: it commits the batch, and
 * says so, itself (committer_lead).
 *
 * layer   journal
 * threads its own, and the releaser's; fits: the appender; lead, lose and report: any
 * locks   none of its own
 * limits  JOURNAL_RESERVE_BYTES of the disk are left for what frees memory, behind all that waits: below, COMMAND_DISK
 */
#ifndef HF_JOURNAL_COMMITTER_H
#define HF_JOURNAL_COMMITTER_H

#include "server/journal/backend.h"
#include "server/journal/double_buffer.h"
#include "server/journal/host.h"
#include "server/journal/releaser.h"
#include "server/journal/settings.h"
#include "server/journal/snapshots.h"

#include <stdatomic.h>

#define JOURNAL_RESERVE_BYTES ((uint64_t)16 << 20)
#define COMMITTER_SENTENCE_BYTES 768

struct committer {
  /* The caller's, borrowed. */
  const char *directory;
  struct fsync_setting fsync;
  struct journal_backend *backend;
  struct double_buffer *batches;
  struct snapshots *snapshots;

  const struct journal_host *host; /* borrowed */
  struct releaser releaser;
  pthread_t thread;
  /* The thread's, or the leader's. */
  bool is_led;
  uint64_t
      measure_ns; /* when the journal's files are to be looked at; 0: nothing was written since */
  bool is_disk_known;
  uint64_t full_until_ns; /* at least */
  enum journal_loss loss;
  bool has_lost;
  char sentence[COMMITTER_SENTENCE_BYTES];
  /* Written by these only. */
  _Atomic uint64_t committed;   /* the last batch */
  _Atomic uint64_t bytes;       /* of all parts of the journal, about */
  _Atomic uint64_t unsynced_ns; /* since when something is not on the disk; 0: all is */
  _Atomic uint64_t free_bytes;  /* of the disk, when it was looked at last */
  atomic_bool is_full;          /* the host was notified */
  atomic_bool is_short;         /* something did not fit, and the host is to be notified */
};

/* Of one that has what is the caller's, and the backend's last batch. The backend's sink is the committer then. */
void committer_init(struct committer *committer);
/* false: no thread. */
bool committer_start(struct committer *committer, const struct journal_host *host);
/* When all batches are committed and released; on a full disk it does not wait for room. */
void committer_stop(struct committer *committer);
/* For double_buffer_lead: commits what was appended, unless the thread has something to do. */
void committer_lead(struct committer *committer);
/* By the appender, pinned: whether so much more can be written, with all that waits, without the reserve. If not, the
 * disk is full at once, for a second at least: the host is notified as well. */
bool committer_fits(struct committer *committer, size_t bytes);
/* Nothing can be made durable any more. */
void committer_lose(struct committer *committer, const char *sentence);
/* What the thread knows of it: looks at nothing on the disk. */
void committer_report(const struct committer *committer, struct reply_journal *state);

#endif
