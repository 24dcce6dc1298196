#include "server/journal/backup.h"

#include "server/journal/backup_format.h"
#include "server/journal/data_directory.h"
#include "server/journal/record_reader.h"
#include "server/journal/snapshot_file.h"
#include "server/journal/sqlite_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNFINISHED ".new"

struct backup {
  const char *directory;
  FILE *out;
  uint64_t last; /* batch that was there at the beginning */
  struct backup_summary *summary;
  bool is_complete; /* it was written */
  bool has_failed;  /* error says why */
  char *error;      /* BACKUP_ERROR_BYTES */
};

/* The first one counts. Answers false. */
__attribute__((format(printf, 2, 3))) static bool fail(struct backup *backup, const char *format,
                                                       ...) {
  va_list args;
  va_start(args, format);
  if (!backup->has_failed) {
    vsnprintf(backup->error, BACKUP_ERROR_BYTES, format, args);
  }
  va_end(args);
  backup->has_failed = true;
  return false;
}

static bool put(struct backup *backup, const void *data, size_t len) {
  backup->summary->bytes += len;
  return len == 0 || fwrite(data, 1, len, backup->out) == len ||
         fail(backup, "the backup can't be written: %s", strerror(errno));
}

/* ---- the parts of the stream */

static bool put_snapshot(struct backup *backup, const struct snapshot_content *content) {
  struct backup_header header = {.magic = BACKUP_MAGIC,
                                 .version = BACKUP_VERSION,
                                 .snapshot_index = content->header.index,
                                 .snapshot_bytes = content->map_bytes};
  checksum_write(header.checksum, backup_header_content(&header), 0);
  backup->summary->index = content->header.index;
  return put(backup, &header, sizeof header) && put(backup, content->map, content->map_bytes);
}

static bool put_batch(void *ctx, uint64_t index, struct bytes batch) {
  struct backup *backup = ctx;
  struct batch_header header;
  const char *why;
  if (index > backup->last) {
    backup->is_complete = true; /* and the server goes on */
    return false;
  }
  struct batch_reader *reader = record_open(batch, &header, &why);
  record_close(reader);
  if (!reader) {
    return fail(backup, "batch %llu: %s; an earlier backup may be right", (unsigned long long)index,
                why);
  }
  uint64_t len = batch.len;
  backup->summary->index = index;
  return put(backup, &len, sizeof len) && put(backup, batch.data, batch.len);
}

static bool put_end(struct backup *backup) {
  struct backup_end end = {.index = backup->summary->index};
  checksum_write(end.checksum, backup_end_content(&end), 0);
  return put(backup, &end, sizeof end) &&
         (fflush(backup->out) == 0 ||
          fail(backup, "the backup can't be written: %s", strerror(errno)));
}

/* ---- all of it */

static void lose(void *ctx, enum journal_loss why, const char *sentence) {
  (void)why;
  fail(ctx, "%s", sentence);
}

static bool put_batches(struct backup *backup, struct journal_backend *backend, uint64_t from) {
  if (!sqlite_backend_last(backend, &backup->last)) {
    return false;
  }
  bool is_at_end = backup->last <= from || backend->ops->replay(backend, from);
  if (backup->has_failed) {
    return false;
  }
  if (!is_at_end && !backup->is_complete) {
    return fail(backup, "%.400s can't be read", backup->directory);
  }
  return backup->summary->index > 0 || fail(backup, "%.400s has no state", backup->directory);
}

static bool put_all(struct backup *backup) {
  struct snapshot_content content;
  char error[SNAPSHOT_ERROR_BYTES];
  const struct sqlite_options options = {.directory = backup->directory, .is_read_only = true};
  const struct journal_sink sink = {.ctx = backup, .lost = lose, .record = put_batch};
  if (!snapshot_file_read_newest(backup->directory, UINT64_MAX, &content, error) &&
      error[0] != '\0') {
    return fail(backup, "%s", error);
  }
  struct journal_backend *backend = sqlite_backend_open(&options, &sink);
  bool is_written = backend && put_snapshot(backup, &content) &&
                    put_batches(backup, backend, content.header.index) && put_end(backup);
  if (backend) {
    backend->ops->close(backend);
  }
  snapshot_content_free(&content);
  return is_written;
}

bool backup_write(const char *directory, FILE *out, struct backup_summary *summary,
                  char error[BACKUP_ERROR_BYTES]) {
  struct backup backup = {.directory = directory, .out = out, .summary = summary, .error = error};
  *summary = (struct backup_summary){0};
  if (sodium_init() < 0) {
    return fail(&backup, "there is no randomness");
  }
  if (data_directory_is_unfinished(directory)) {
    return fail(&backup, "%.400s has a restore that was not finished", directory);
  }
  int kept = data_directory_keep(directory);
  if (kept < 0) {
    return fail(&backup, "%.400s: %s", directory, strerror(errno));
  }
  bool is_written = put_all(&backup);
  close(kept);
  return is_written;
}

/* ---- a file */

static bool sync_parent(const char *path) {
  char parent[PATH_MAX];
  snprintf(parent, sizeof parent, "%s", path);
  char *slash = strrchr(parent, '/');
  if (slash == NULL) {
    return data_directory_sync(".");
  }
  slash[slash == parent] = '\0';
  return data_directory_sync(parent);
}

/* One that was left there has perhaps another mode, is a link, or is read by others. -1: errno. */
static int create(const char *path) {
  if (unlink(path) != 0 && errno != ENOENT) {
    return -1;
  }
  return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static bool publish(FILE *out, const char *unfinished, const char *path) {
  return fsync(fileno(out)) == 0 && rename(unfinished, path) == 0 && sync_parent(path);
}

bool backup_write_file(const char *directory, const char *path, struct backup_summary *summary,
                       char error[BACKUP_ERROR_BYTES]) {
  char unfinished[PATH_MAX];
  int len = snprintf(unfinished, sizeof unfinished, "%s" UNFINISHED, path);
  bool fits = len > 0 && (size_t)len < sizeof unfinished;
  int fd = fits ? create(unfinished) : -1;
  FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
  if (out == NULL) {
    snprintf(error, BACKUP_ERROR_BYTES, "%.400s: %s", path,
             fits ? strerror(errno) : strerror(ENAMETOOLONG));
    return false;
  }
  bool is_written = backup_write(directory, out, summary, error);
  if (is_written && !publish(out, unfinished, path)) {
    snprintf(error, BACKUP_ERROR_BYTES, "%.400s: %s", path, strerror(errno));
    is_written = false;
  }
  (void)fclose(out);
  if (!is_written) {
    (void)unlink(unfinished);
  }
  return is_written;
}

int backup_stream_main(const char *directory) {
  struct backup_summary summary;
  char error[BACKUP_ERROR_BYTES];
  if (!backup_write(directory, stdout, &summary, error)) {
    fprintf(stderr, "holdfastd: no backup: %s\n", error);
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
