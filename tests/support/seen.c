#include "tests/support/seen.h"

#include "server/journal/record_reader.h"
#include "server/journal/record_writer.h"
#include "tests/support/faulty_disk.h"
#include "tests/support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define BODY_BYTES_MAX 12000

static struct batch_writer writer;

/* The same for the same number and salt. */
static struct bytes make_batch(uint64_t index, uint64_t salt) {
  struct random random = {index * 1000003 + salt};
  static uint8_t body[BODY_BYTES_MAX];
  size_t len = random_below(&random, random_below(&random, 6) == 0 ? BODY_BYTES_MAX : 300);
  for (size_t i = 0; i < len; i++) {
    body[i] = (uint8_t)random_next(&random);
  }
  struct engine_request request = {.connection = index, .body = bytes_of(body, len)};
  struct command command = {.kind = COMMAND_REQUEST, .now_ns = index, .request = &request};
  struct batch_header header = {.epoch = 1, .index = index, .now_ns = index};
  struct bytes batch;
  assert_true(record_begin(&writer, &header));
  assert_true(record_append(&writer, &command, bytes_of("", 0)));
  assert_true(record_end(&writer, &batch));
  return batch;
}

static void on_committed(void *ctx, uint64_t through) {
  struct seen *seen = ctx;
  seen->committed = through;
  seen->acknowledged_at[through] = faulty_disk_operations();
}

static void on_lost(void *ctx, enum journal_loss why, const char *sentence) {
  struct seen *seen = ctx;
  seen->losses++;
  seen->why = why;
  snprintf(seen->sentence, sizeof seen->sentence, "%s", sentence);
}

/* As recovery does: what is damaged is refused. */
static bool on_record(void *ctx, uint64_t index, struct bytes batch) {
  struct seen *seen = ctx;
  struct batch_header header;
  const char *why;
  struct batch_reader *reader = record_open(batch, &header, &why);
  if (!reader || header.index != index) {
    on_lost(ctx, JOURNAL_BROKEN, reader ? "another batch's number" : why);
    record_close(reader);
    return false;
  }
  record_close(reader);
  uint64_t salt = seen->salt_from && index >= seen->salt_from;
  if (!bytes_equal(batch, make_batch(index, salt))) {
    seen->is_wrong = true;
  }
  seen->last = index;
  return !seen->limit || index < seen->limit;
}

struct journal_backend *seen_open(struct seen *seen, const char *path, const char *vfs,
                                  enum journal_sync sync, bool is_read_only) {
  struct sqlite_options options = {path, vfs, sync, is_read_only, 8};
  struct journal_sink sink = {seen, on_committed, on_lost, on_record};
  struct journal_backend *backend = sqlite_backend_open(&options, &sink);
  assert_non_null(backend);
  return backend;
}

bool seen_append(struct journal_backend *backend, struct seen *seen, uint64_t index) {
  seen->begun_at[index] = faulty_disk_operations();
  backend->ops->append(backend, index,
                       make_batch(index, seen->salt_from && index >= seen->salt_from));
  return seen->committed == index;
}

void seen_append_all(struct journal_backend *backend, struct seen *seen, uint64_t from,
                     uint64_t through) {
  for (uint64_t index = from; index <= through; index++) {
    assert_true(seen_append(backend, seen, index));
  }
}

bool seen_replay(struct seen *seen, const char *path, uint64_t from) {
  *seen = (struct seen){.last = from, .salt_from = seen->salt_from};
  struct journal_backend *backend = seen_open(seen, path, NULL, JOURNAL_SYNC_ALWAYS, false);
  bool is_right = backend->ops->replay(backend, from);
  backend->ops->close(backend);
  assert_int_equal(is_right, seen->losses == 0);
  return is_right;
}

void seen_end(void) {
  record_deinit(&writer);
}
