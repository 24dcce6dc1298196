#include "server/journal/journal_part.h"

#include "server/journal/data_directory.h"
#include "server/journal/directory_syncs.h"
#include "server/journal/openings.h"
#include "server/journal/sqlite_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FORMAT 1 /* its user_version */
#define UNFINISHED ".new"
#define BUSY_MS 10000 /* while another process opens or closes the file */

static const char make_table[] =
    "PRAGMA synchronous=OFF;"
    "PRAGMA journal_mode=MEMORY;"
    "BEGIN;"
    "CREATE TABLE batches(idx INTEGER PRIMARY KEY, batch BLOB NOT NULL);"
    "PRAGMA user_version=1;"
    "COMMIT;"
    "PRAGMA journal_mode=WAL;";
static const char select_rows[] =
    "SELECT idx, batch FROM batches WHERE idx > ?1 AND idx < ?2 ORDER BY idx";
static const char select_last[] = "SELECT max(idx) FROM batches";
static const char insert_row[] = "INSERT INTO batches VALUES(?1, ?2)";

void part_path(char path[PATH_MAX], const char *directory, uint64_t first, const char *suffix) {
  snprintf(path, PATH_MAX, "%s/" PART_PREFIX "%llu" PART_SUFFIX "%s", directory,
           (unsigned long long)first, suffix);
}

/* ---- results */

/* What could not be written is not tried again: neither does closing, which would remove the log then. */
static enum part_result fail(struct journal_part *part, enum part_result result, const char *text) {
  if (result != PART_FULL && part->db) {
    sqlite3_db_config(part->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  }
  snprintf(part->why, sizeof part->why, PART_PREFIX "%llu" PART_SUFFIX ": %s",
           (unsigned long long)part->first, text);
  return result;
}

/* Of a call that may have synced the directory. */
static enum part_result check_directory(struct journal_part *part, enum part_result result) {
  bool has_failed = directory_syncs_have_failed();
  char text[128];
  if (result != PART_OK || !has_failed) {
    return result;
  }
  snprintf(text, sizeof text, "its directory can't be synced: %s", strerror(errno));
  return fail(part, PART_BROKEN, text);
}

static enum part_result fail_by_errno(struct journal_part *part) {
  return fail(part, data_directory_is_full(errno) ? PART_FULL : PART_BROKEN, strerror(errno));
}

/* Only what may have become of the file itself is damage: that may be given up. */
static enum part_result result_of(int rc) {
  switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return PART_BUSY;
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
    case SQLITE_NOLFS:
      return PART_UNAVAILABLE;
    default:
      return PART_BROKEN;
  }
}

static void explain_errno(struct journal_part *part, int number) {
  size_t len = strlen(part->why);
  const char *advice = number == EACCES || number == EPERM ? "; the server's user has to be able "
                                                             "to read and write this file, and "
                                                             "those beside it"
                                                           : "";
  snprintf(part->why + len, sizeof part->why - len, ": %s%s", strerror(number), advice);
}

/* rc: of the last call. The memory that processes share for a write-ahead log is a file, too. */
static enum part_result fail_by_sqlite(struct journal_part *part, int rc) {
  bool needs_room = rc == SQLITE_IOERR_SHMSIZE || (rc & 0xff) == SQLITE_CANTOPEN;
  bool lacks_room = data_directory_is_full(sqlite3_system_errno(part->db)) ||
                    data_directory_is_full(openings_failure());
  bool is_full = (rc & 0xff) == SQLITE_FULL || (needs_room && lacks_room);
  if (is_full) {
    return fail(part, PART_FULL, "the disk is full");
  }
  int number = part->db ? sqlite3_system_errno(part->db) : 0;
  number = number != 0 ? number : sqlite_calls_failure();
  enum part_result result = result_of(rc);
  if (result == PART_BUSY) {
    return fail(part, result, "another process has it, as a backup does: end that one, or wait");
  }
  fail(part, result, part->db ? sqlite3_errmsg(part->db) : sqlite3_errstr(rc));
  if (number != 0 && (result == PART_UNAVAILABLE || (rc & 0xff) == SQLITE_IOERR)) {
    explain_errno(part, number);
  }
  return result;
}

/* ---- opening */

static int count_pages(void *ctx, sqlite3 *db, const char *name, int pages) {
  (void)db;
  (void)name;
  struct journal_part *part = ctx;
  part->log_pages = pages;
  return SQLITE_OK;
}

static int check_format(struct journal_part *part) {
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(part->db, "PRAGMA user_version", -1, &stmt, NULL);
  if (rc == SQLITE_OK) {
    rc = sqlite3_step(stmt);
    int format = rc == SQLITE_ROW ? sqlite3_column_int(stmt, 0) : 0;
    rc = rc == SQLITE_ROW ? SQLITE_OK : rc;
    if (rc == SQLITE_OK && format != FORMAT) {
      part->is_newer = format > FORMAT;
      fail(part, PART_BROKEN,
           format > FORMAT
               ? "it is of a newer format than this server reads; use the version that wrote it"
               : "its format is none");
      rc = SQLITE_NOTADB;
    }
  }
  sqlite3_finalize(stmt);
  return rc;
}

static int set_up(struct journal_part *part, const struct part_settings *settings) {
  sqlite3_extended_result_codes(part->db, 1);
  sqlite3_busy_timeout(part->db, settings->is_exclusive ? 0 : BUSY_MS);
  int rc = sqlite3_exec(part->db,
                        settings->is_exclusive
                            ? "PRAGMA cell_size_check=ON;PRAGMA locking_mode=EXCLUSIVE"
                            : "PRAGMA cell_size_check=ON",
                        NULL, NULL, NULL);
  if (rc == SQLITE_OK && !settings->is_read_only) {
    sqlite3_wal_hook(part->db, count_pages, part); /* in the place of its own checkpoints */
    rc = sqlite3_exec(part->db,
                      settings->is_synced
                          ? "PRAGMA journal_size_limit=16777216;PRAGMA synchronous=FULL"
                          : "PRAGMA journal_size_limit=16777216;PRAGMA synchronous=NORMAL",
                      NULL, NULL, NULL);
  }
  return rc;
}

static int prepare(struct journal_part *part, const struct part_settings *settings) {
  int rc =
      sqlite3_prepare_v3(part->db, select_rows, -1, SQLITE_PREPARE_PERSISTENT, &part->select, NULL);
  if (rc == SQLITE_OK && !settings->is_read_only) {
    rc = sqlite3_prepare_v3(part->db, insert_row, -1, SQLITE_PREPARE_PERSISTENT, &part->insert,
                            NULL);
  }
  return rc;
}

static int open_file(struct journal_part *part, const struct part_settings *settings,
                     const char *path) {
  sqlite_calls_begin();
  int access = settings->is_read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  int rc = sqlite3_open_v2(path, &part->db, access | SQLITE_OPEN_NOMUTEX, settings->vfs);
  return rc == SQLITE_OK ? set_up(part, settings) : rc;
}

enum part_result part_open(struct journal_part *part, const struct part_settings *settings,
                           uint64_t first) {
  char path[PATH_MAX];
  *part = (struct journal_part){.first = first};
  part_path(path, settings->directory, first, "");
  int rc = open_file(part, settings, path);
  rc = rc == SQLITE_OK ? check_format(part) : rc;
  rc = rc == SQLITE_OK ? prepare(part, settings) : rc;
  if (rc == SQLITE_OK) {
    return PART_OK;
  }
  enum part_result result = part->is_newer ? PART_UNAVAILABLE
                            : part->why[0] ? PART_BROKEN
                                           : fail_by_sqlite(part, rc);
  part_close(part);
  return result;
}

void part_close(struct journal_part *part) {
  sqlite3_finalize(part->insert);
  sqlite3_finalize(part->select);
  sqlite3_close(part->db);
  part->db = NULL;
  part->insert = part->select = NULL;
  part->log_pages = 0;
}

/* ---- making and removing */

static bool sync_file(const char *path) {
  int fd = openings_open(path, O_RDWR | O_CLOEXEC, 0);
  if (fd < 0) {
    return false;
  }
  bool is_synced = fsync(fd) == 0;
  int error = errno;
  close(fd);
  errno = error;
  return is_synced;
}

/* The file's entry, if it is there. */
static bool remove_file(const char *path) {
  return unlink(path) == 0 || errno == ENOENT;
}

/* A file with the table, under another name. sqlite keeps the mode that it finds. */
static enum part_result make_file(struct journal_part *part, const struct part_settings *settings,
                                  const char *path) {
  int fd = openings_open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) {
    return fail_by_errno(part);
  }
  close(fd);
  int rc = open_file(part, settings, path);
  rc = rc == SQLITE_OK ? sqlite3_exec(part->db, make_table, NULL, NULL, NULL) : rc;
  enum part_result result = rc == SQLITE_OK ? PART_OK : fail_by_sqlite(part, rc);
  part_close(part);
  return result;
}

/* A write-ahead log that was left of another file would be taken for this one's. */
static bool remove_log(const char *directory, uint64_t first) {
  char path[PATH_MAX];
  part_path(path, directory, first, "-shm");
  if (!remove_file(path)) {
    return false;
  }
  part_path(path, directory, first, "-wal");
  return access(path, F_OK) != 0 || (remove_file(path) && data_directory_sync(directory));
}

/* Puts the file in its place, if it was made. */
static enum part_result finish_file(struct journal_part *part, const struct part_settings *settings,
                                    const char *unfinished, enum part_result made) {
  char path[PATH_MAX];
  part_path(path, settings->directory, part->first, "");
  if (made == PART_OK &&
      !(sync_file(unfinished) && remove_log(settings->directory, part->first) &&
        rename(unfinished, path) == 0 && data_directory_sync(settings->directory))) {
    made = fail_by_errno(part);
  }
  if (made != PART_OK) {
    remove_file(unfinished);
  }
  return made;
}

enum part_result part_create(struct journal_part *part, const struct part_settings *settings,
                             uint64_t first) {
  char unfinished[PATH_MAX];
  *part = (struct journal_part){.first = first};
  part_path(unfinished, settings->directory, first, UNFINISHED);
  return finish_file(part, settings, unfinished, make_file(part, settings, unfinished));
}

void part_remove_unfinished(const char *directory) {
  static const char *const suffixes[] = {PART_SUFFIX UNFINISHED, PART_SUFFIX UNFINISHED "-journal",
                                         PART_SUFFIX UNFINISHED "-wal",
                                         PART_SUFFIX UNFINISHED "-shm"};
  for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
    struct data_files files;
    data_directory_list(directory, PART_PREFIX, suffixes[i], &files);
    for (size_t j = 0; j < files.count; j++) {
      char path[PATH_MAX];
      part_path(path, directory, files.numbers[j], suffixes[i] + strlen(PART_SUFFIX));
      unlink(path);
    }
    free(files.numbers);
  }
}

bool part_remove(const char *directory, uint64_t first) {
  char path[PATH_MAX];
  part_path(path, directory, first, "");
  return remove_log(directory, first) && remove_file(path) && data_directory_sync(directory);
}

/* ---- appending */

enum part_result part_last(struct journal_part *part, uint64_t *last) {
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(part->db, select_last, -1, &stmt, NULL);
  rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
  enum part_result result = PART_OK;
  if (rc == SQLITE_ROW) {
    bool is_empty = sqlite3_column_type(stmt, 0) == SQLITE_NULL;
    *last = is_empty ? part->first - 1 : (uint64_t)sqlite3_column_int64(stmt, 0);
  } else {
    result = fail_by_sqlite(part, rc);
  }
  sqlite3_finalize(stmt);
  return result;
}

static enum part_result insert(struct journal_part *part, uint64_t index, struct bytes batch) {
  sqlite3_bind_int64(part->insert, 1, (sqlite3_int64)index);
  int rc = sqlite3_bind_blob64(part->insert, 2, batch.data, batch.len, SQLITE_STATIC);
  rc = rc == SQLITE_OK ? sqlite3_step(part->insert) : rc;
  enum part_result result = rc == SQLITE_DONE ? PART_OK : fail_by_sqlite(part, rc);
  sqlite3_reset(part->insert);
  sqlite3_clear_bindings(part->insert);
  return result;
}

enum part_result part_append(struct journal_part *part, uint64_t index, struct bytes batch) {
  enum part_result result = insert(part, index, batch);
  if (result == PART_FULL && !sqlite3_get_autocommit(part->db)) {
    return fail(part, PART_BROKEN, "a commit without room was not taken back");
  }
  return check_directory(part, result);
}

enum part_result part_checkpoint(struct journal_part *part) {
  int rc = sqlite3_wal_checkpoint_v2(part->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
  if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY) {
    return check_directory(part, PART_OK);
  }
  enum part_result result = fail_by_sqlite(part, rc);
  return result == PART_FULL ? PART_OK : result;
}

enum part_result part_sync(struct journal_part *part) {
  sqlite3_file *log = NULL;
  int rc = sqlite3_file_control(part->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (rc == SQLITE_OK && log && log->pMethods) {
    rc = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
  }
  return check_directory(part,
                         rc == SQLITE_OK ? PART_OK : fail(part, PART_BROKEN, sqlite3_errstr(rc)));
}

/* ---- reading */

static bool add_row(struct part_rows *rows, uint64_t index, struct bytes batch) {
  if (!rows->data || rows->capacity - rows->len < batch.len) {
    size_t capacity = (rows->len + batch.len) * 2 + 1;
    uint8_t *data = realloc(rows->data, capacity);
    if (!data) {
      return false;
    }
    rows->data = data;
    rows->capacity = capacity;
  }
  if (batch.len > 0) {
    memcpy(rows->data + rows->len, batch.data, batch.len);
  }
  rows->rows[rows->count++] = (struct part_row){index, rows->len, batch.len};
  rows->len += batch.len;
  return true;
}

enum part_result part_read(struct journal_part *part, uint64_t from, uint64_t until,
                           struct part_rows *rows) {
  rows->len = rows->count = 0;
  sqlite3_bind_int64(part->select, 1, (sqlite3_int64)from);
  sqlite3_bind_int64(part->select, 2, (sqlite3_int64)(until > INT64_MAX ? INT64_MAX : until));
  enum part_result result = PART_OK;
  int rc = SQLITE_ROW;
  while (result == PART_OK && rows->count < PART_ROWS_MAX && rows->len < PART_CHUNK_BYTES &&
         (rc = sqlite3_step(part->select)) == SQLITE_ROW) {
    const void *data = sqlite3_column_blob(part->select, 1);
    size_t len = (size_t)sqlite3_column_bytes(part->select, 1);
    if ((!data && len > 0) ||
        !add_row(rows, (uint64_t)sqlite3_column_int64(part->select, 0), bytes_of(data, len))) {
      result = fail(part, PART_UNAVAILABLE, "there is not enough memory");
    }
  }
  if (result == PART_OK && rc != SQLITE_ROW && rc != SQLITE_DONE && rows->count == 0) {
    result = fail_by_sqlite(part, rc);
  }
  sqlite3_reset(part->select);
  return result;
}

/* ---- rewriting */

static enum part_result insert_rows(struct journal_part *copy, const struct part_rows *rows) {
  enum part_result result = PART_OK;
  for (size_t i = 0; i < rows->count && result == PART_OK; i++) {
    const struct part_row *row = &rows->rows[i];
    result = insert(copy, row->index, bytes_of(rows->data + row->at, row->len));
  }
  return result;
}

/* Either's `why` is set. */
static enum part_result copy_rows(struct journal_part *part, struct journal_part *copy,
                                  struct part_rows *rows, uint64_t last) {
  uint64_t from = part->first - 1;
  enum part_result result = PART_OK;
  while (from < last && (result = part_read(part, from, last + 1, rows)) == PART_OK &&
         rows->count > 0 && (result = insert_rows(copy, rows)) == PART_OK) {
    from = rows->rows[rows->count - 1].index; /* not further: that is damaged */
  }
  return result;
}

static enum part_result run(struct journal_part *part, const char *statements) {
  int rc = sqlite3_exec(part->db, statements, NULL, NULL, NULL);
  return rc == SQLITE_OK ? PART_OK : fail_by_sqlite(part, rc);
}

/* In one transaction, without a write-ahead log: closing moves nothing, and can't fail. */
static enum part_result fill_copy(struct journal_part *part, struct journal_part *copy,
                                  uint64_t last) {
  struct part_rows *rows = calloc(1, sizeof *rows);
  if (!rows) {
    return fail(copy, PART_UNAVAILABLE, "there is not enough memory");
  }
  enum part_result result = run(copy, "PRAGMA synchronous=OFF;PRAGMA journal_mode=MEMORY;BEGIN");
  result = result == PART_OK ? copy_rows(part, copy, rows, last) : result;
  result = result == PART_OK ? run(copy, "COMMIT;PRAGMA journal_mode=WAL") : result;
  free(rows->data);
  free(rows);
  return result;
}

enum part_result part_rewrite(struct journal_part *part, const struct part_settings *settings,
                              uint64_t first, uint64_t last) {
  char unfinished[PATH_MAX];
  struct journal_part copy = {.first = first};
  part_path(unfinished, settings->directory, first, UNFINISHED);
  enum part_result result = part_open(part, settings, first);
  if (result == PART_OK && (result = make_file(&copy, settings, unfinished)) == PART_OK) {
    int rc = open_file(&copy, settings, unfinished);
    rc = rc == SQLITE_OK ? prepare(&copy, settings) : rc;
    result = rc == SQLITE_OK ? fill_copy(part, &copy, last) : fail_by_sqlite(&copy, rc);
  }
  part_close(&copy);
  part_close(part);
  if (copy.why[0]) {
    memcpy(part->why, copy.why, sizeof part->why);
  }
  return finish_file(part, settings, unfinished, result);
}
