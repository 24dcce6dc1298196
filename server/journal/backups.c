#include "server/journal/backups.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "server/journal/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define IDLE_NS (BACKUP_IDLE_MS * CLOCK_NS_PER_MS)
#define FIRST_MS 1000 /* until a client is answered that there is nothing yet */
#define NEXT_MS 20    /* until a part is sent that is not full */

static const char busy[] = "another backup is being made; try again when it is done";
static const char lost[] = "the server has given this backup up; begin again";
static const char failed[] = "the backup could not be made; the server's log says why";

/* ---- the process */

static void end_process(struct backups *backups) {
  if (backups->in >= 0) {
    close(backups->in); /* which ends it, if it still writes */
    backups->in = -1;
  }
  if (backups->process > 0 && child_await(&backups->process, &backups->mutex) != 0) {
    backups->has_failed = true;
  }
}

static bool begin(struct backups *backups, uint64_t backup) {
  char *arguments[] = {(char *)backups->program, (char *)"--backup-stream",
                       (char *)backups->directory, NULL};
  end_process(backups);
  backups->backup = backup;
  backups->offset = backups->part_bytes = 0;
  backups->is_at_end = false;
  pthread_mutex_lock(&backups->mutex);
  backups->in =
      backups->is_stopping ? -1 : child_start(arguments, CHILD_ERRORS_SERVER, &backups->process);
  int error = errno;
  pthread_mutex_unlock(&backups->mutex);
  backups->has_failed = backups->in < 0;
  if (backups->has_failed) {
    log_line(LOG_ERROR, "can't start the process that makes a backup reason=\"%s\"",
             strerror(error));
  }
  return !backups->has_failed;
}

/* Whether the process has written something, or has ended, within that time. */
static bool await_bytes(const struct backups *backups, int ms) {
  struct pollfd in = {.fd = backups->in, .events = POLLIN};
  return poll(&in, 1, ms) > 0;
}

/* The part behind the last one: empty if there is none yet. */
static void read_part(struct backups *backups) {
  size_t len = 0;
  ssize_t got = 1;
  while (got > 0 && len < BACKUP_PART_BYTES &&
         await_bytes(backups, len == 0 ? FIRST_MS : NEXT_MS)) {
    got = read(backups->in, backups->part + len, BACKUP_PART_BYTES - len);
    len += got > 0 ? (size_t)got : 0;
  }
  backups->offset += backups->part_bytes;
  backups->part_bytes = len;
  if (got <= 0 && len == 0) {
    end_process(backups);
    backups->is_at_end = true;
  }
}

/* ---- requests */

/* Whether its client still fetches it. */
static bool is_active(const struct backups *backups) {
  return backups->in >= 0 && clock_now_ns() - backups->asked_ns < IDLE_NS;
}

/* NULL: the part is there. */
static const char *find_part(struct backups *backups, uint64_t backup, uint64_t offset) {
  if (backup == 0 || (backup != backups->backup && offset != 0)) {
    return lost;
  }
  if (backup != backups->backup && is_active(backups)) {
    return busy;
  }
  if (backup != backups->backup && !begin(backups, backup)) {
    return failed;
  }
  backups->asked_ns = clock_now_ns();
  if (backups->in >= 0 && offset == backups->offset + backups->part_bytes) {
    read_part(backups);
  }
  if (backups->has_failed) {
    return failed;
  }
  return offset == backups->offset ? NULL : lost;
}

static bool fill(struct reply *reply, const struct backups *backups) {
  struct value content;
  if (backups->is_at_end) {
    reply->shape = REPLY_NOTHING;
    return true;
  }
  if (!value_bytes(bytes_of(backups->part, backups->part_bytes), &content)) {
    return false;
  }
  reply->shape = REPLY_PAYLOAD;
  reply->value = content;
  return true;
}

static void answer(struct backups *backups, const struct backup_asked *asked) {
  struct reply *reply = asked->reply;
  struct value sentence;
  const char *why = find_part(backups, reply->backup, reply->backup_offset);
  if (why) {
    reply_fail(reply, HF_REASON_BACKUP_FAILED, false);
    if (value_text(bytes_of_text(why), &sentence)) {
      reply->sentence = sentence;
    }
  } else if (!fill(reply, backups)) {
    reply_fail(reply, HF_REASON_NO_MEMORY, false);
  }
  backups->deliver(backups->ctx, asked);
}

/* ---- the thread */

static struct timespec idle_deadline(void) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += BACKUP_IDLE_MS / 1000;
  return until;
}

/* With the mutex. A process that nobody reads from keeps the journal from getting shorter. */
static void await_request(struct backups *backups) {
  struct timespec until = idle_deadline();
  if (backups->in < 0) {
    pthread_cond_wait(&backups->changed, &backups->mutex);
    return;
  }
  pthread_cond_timedwait(&backups->changed, &backups->mutex, &until);
  if (backups->asked_count == 0 && !backups->is_stopping && !is_active(backups)) {
    pthread_mutex_unlock(&backups->mutex);
    log_line(LOG_WARN, "a backup is given up reason=\"its client has stopped fetching it\"");
    end_process(backups);
    backups->backup = 0;
    pthread_mutex_lock(&backups->mutex);
  }
}

static void *run(void *arg) {
  struct backups *backups = arg;
  pthread_mutex_lock(&backups->mutex);
  while (!backups->is_stopping) {
    if (backups->asked_count == 0) {
      await_request(backups);
      continue;
    }
    struct backup_asked asked = backups->asked[0];
    memmove(backups->asked, backups->asked + 1, --backups->asked_count * sizeof asked);
    pthread_mutex_unlock(&backups->mutex);
    answer(backups, &asked);
    pthread_mutex_lock(&backups->mutex);
  }
  pthread_mutex_unlock(&backups->mutex);
  end_process(backups);
  return NULL;
}

bool backups_start(struct backups *backups, const char *program, const char *directory,
                   void (*deliver)(void *ctx, const struct backup_asked *asked), void *ctx) {
  pthread_condattr_t monotonic;
  *backups = (struct backups){
      .program = program, .directory = directory, .deliver = deliver, .ctx = ctx, .in = -1};
  backups->part = malloc(BACKUP_PART_BYTES);
  if (!backups->part) {
    return false;
  }
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&backups->mutex, NULL);
  pthread_cond_init(&backups->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  if (pthread_create(&backups->thread, NULL, run, backups) == 0) {
    return true;
  }
  pthread_cond_destroy(&backups->changed);
  pthread_mutex_destroy(&backups->mutex);
  free(backups->part);
  return false;
}

void backups_ask(struct backups *backups, const struct backup_asked *asked) {
  pthread_mutex_lock(&backups->mutex);
  bool has_room = backups->asked_count < BACKUP_ASKED_MAX && !backups->is_stopping;
  if (has_room) {
    backups->asked[backups->asked_count++] = *asked;
    pthread_cond_signal(&backups->changed);
  }
  pthread_mutex_unlock(&backups->mutex);
  if (!has_room) {
    reply_fail(asked->reply, HF_REASON_BACKUP_FAILED, false);
    backups->deliver(backups->ctx, asked);
  }
}

void backups_stop(struct backups *backups) {
  pthread_mutex_lock(&backups->mutex);
  backups->is_stopping = true;
  if (backups->process > 0) {
    kill(backups->process, SIGKILL);
  }
  pthread_cond_signal(&backups->changed);
  pthread_mutex_unlock(&backups->mutex);
  pthread_join(backups->thread, NULL);
  for (size_t i = 0; i < backups->asked_count; i++) {
    reply_release(backups->asked[i].reply);
  }
  pthread_cond_destroy(&backups->changed);
  pthread_mutex_destroy(&backups->mutex);
  free(backups->part);
}
