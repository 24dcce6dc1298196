/* A dispatch with a journal in a directory of its own, as a server has them: real threads, real files. Replies
 * are noted when they leave.
 *
 * threads one calls
 */
#ifndef HF_TESTS_SUPPORT_DURABLE_H
#define HF_TESTS_SUPPORT_DURABLE_H

#include "server/dispatch/dispatch.h"
#include "server/engine/engine.h"
#include "server/journal/cell_tape.h"
#include "server/journal/journal.h"
#include "tests/support/directory.h"

#include <pthread.h>

struct durable {
  char directory[DIRECTORY_PATH_BYTES];
  struct dispatch *dispatch;
  struct journal *journal;
  struct cell_tape cells;
  bool is_crowded;            /* peers stand in line while it is started */
  struct recovered recovered; /* what there was when it was started */
  pthread_mutex_t mutex;      /* of everything below */
  pthread_cond_t replied;
  uint64_t replies;
  hf_reason reason; /* of the last reply */
  hf_status status;
  uint64_t flushed, failed;          /* as the last flush said */
  uint8_t session[HF_SESSION_BYTES]; /* of the last one that was opened */
  char lost[RECOVERY_ERROR_BYTES];   /* what the journal said when it could not go on */
};

/* A new directory, with no user but the owner, or with those. */
void durable_begin(struct durable *durable, const struct users_settings *users);
/* Stops it, and loads the state again, which is compared with the one that was there: the digests are the same.
 * Removes the directory. */
void durable_end(struct durable *durable);
/* The same, and starts again instead. */
void durable_restart(struct durable *durable, const struct users_settings *users);
void durable_connect(struct durable *durable, uint64_t connection, bool one_way, const char *user);
/* Sends it, and does not wait. */
void durable_send(struct durable *durable, uint64_t connection, Holdfast__Request *request);
void durable_send_bytes(struct durable *durable, uint64_t connection, struct bytes body);
/* Sends it, and waits for the reply. */
hf_reason durable_ask(struct durable *durable, uint64_t connection, Holdfast__Request *request);
/* Waits until so many replies have left. */
void durable_await(struct durable *durable, uint64_t replies);
/* What the journal has committed, in bytes on the disk and in batches. */
struct reply_journal durable_report(struct durable *durable);

#endif
