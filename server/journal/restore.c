/* backup_restore: a backup becomes a data directory. A file says while it lasts that it is unfinished. */
#include "server/engine/revision.h"
#include "server/journal/backup.h"
#include "server/journal/backup_format.h"
#include "server/journal/data_directory.h"
#include "server/journal/record_reader.h"
#include "server/journal/snapshot_file.h"
#include "server/journal/sqlite_backend.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A length may be damaged: memory is taken as bytes arrive. */
#define CHUNK_BYTES ((size_t)1 << 20)

struct restore {
  const char *path, *directory;
  FILE *in;
  struct journal_backend *backend;
  uint64_t committed;
  uint8_t *data; /* malloc */
  size_t capacity;
  struct backup_summary *summary;
  bool has_failed;
  char *error; /* BACKUP_ERROR_BYTES */
};

/* The first one counts. Answers false. */
__attribute__((format(printf, 2, 3))) static bool fail(struct restore *restore, const char *format,
                                                       ...) {
  va_list args;
  va_start(args, format);
  if (!restore->has_failed) {
    vsnprintf(restore->error, BACKUP_ERROR_BYTES, format, args);
  }
  va_end(args);
  restore->has_failed = true;
  return false;
}

/* ---- reading */

static bool reserve(struct restore *restore, size_t len) {
  if (restore->capacity >= len) {
    return true;
  }
  uint8_t *data = realloc(restore->data, len);
  if (!data) {
    return fail(restore, "there is not enough memory");
  }
  restore->data = data;
  restore->capacity = len;
  return true;
}

/* where: what of the backup it is. */
static bool take(struct restore *restore, void *into, size_t len, const char *where,
                 uint64_t index) {
  if (fread(into, 1, len, restore->in) == len) {
    restore->summary->bytes += len;
    return true;
  }
  if (ferror(restore->in)) {
    return fail(restore, "%.400s: %s", restore->path, strerror(errno));
  }
  return fail(restore, "%.400s was cut short: it ends in %s %llu; use another backup",
              restore->path, where, (unsigned long long)index);
}

/* ---- the snapshot */

static bool fail_to_write(struct restore *restore) {
  return fail(restore, "%.400s: %s", restore->directory, strerror(errno));
}

static bool copy_to(struct restore *restore, FILE *file, const struct backup_header *header) {
  uint64_t rest = header->snapshot_bytes;
  while (rest > 0) {
    size_t len = rest < CHUNK_BYTES ? (size_t)rest : CHUNK_BYTES;
    if (!take(restore, restore->data, len, "snapshot", header->snapshot_index)) {
      return false;
    }
    if (fwrite(restore->data, 1, len, file) != len) {
      return fail_to_write(restore);
    }
    rest -= len;
  }
  return (fflush(file) == 0 && fsync(fileno(file)) == 0) || fail_to_write(restore);
}

/* A server of this version would not load what is restored. What it replays: engine/revision.h. */
static bool refuse_newer(struct restore *restore, uint64_t engine) {
  return fail(restore,
              "%.400s was written by a newer server (engine %llu, this one has %d): restore it by "
              "that version, or a newer one",
              restore->path, (unsigned long long)engine, ENGINE_REVISION);
}

static bool refuse_older(struct restore *restore, uint64_t engine) {
  return fail(restore,
              "%.400s was written by an older server (engine %llu), and this one (engine %d) "
              "carries out its commands otherwise: restore it by the version that wrote it, start "
              "that once, and stop it by SIGTERM, which makes a snapshot that this one loads",
              restore->path, (unsigned long long)engine, ENGINE_REVISION);
}

static bool check_snapshot(struct restore *restore, uint64_t index) {
  struct snapshot_header header;
  const char *why = snapshot_file_check(restore->directory, index, &header);
  if (why && snapshot_file_is_newer(why)) {
    return fail(restore, "%.400s %s", restore->path, why);
  }
  if (why) {
    return fail(restore, "%.400s is damaged: its snapshot %s; use another backup", restore->path,
                why);
  }
  return header.engine <= ENGINE_REVISION || refuse_newer(restore, header.engine);
}

static bool restore_snapshot(struct restore *restore, const struct backup_header *header) {
  char path[PATH_MAX];
  if (header->snapshot_index == 0) {
    return true;
  }
  snprintf(path, sizeof path, "%s/" SNAPSHOT_PREFIX "%llu", restore->directory,
           (unsigned long long)header->snapshot_index);
  FILE *file = fopen(path, "wxe");
  if (!file) {
    return fail_to_write(restore);
  }
  bool is_copied = copy_to(restore, file, header);
  (void)fclose(file);
  return is_copied && check_snapshot(restore, header->snapshot_index);
}

/* ---- batches */

static void lose(void *ctx, enum journal_loss why, const char *sentence) {
  (void)why;
  struct restore *restore = ctx;
  fail(restore, "%.400s: %s", restore->directory, sentence);
}

static void record_committed(void *ctx, uint64_t through) {
  ((struct restore *)ctx)->committed = through;
}

static bool take_batch(struct restore *restore, uint64_t len, uint64_t index) {
  uint64_t done = 0;
  while (done < len) {
    size_t piece = len - done < CHUNK_BYTES ? (size_t)(len - done) : CHUNK_BYTES;
    if (!reserve(restore, (size_t)done + piece) ||
        !take(restore, restore->data + done, piece, "batch", index)) {
      return false;
    }
    done += piece;
  }
  return true;
}

static bool check_batch(struct restore *restore, struct bytes batch, uint64_t index) {
  struct batch_header header;
  const char *why = NULL;
  struct batch_reader *reader = record_open(batch, &header, &why);
  record_close(reader);
  if (!reader && record_is_newer(why)) {
    return fail(restore, "%.400s: batch %llu: %s", restore->path, (unsigned long long)index, why);
  }
  if (!reader || header.index != index) {
    return fail(restore, "%.400s is damaged at batch %llu: %s; use another backup", restore->path,
                (unsigned long long)index, reader ? "another one is in its place" : why);
  }
  if (header.engine > ENGINE_REVISION) {
    return refuse_newer(restore, header.engine);
  }
  return header.engine >= ENGINE_REVISION_OLDEST || refuse_older(restore, header.engine);
}

static bool restore_batch(struct restore *restore, uint64_t len, uint64_t index) {
  if (!take_batch(restore, len, index)) {
    return false;
  }
  struct bytes batch = bytes_of(restore->data, (size_t)len);
  if (!check_batch(restore, batch, index)) {
    return false;
  }
  restore->backend->ops->append(restore->backend, index, batch);
  restore->summary->index = index;
  return !restore->has_failed && restore->committed == index;
}

static bool check_end(struct restore *restore) {
  struct backup_end end = {0};
  uint64_t index = restore->summary->index;
  if (!take(restore, &end.index, sizeof end - sizeof end.zero, "the end behind batch", index)) {
    return false;
  }
  if (!checksum_fits(end.checksum, backup_end_content(&end), 0) || end.index != index ||
      fgetc(restore->in) != EOF) {
    return fail(restore, "%.400s is damaged behind batch %llu; use another backup", restore->path,
                (unsigned long long)index);
  }
  return true;
}

static bool restore_batches(struct restore *restore) {
  uint64_t len, index = restore->summary->index;
  while (take(restore, &len, sizeof len, "batch", ++index)) {
    if (len == 0) {
      return check_end(restore) && sqlite_backend_sync(restore->backend);
    }
    if (!restore_batch(restore, len, index)) {
      return false;
    }
  }
  return false;
}

/* ---- all of it */

static bool read_header(struct restore *restore, struct backup_header *header) {
  if (fread(header, 1, sizeof *header, restore->in) != sizeof *header ||
      header->magic != BACKUP_MAGIC) {
    return fail(restore, "%.400s is no backup of holdfastd", restore->path);
  }
  if (!checksum_fits(header->checksum, backup_header_content(header), 0)) {
    return fail(restore, "%.400s is damaged: its header; use another backup", restore->path);
  }
  if (header->version > BACKUP_VERSION) {
    return fail(restore,
                "%.400s is of a newer format than this server reads; use the version that wrote it",
                restore->path);
  }
  restore->summary->bytes = sizeof *header;
  restore->summary->index = header->snapshot_index;
  return true;
}

static bool restore_all(struct restore *restore) {
  struct backup_header header;
  const struct sqlite_options options = {.directory = restore->directory,
                                         .sync = JOURNAL_SYNC_NEVER};
  const struct journal_sink sink = {.ctx = restore, .committed = record_committed, .lost = lose};
  if (!read_header(restore, &header) || !reserve(restore, CHUNK_BYTES) ||
      !restore_snapshot(restore, &header)) {
    return false;
  }
  restore->backend = sqlite_backend_open(&options, &sink);
  if (!restore->backend) {
    return false;
  }
  bool is_restored = restore_batches(restore);
  restore->backend->ops->close(restore->backend);
  return is_restored;
}

/* Into a directory that is locked. */
static bool fill(struct restore *restore) {
  if (sodium_init() < 0) {
    return fail(restore, "there is no randomness");
  }
  restore->in = fopen(restore->path, "re");
  if (!restore->in) {
    return fail(restore, "%.400s: %s", restore->path, strerror(errno));
  }
  bool is_filled = (data_directory_begin_filling(restore->directory) || fail_to_write(restore)) &&
                   restore_all(restore) &&
                   (data_directory_end_filling(restore->directory) || fail_to_write(restore));
  (void)fclose(restore->in);
  free(restore->data);
  return is_filled;
}

bool backup_restore(const char *path, const char *directory, struct backup_summary *summary,
                    char error[BACKUP_ERROR_BYTES]) {
  struct restore restore = {
      .path = path, .directory = directory, .summary = summary, .error = error};
  char lock_error[DATA_ERROR_BYTES];
  *summary = (struct backup_summary){0};
  bool was_there = access(directory, F_OK) == 0;
  struct data_lock lock;
  if (!data_directory_lock(directory, &lock, lock_error)) {
    return fail(&restore, "%s", lock_error);
  }
  bool is_filled = false;
  if (!data_directory_is_empty(directory)) {
    fail(&restore,
         "%.400s is not empty: a backup is restored into a directory that is empty or missing",
         directory);
  } else if (!(is_filled = fill(&restore))) {
    data_directory_empty(directory, was_there);
  }
  data_directory_unlock(&lock);
  return is_filled;
}
