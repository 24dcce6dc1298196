/* Backups that clients fetch, part by part, of a process that writes them: holdfastd --backup-stream.
 *
 *   dispatch --backups_ask(reply)--> thread: the next part, out of the process's pipe --deliver--> the client
 *
 * The process waits while its pipe is full. The last part is kept, for a client that asks again. One at a time: a
 * second client is refused until the first has everything, or has not asked for BACKUP_IDLE_MS.
 *
 * layer   journal
 * threads ask: any; deliver is called by the thread, without a lock
 * limits  BACKUP_PART_BYTES of memory; BACKUP_ASKED_MAX requests wait
 */
#ifndef HF_JOURNAL_BACKUPS_H
#define HF_JOURNAL_BACKUPS_H

#include "proto/sp.h"
#include "server/engine/reply.h"

#include <pthread.h>
#include <sys/types.h>

#define BACKUP_PART_BYTES ((size_t)1 << 20)
#define BACKUP_ASKED_MAX 16
#define BACKUP_IDLE_MS 30000

/* A reply of shape REPLY_BACKUP, which becomes the part that it names, or a failure. */
struct backup_asked {
  uint64_t connection;
  struct sp_route route;
  struct reply *reply; /* one count */
};

struct backups {
  const char *program, *directory; /* borrowed */
  void (*deliver)(void *ctx, const struct backup_asked *asked);
  void *ctx;
  pthread_t thread;
  /* The thread's. */
  uint64_t backup;   /* its client's number; 0: none */
  uint64_t offset;   /* of the part */
  uint8_t *part;     /* malloc */
  size_t part_bytes; /* 0: none yet, or the end */
  bool is_at_end;    /* the process has said that all is well, unless has_failed */
  int in;            /* the pipe; -1: all was read */
  bool has_failed;
  uint64_t asked_ns; /* when it was asked for last */

  pthread_mutex_t mutex; /* of everything below */
  pthread_cond_t changed;
  struct backup_asked asked[BACKUP_ASKED_MAX];
  size_t asked_count;
  pid_t process; /* 0: none */
  bool is_stopping;
};

/* false: no thread. */
bool backups_start(struct backups *backups, const char *program, const char *directory,
                   void (*deliver)(void *ctx, const struct backup_asked *asked), void *ctx);
void backups_ask(struct backups *backups, const struct backup_asked *asked);
/* Kills the process, if there is one; what was asked for is dropped. */
void backups_stop(struct backups *backups);

#endif
