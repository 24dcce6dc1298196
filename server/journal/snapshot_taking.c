#include "server/journal/snapshot_taking.h"

#include "proto/base/clock.h"
#include "server/engine/revision.h"
#include "server/engine/snapshot.h"
#include "server/engine/state_digest.h"
#include "server/journal/digest.h"

struct timed_writer {
  struct snapshot_writer writer;
  uint64_t deadline_ns;
  bool is_late, has_failed;
};

static bool write_in_time(void *ctx, struct bytes bytes) {
  struct timed_writer *timed = ctx;
  timed->is_late = timed->deadline_ns != CLOCK_NEVER && clock_now_ns() >= timed->deadline_ns;
  if (!timed->is_late) {
    timed->has_failed = !timed->writer.write(timed->writer.ctx, bytes);
  }
  return !timed->is_late && !timed->has_failed;
}

bool snapshot_take(const char *directory, const struct engine *engine,
                   const struct snapshot_point *point, uint64_t deadline_ns,
                   char error[SNAPSHOT_ERROR_BYTES]) {
  const struct snapshot_header header = {
      .engine = ENGINE_REVISION,
      .index = point->index,
      .epoch = point->epoch,
      .digest = digest_of(engine, point->replies),
      .memory = engine_memory_digest(engine),
      .replies = point->replies,
  };
  if (!engine_is_settled(engine)) {
    snprintf(error, SNAPSHOT_ERROR_BYTES, "something is under way");
    return false;
  }
  struct snapshot_file *file = snapshot_file_create(directory, &header, error);
  if (!file) {
    return false;
  }
  struct timed_writer timed = {snapshot_file_writer(file), deadline_ns, false, false};
  const struct snapshot_writer writer = {&timed, write_in_time};
  if (!engine_snapshot(engine, &writer) && !timed.has_failed) {
    snprintf(error, SNAPSHOT_ERROR_BYTES, "%s",
             timed.is_late ? "there was not enough time" : "memory ran out");
    snapshot_file_abandon(file);
    return false;
  }
  return snapshot_file_commit(file, error); /* which fails, and says why, if a write has */
}
