/* Two batches: one is filled under the engine's lock while the other is committed.
 *
 *   appender                                      committer
 *   pin .. begin, append .. unpin                 take ..... commit ..... take
 *            |                                      ^
 *            '---> filling --handed over--> ready --'
 *
 * Between pin and unpin the batch's number is given out, so that it stays. The committer takes a batch that is not
 * pinned and has commands; if it waits already, unpin hands the batch over, or, while appenders batch
 * (begin_batching), the last of these.
 *
 * Leader: an appender that batches, and commits the batch itself (lead) while the committer waits; so no thread has
 * to be woken. The committer does nothing until that is over.
 *
 * layer   journal
 * threads one appender at a time, one committer; who batches or leads: any
 * locks   its own mutex is the innermost, and never held over I/O or a call of another layer
 * memory  KEPT_BYTES_MAX of each batch are kept for the next one
 * limits  JOURNAL_BATCH_BYTES_MAX in the batch that is filled: requests wait beyond that
 */
#ifndef HF_JOURNAL_DOUBLE_BUFFER_H
#define HF_JOURNAL_DOUBLE_BUFFER_H

#include "server/journal/record_writer.h"

#include <pthread.h>
#include <stdatomic.h>

#define JOURNAL_BATCH_BYTES_MAX ((size_t)4 << 20)

struct double_buffer {
  struct batch_writer writers[2];
  /* Between pin and unpin the appender's; else whose the mutex is. */
  struct batch_writer *filling;
  uint64_t index; /* of that batch */
  bool is_begun;  /* it has its header */

  pthread_mutex_t mutex;             /* of everything below */
  pthread_cond_t changed, has_room;  /* for the committer; for appenders */
  struct batch_writer *ready;        /* to be committed */
  size_t filling_bytes;              /* at the last unpin */
  _Atomic size_t committing_bytes;   /* of what was handed over, until it is given back */
  bool has_waiting;                  /* commands, in `filling`; likewise */
  bool is_hurried;                   /* it does not wait for end_batching */
  bool is_pinned, is_idle, is_awake; /* is_idle: the committer waits */
  bool is_led, is_delayed;           /* is_delayed: the committer waits for the leader */
  bool is_stopping, is_broken;
  unsigned batching; /* threads that append more at once */
};

/* Its index is the caller's to set, before there are threads. */
void double_buffer_init(struct double_buffer *buffer);
void double_buffer_deinit(struct double_buffer *buffer);

/* ---- the appender */

void double_buffer_pin(struct double_buffer *buffer);
/* Pinned, or before there are threads. header->index is filled in. false: out of memory. */
bool double_buffer_begin(struct double_buffer *buffer, struct batch_header header);
void double_buffer_unpin(struct double_buffer *buffer);
/* Pinned: of both batches, as far as they are not given back. */
size_t double_buffer_bytes(const struct double_buffer *buffer);
/* More commands come at once: until all that began have ended, a committer that waits is not handed the batch.
 * Not pinned. false: it does not begin, as commands wait already; so no more than the present rounds are waited for. */
bool double_buffer_begin_batching(struct double_buffer *buffer);
void double_buffer_end_batching(struct double_buffer *buffer);
/* By one that batches, not pinned: takes the batch and leads. false: there is none, or the committer has something to
 * do, or others batch too. */
bool double_buffer_lead(struct double_buffer *buffer, struct batch_writer **batch);
/* The leader's batch is committed; left: or it is the committer's now, which commits it next. NULL: it is not. */
void double_buffer_end_lead(struct double_buffer *buffer, struct batch_writer *left);
/* The batch is handed over all the same, at the next unpin if it is pinned. */
void double_buffer_hurry(struct double_buffer *buffer);
/* Not pinned, and without the engine's lock: hurries, until there is room in the batch, or it is broken, for so long at
 * most. false: there is none. */
bool double_buffer_await_room(struct double_buffer *buffer, uint64_t wait_ns);

/* ---- the committer */

/* Waits for the next batch, until it is woken, or until deadline_ns: NULL then. false: there is no more, it is to end
 * or broken. */
bool double_buffer_take(struct double_buffer *buffer, uint64_t deadline_ns,
                        struct batch_writer **batch);
/* A batch that was taken is committed. */
void double_buffer_give_back(struct double_buffer *buffer, struct batch_writer *batch);
/* false: it is to end. */
bool double_buffer_pause_ms(struct double_buffer *buffer, uint64_t ms);
/* Whether there is nothing to be taken, nor will be without another pin. */
bool double_buffer_is_empty(struct double_buffer *buffer);

/* ---- any thread */

/* The number of the last batch that has commands. */
uint64_t double_buffer_last(struct double_buffer *buffer);
/* Makes a take return. */
void double_buffer_wake(struct double_buffer *buffer);
/* Takes answer false when all is taken. */
void double_buffer_stop(struct double_buffer *buffer);
/* Nothing is taken any more, and nobody waits for room. */
void double_buffer_break(struct double_buffer *buffer);
bool double_buffer_is_broken(struct double_buffer *buffer);

#endif
