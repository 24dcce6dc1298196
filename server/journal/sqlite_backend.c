#include "server/journal/sqlite_backend.h"

#include "proto/base/clock.h"
#include "server/journal/acknowledged.h"
#include "server/journal/data_directory.h"
#include "server/journal/journal_part.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SENTENCE_BYTES 512
#define COMMITS 1000 /* whose times are kept */
#define CHECKPOINT_PAGES 1000

struct sqlite_backend {
  struct journal_backend base;
  char directory[PATH_MAX];
  struct part_settings settings;
  int checkpoint_pages;
  struct journal_part part;   /* that is appended to, if it is open */
  uint64_t last;              /* of that part */
  bool is_cut;                /* the next batch begins a new part */
  int acknowledged;           /* a descriptor; -1: not open */
  uint64_t acknowledged_last; /* of a replay: what the last server had acknowledged */
  bool is_lost;
  char sentence[SENTENCE_BYTES]; /* why */
  _Atomic uint64_t times_ns[COMMITS];
  _Atomic uint64_t commits;
};

static struct sqlite_backend *of(struct journal_backend *backend) {
  return (struct sqlite_backend *)backend;
}

/* ---- losses. Each answers false. */

static bool report(struct sqlite_backend *backend, enum journal_loss why) {
  backend->base.sink.lost(backend->base.sink.ctx, why, backend->sentence);
  return false;
}

/* For good: nothing is written any more. */
__attribute__((format(printf, 3, 4))) static bool lose(struct sqlite_backend *backend,
                                                       enum journal_loss why, const char *format,
                                                       ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(backend->sentence, sizeof backend->sentence, format, args);
  va_end(args);
  backend->is_lost = true;
  return report(backend, why);
}

static bool lose_part(struct sqlite_backend *backend, const struct journal_part *part,
                      enum part_result result, uint64_t index) {
  if (result == PART_FULL) {
    snprintf(backend->sentence, sizeof backend->sentence, "%s", part->why);
    return report(backend, JOURNAL_FULL);
  }
  if (result == PART_BROKEN && backend->acknowledged_last > index) {
    return lose(backend, JOURNAL_BROKEN, "%s (at batch %llu; %llu were acknowledged)", part->why,
                (unsigned long long)index, (unsigned long long)backend->acknowledged_last);
  }
  return lose(backend, result == PART_BROKEN ? JOURNAL_BROKEN : JOURNAL_UNAVAILABLE,
              "%s (at batch %llu)", part->why, (unsigned long long)index);
}

static bool list_parts(struct sqlite_backend *backend, struct data_files *parts) {
  return data_directory_list(backend->directory, PART_PREFIX, PART_SUFFIX, parts) ||
         lose(backend, JOURNAL_UNAVAILABLE, "%.400s: %s", backend->directory, strerror(errno));
}

/* ---- replay */

/* Hands on the rows that were read. next: the batch that has to come. */
static bool hand_on(struct sqlite_backend *backend, const struct journal_part *part,
                    const struct part_rows *rows, uint64_t *next) {
  for (size_t i = 0; i < rows->count; i++) {
    const struct part_row *row = &rows->rows[i];
    if (row->index != *next) {
      return lose(backend, JOURNAL_BROKEN,
                  PART_PREFIX "%llu" PART_SUFFIX ": batch %llu is missing: %llu is in its place",
                  (unsigned long long)part->first, (unsigned long long)*next,
                  (unsigned long long)row->index);
    }
    if (!backend->base.sink.record(backend->base.sink.ctx, row->index,
                                   bytes_of(rows->data + row->at, row->len))) {
      return false;
    }
    ++*next;
  }
  return true;
}

/* A server that begins has the directory for itself, but for a backup beside it. */
static enum part_result open_to_replay(const struct sqlite_backend *backend,
                                       struct part_settings *settings, uint64_t first,
                                       struct journal_part *part) {
  *settings = backend->settings;
  settings->is_exclusive = !settings->is_read_only;
  enum part_result result = part_open(part, settings, first);
  if (result == PART_BUSY && settings->is_exclusive) {
    settings->is_exclusive = false;
    result = part_open(part, settings, first);
  }
  return result;
}

static bool replay_part(struct sqlite_backend *backend, uint64_t first, uint64_t until,
                        struct part_rows *rows, uint64_t *next) {
  struct journal_part part;
  struct part_settings settings;
  enum part_result result = open_to_replay(backend, &settings, first, &part), moved = PART_OK;
  bool goes_on = true;
  while (result == PART_OK && goes_on) {
    result = part_read(&part, *next - 1, until, rows);
    goes_on = result == PART_OK && rows->count > 0 && hand_on(backend, &part, rows, next);
  }
  if (result == PART_OK && !settings.is_read_only) {
    moved = part_checkpoint(&part); /* closing would do so, and not say what fails */
  }
  part_close(&part);
  if (moved != PART_OK) { /* all was read: nothing is missing */
    return lose(backend, JOURNAL_UNAVAILABLE, "%s", part.why);
  }
  if (result != PART_OK) {
    return lose_part(backend, &part, result, *next);
  }
  return rows->count == 0;
}

static bool replay_parts(struct sqlite_backend *backend, const struct data_files *parts,
                         uint64_t *next) {
  size_t at = parts->count;
  while (at > 0 && parts->numbers[at - 1] > *next) {
    at--;
  }
  if (parts->count > 0 && at == 0) {
    return lose(backend, JOURNAL_BROKEN,
                "batch %llu is missing: the journal begins with " PART_PREFIX "%llu" PART_SUFFIX,
                (unsigned long long)*next, (unsigned long long)parts->numbers[0]);
  }
  struct part_rows *rows = calloc(1, sizeof *rows);
  if (!rows) {
    return lose(backend, JOURNAL_UNAVAILABLE, "there is not enough memory");
  }
  bool is_right = true;
  for (size_t i = at ? at - 1 : 0; i < parts->count && is_right; i++) {
    bool is_last = i + 1 == parts->count;
    uint64_t until = is_last ? UINT64_MAX : parts->numbers[i + 1];
    is_right = replay_part(backend, parts->numbers[i], until, rows, next);
    if (is_right && !is_last && *next != until) {
      is_right = lose(backend, JOURNAL_BROKEN,
                      PART_PREFIX "%llu" PART_SUFFIX ": batch %llu is missing: its end is lost",
                      (unsigned long long)parts->numbers[i], (unsigned long long)*next);
    }
  }
  free(rows->data);
  free(rows);
  return is_right;
}

static bool replay(struct journal_backend *base, uint64_t from) {
  struct sqlite_backend *backend = of(base);
  uint64_t next = from + 1, *least = &backend->acknowledged_last;
  bool is_known = acknowledged_read(backend->directory, least); /* first: a writer may go on */
  if (!is_known && errno != 0) {
    return lose(backend, JOURNAL_UNAVAILABLE,
                "%.400s/" ACKNOWLEDGED_FILE
                ": %s; the server's user has to be able to read and write it",
                backend->directory, strerror(errno));
  }
  struct data_files parts;
  if (!list_parts(backend, &parts)) {
    return false;
  }
  bool is_right = replay_parts(backend, &parts, &next);
  unsigned long long last = parts.count > 0 ? parts.numbers[parts.count - 1] : 0;
  free(parts.numbers);
  if (is_right && !is_known) {
    return lose(backend, JOURNAL_BROKEN,
                "%.400s/" ACKNOWLEDGED_FILE " is damaged: whether more was acknowledged is unknown",
                backend->directory);
  }
  if (is_right && next <= *least) {
    is_right = lose(backend, JOURNAL_BROKEN,
                    PART_PREFIX
                    "%llu" PART_SUFFIX
                    ": its end is lost: batches %llu to %llu were acknowledged and are missing",
                    last, (unsigned long long)next, (unsigned long long)*least);
  }
  return is_right;
}

bool sqlite_backend_last(struct journal_backend *base, uint64_t *last) {
  struct sqlite_backend *backend = of(base);
  struct data_files parts;
  *last = 0;
  if (!list_parts(backend, &parts)) {
    return false;
  }
  uint64_t first = parts.count > 0 ? parts.numbers[parts.count - 1] : 0;
  free(parts.numbers);
  if (first == 0) {
    return true;
  }
  struct journal_part part;
  enum part_result result = part_open(&part, &backend->settings, first);
  result = result == PART_OK ? part_last(&part, last) : result;
  part_close(&part);
  return result == PART_OK || lose_part(backend, &part, result, first);
}

/* ---- appending */

static bool create_part(struct sqlite_backend *backend, uint64_t index) {
  enum part_result result = part_create(&backend->part, &backend->settings, index);
  result = result == PART_OK ? part_open(&backend->part, &backend->settings, index) : result;
  if (result != PART_OK) {
    return lose_part(backend, &backend->part, result, index);
  }
  backend->last = index - 1;
  backend->is_cut = false;
  return true;
}

/* Goes on in the last part, if that ends before the batch. A snapshot may be of later batches than what the
 * kernel had written of the journal when the power went: then there is a new part. */
static bool continue_part(struct sqlite_backend *backend, uint64_t first, uint64_t index) {
  struct journal_part *part = &backend->part;
  enum part_result result = part_open(part, &backend->settings, first);
  result = result == PART_OK ? part_last(part, &backend->last) : result;
  if (result != PART_OK) {
    part_close(part);
    return lose_part(backend, part, result, index);
  }
  if (backend->last >= index) {
    part_close(part);
    return lose(backend, JOURNAL_BROKEN,
                PART_PREFIX "%llu" PART_SUFFIX ": batch %llu is there already",
                (unsigned long long)first, (unsigned long long)index);
  }
  if (first == index || (backend->last + 1 == index && !backend->is_cut)) {
    backend->is_cut = false;
    return true;
  }
  part_close(part);
  return create_part(backend, index);
}

static bool lose_acknowledged(struct sqlite_backend *backend) {
  if (data_directory_is_full(errno)) {
    snprintf(backend->sentence, sizeof backend->sentence, "%.400s/" ACKNOWLEDGED_FILE ": %s",
             backend->directory, strerror(errno));
    return report(backend, JOURNAL_FULL);
  }
  return lose(backend, JOURNAL_BROKEN, "%.400s/" ACKNOWLEDGED_FILE ": %s", backend->directory,
              strerror(errno));
}

static bool open_acknowledged(struct sqlite_backend *backend) {
  if (backend->acknowledged < 0) {
    backend->acknowledged = acknowledged_open(backend->directory);
  }
  return backend->acknowledged >= 0 || lose_acknowledged(backend);
}

static bool open_part(struct sqlite_backend *backend, uint64_t index) {
  struct data_files parts;
  if (!open_acknowledged(backend) || !list_parts(backend, &parts)) {
    return false;
  }
  uint64_t last = parts.count > 0 ? parts.numbers[parts.count - 1] : 0;
  free(parts.numbers);
  return last ? continue_part(backend, last, index) : create_part(backend, index);
}

static bool acknowledge(struct sqlite_backend *backend, uint64_t index) {
  return acknowledged_write(backend->acknowledged, index) || lose_acknowledged(backend);
}

static void keep_time(struct sqlite_backend *backend, uint64_t ns) {
  uint64_t commits = atomic_load_explicit(&backend->commits, memory_order_relaxed);
  atomic_store_explicit(&backend->times_ns[commits % COMMITS], ns, memory_order_relaxed);
  atomic_store_explicit(&backend->commits, commits + 1, memory_order_release);
}

static bool commit(struct sqlite_backend *backend, uint64_t index, struct bytes batch) {
  struct journal_part *part = &backend->part;
  if (!part->db && !open_part(backend, index)) {
    return false;
  }
  if (index != backend->last + 1) {
    return lose(backend, JOURNAL_BROKEN, "batch %llu came behind batch %llu",
                (unsigned long long)index, (unsigned long long)backend->last);
  }
  uint64_t start_ns = clock_now_ns();
  enum part_result result = part_append(part, index, batch);
  if (result != PART_OK) {
    return lose_part(backend, part, result, index);
  }
  keep_time(backend, clock_now_ns() - start_ns);
  backend->last = index;
  return !backend->settings.is_synced || acknowledge(backend, index);
}

static void append(struct journal_backend *base, uint64_t index, struct bytes batch) {
  struct sqlite_backend *backend = of(base);
  if (backend->is_lost) {
    report(backend, JOURNAL_BROKEN);
    return;
  }
  if (!commit(backend, index, batch)) {
    return;
  }
  base->sink.committed(base->sink.ctx, index);
  if (backend->part.log_pages >= backend->checkpoint_pages) {
    enum part_result result = part_checkpoint(&backend->part);
    if (result != PART_OK) {
      lose_part(backend, &backend->part, result, index);
    }
  }
}

bool sqlite_backend_sync(struct journal_backend *base) {
  struct sqlite_backend *backend = of(base);
  if (backend->is_lost) {
    return report(backend, JOURNAL_BROKEN);
  }
  if (!backend->part.db) {
    return true; /* closed parts are synced */
  }
  enum part_result result = part_sync(&backend->part);
  if (result != PART_OK) {
    return lose_part(backend, &backend->part, result, backend->last);
  }
  return acknowledge(backend, backend->last);
}

uint64_t sqlite_backend_p99_ns(const struct journal_backend *base) {
  const struct sqlite_backend *backend = (const struct sqlite_backend *)base;
  uint64_t slowest[COMMITS / 100] = {0};
  uint64_t commits = atomic_load_explicit(&backend->commits, memory_order_acquire);
  size_t count = commits < COMMITS ? (size_t)commits : COMMITS;
  size_t kept = count < 100 ? 1 : count / 100;
  for (size_t i = 0; i < count; i++) {
    uint64_t ns = atomic_load_explicit(&backend->times_ns[i], memory_order_relaxed);
    size_t at = kept;
    for (; at > 0 && slowest[at - 1] < ns; at--) {
      if (at < kept) {
        slowest[at] = slowest[at - 1];
      }
    }
    if (at < kept) {
      slowest[at] = ns;
    }
  }
  return slowest[kept - 1];
}

/* ---- parts */

static bool cut(struct journal_backend *base) {
  struct sqlite_backend *backend = of(base);
  struct journal_part *part = &backend->part;
  enum part_result result = part->db ? part_checkpoint(part) : PART_OK; /* as in replay_part */
  if (part->db && result == PART_OK) {
    result = part_sync(part); /* a reader may have kept the checkpoint from moving anything */
  }
  part_close(part);
  backend->is_cut = true;
  if (result != PART_OK) {
    return lose_part(backend, part, result, backend->last);
  }
  return !backend->is_lost;
}

static bool remove_part(struct sqlite_backend *backend, uint64_t first) {
  return part_remove(backend->directory, first) ||
         lose(backend, JOURNAL_BROKEN, PART_PREFIX "%llu" PART_SUFFIX ": %s",
              (unsigned long long)first, strerror(errno));
}

/* What was cut is followed by a part only at the next append, and may be obsolete before that. */
static bool begin_next_part(struct sqlite_backend *backend, uint64_t below) {
  bool is_obsolete = backend->is_cut && backend->last > 0 && backend->last < below;
  return !is_obsolete || create_part(backend, backend->last + 1);
}

static bool truncate_below(struct journal_backend *base, uint64_t below) {
  struct sqlite_backend *backend = of(base);
  struct data_files parts;
  if (!begin_next_part(backend, below) || !list_parts(backend, &parts)) {
    return false;
  }
  bool is_done = true;
  for (size_t i = 0; i + 1 < parts.count && parts.numbers[i + 1] <= below && is_done; i++) {
    is_done = remove_part(backend, parts.numbers[i]);
  }
  free(parts.numbers);
  return is_done;
}

/* The damage would be found again, and what is acknowledged from now on would be behind it. */
static bool rewrite_part(struct sqlite_backend *backend, uint64_t first, uint64_t last) {
  enum part_result result = part_rewrite(&backend->part, &backend->settings, first, last);
  return result == PART_OK || lose_part(backend, &backend->part, result, last);
}

bool sqlite_backend_drop_behind(struct journal_backend *base, uint64_t index) {
  struct sqlite_backend *backend = of(base);
  struct data_files parts;
  backend->is_lost = false; /* of the replay that found the damage */
  backend->acknowledged_last = 0;
  part_close(&backend->part);
  if (!open_acknowledged(backend)) {
    return false;
  }
  if (!acknowledged_reset(backend->acknowledged, index)) {
    return lose_acknowledged(backend);
  }
  if (!list_parts(backend, &parts)) {
    return false;
  }
  bool is_done = true;
  size_t left = parts.count;
  for (; left > 0 && parts.numbers[left - 1] > index && is_done; left--) {
    is_done = remove_part(backend, parts.numbers[left - 1]);
  }
  is_done = is_done && (left == 0 || rewrite_part(backend, parts.numbers[left - 1], index));
  free(parts.numbers);
  return is_done && create_part(backend, index + 1);
}

static uint64_t file_bytes(const char *directory, uint64_t first, const char *suffix) {
  char path[PATH_MAX];
  struct stat status;
  part_path(path, directory, first, suffix);
  return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static uint64_t bytes(const struct journal_backend *base) {
  const struct sqlite_backend *backend = (const struct sqlite_backend *)base;
  struct data_files parts;
  uint64_t sum = 0;
  data_directory_list(backend->directory, PART_PREFIX, PART_SUFFIX, &parts);
  for (size_t i = 0; i < parts.count; i++) {
    sum += file_bytes(backend->directory, parts.numbers[i], "") +
           file_bytes(backend->directory, parts.numbers[i], "-wal");
  }
  free(parts.numbers);
  return sum;
}

/* ---- opening and closing */

static void close_backend(struct journal_backend *base) {
  struct sqlite_backend *backend = of(base);
  part_close(&backend->part);
  if (backend->acknowledged >= 0) {
    close(backend->acknowledged);
  }
  free(backend);
}

static const struct journal_ops ops = {
    .replay = replay,
    .append = append,
    .cut = cut,
    .truncate = truncate_below,
    .bytes = bytes,
    .close = close_backend,
};

struct journal_backend *sqlite_backend_open(const struct sqlite_options *options,
                                            const struct journal_sink *sink) {
  struct sqlite_backend *backend = calloc(1, sizeof *backend);
  if (!backend) {
    sink->lost(sink->ctx, JOURNAL_UNAVAILABLE, "there is not enough memory");
    return NULL;
  }
  backend->base = (struct journal_backend){&ops, *sink};
  snprintf(backend->directory, sizeof backend->directory, "%s", options->directory);
  backend->settings = (struct part_settings){
      .directory = backend->directory,
      .vfs = options->vfs,
      .is_synced = options->sync == JOURNAL_SYNC_ALWAYS,
      .is_read_only = options->is_read_only,
  };
  backend->checkpoint_pages =
      options->checkpoint_pages ? (int)options->checkpoint_pages : CHECKPOINT_PAGES;
  backend->acknowledged = -1;
  return &backend->base;
}
