/* Where commands go to be made durable: handed down by the journal, which is above.
 *
 *   apply --> append --> batch `index` is filled ... committed --> dispatch_committed(index)
 *     |                                                                  |
 *     '--> replies wait, each until its batch is committed ------------>'--> sent
 *
 * layer   dispatch: declared here, implemented by journal
 * threads begin to end: under the engine's lock, one at a time
 */
#ifndef HF_DISPATCH_COMMAND_LOG_H
#define HF_DISPATCH_COMMAND_LOG_H

#include "server/engine/command.h"
#include "server/engine/reply.h"

struct batch_delivery;

struct command_log {
  void *ctx;
  /* The engine was locked. Answers the number of the batch that all commands are in until `end`. */
  uint64_t (*begin)(void *ctx);
  /* A reply of the command that is appended next. Borrowed. */
  void (*reply)(void *ctx, uint64_t connection, const struct reply *reply);
  /* The command was applied, as number `index` of its own says. All that it borrows is copied. A request has
   * its body; a job is done, and not freed yet. Never fails: a log that can't go on ends the process. */
  void (*append)(void *ctx, const struct command *command);
  /* Between begin and end: whether a request of so many bytes fits on the disk, with all that waits. If not, the disk
   * is full from now on. */
  bool (*fits)(void *ctx, size_t bytes);
  /* The last command has only read: it is not appended, nor what it was answered. */
  void (*drop)(void *ctx);
  /* The engine is about to be unlocked: the batch may be committed. */
  void (*end)(void *ctx);
  /* More commands come at once: until all that began have ended, a log that is idle waits with its commit, so that
   * more are committed together. false: it does not begin, as some wait already. */
  bool (*begin_batching)(void *ctx);
  void (*end_batching)(void *ctx);
  /* By one that batches: commits on this thread what was appended, and says so, if the log is idle and no one else
   * batches. Waits for the disk. */
  void (*lead)(void *ctx);
  /* It commits all the same. */
  void (*hurry)(void *ctx);
  /* Back-pressure: hurries, and waits until the batch that is being filled is not too large, for so long at most.
   * Without the engine's lock. false: it still is. */
  bool (*await_room)(void *ctx, uint64_t wait_ns);
  /* A reply is lost although its command was carried out: ends the process, as a commit that fails does. */
  void (*give_up)(void *ctx, const char *sentence);
  /* A snapshot is to be made. Under the engine's lock. */
  void (*request_snapshot)(void *ctx);
  /* The reply, of shape REPLY_BACKUP, becomes a part of a backup, and is given to dispatch_deliver then. Without the
   * engine's lock; never waits. */
  void (*back_up)(void *ctx, const struct batch_delivery *delivery);
  /* How far the log is. Under the engine's lock. */
  void (*report)(void *ctx, struct reply_journal *journal);
};

#endif
