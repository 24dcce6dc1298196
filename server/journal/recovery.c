#include "server/journal/recovery.h"

#include "proto/base/clock.h"
#include "server/dispatch/operations.h"
#include "server/dispatch/request.h"
#include "server/engine/decoded.h"
#include "server/engine/job.h"
#include "server/engine/revision.h"
#include "server/engine/snapshot.h"
#include "server/engine/state_digest.h"
#include "server/journal/digest.h"
#include "server/journal/genesis.h"
#include "server/journal/record_reader.h"
#include "server/journal/snapshot_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROGRESS_NS (100 * CLOCK_NS_PER_MS)
#define PROGRESS_COMMANDS 256 /* between two looks at the clock */
#define SETTLED_PAUSE_NS (100 * CLOCK_NS_PER_MS)
#define ARENA_BYTES_KEPT ((size_t)64 << 10)
#define WHY_BYTES 512

struct recovery {
  const struct recovery_options *options;
  struct recovered *recovered;
  struct arena arena;    /* of small requests */
  struct lent_list jobs; /* taken, and not done yet */
  uint64_t last;         /* later batches are only counted */
  uint64_t bytes, bytes_total, progress_ns;
  bool is_settled; /* at or behind options->through: done */

  /* What is wrong. */
  bool has_failed;      /* it has nothing to do with a damage */
  uint64_t damaged;     /* the first batch that can't be replayed; 0: none */
  bool is_half_done;    /* its first commands were */
  bool is_more_damaged; /* what is behind it can't be read to the end */
  char why[WHY_BYTES];
  char passed_over[SNAPSHOT_ERROR_BYTES]; /* of a snapshot; empty: none was */
};

/* ---- what is wrong. Each answers false. */

__attribute__((format(printf, 2, 3))) static bool fail(struct recovery *recovery,
                                                       const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(recovery->why, sizeof recovery->why, format, args);
  va_end(args);
  recovery->has_failed = true;
  return false;
}

static bool find_damage(struct recovery *recovery, uint64_t index, const char *why) {
  snprintf(recovery->why, sizeof recovery->why, "%s", why);
  recovery->damaged = index;
  recovery->recovered->dropped = 1;
  recovery->recovered->is_cut_short = true;
  return false;
}

/* ---- the engine's sink */

static void add_reply(void *ctx, uint64_t connection, const struct sp_route *route,
                      struct reply *reply) {
  struct recovered *recovered = ctx;
  (void)route;
  recovered->replies = digest_add_reply(recovered->replies, connection, reply);
  reply_release(reply);
}

static void drop_reply(void *ctx, uint64_t connection, const struct sp_route *route,
                       struct reply *reply) {
  (void)ctx;
  (void)connection;
  (void)route;
  reply_release(reply);
}

static void ignore_close(void *ctx, uint64_t connection) {
  (void)ctx;
  (void)connection;
}

static void ignore_process(void *ctx, int process, uint64_t session) {
  (void)ctx;
  (void)process;
  (void)session;
}

/* Asked for again, when it was made long ago. */
static void ignore_snapshot(void *ctx) {
  (void)ctx;
}

static struct engine_sink make_sink(struct recovered *recovered) {
  return (struct engine_sink){.ctx = recovered,
                              .deliver = recovered ? add_reply : drop_reply,
                              .close = ignore_close,
                              .forget_process = ignore_process,
                              .watch_process = ignore_process,
                              .request_snapshot = ignore_snapshot};
}

/* ---- progress */

static void report_progress(struct recovery *recovery) {
  const struct recovery_options *options = recovery->options;
  uint64_t now_ns = options->progress ? clock_now_ns() : 0;
  if (options->progress && now_ns - recovery->progress_ns >= PROGRESS_NS) {
    recovery->progress_ns = now_ns;
    options->progress(options->progress_ctx, recovery->bytes, recovery->bytes_total,
                      recovery->recovered->commands);
  }
}

/* ---- commands */

static bool begin_engine(struct recovery *recovery, const struct genesis *genesis) {
  struct recovered *recovered = recovery->recovered;
  struct engine_sink sink = make_sink(recovered);
  recovered->engine = genesis_engine(genesis, &recovery->options->cells->host, &sink);
  return recovered->engine || fail(recovery, "there is not enough memory");
}

static struct job *find_job(struct recovery *recovery, uint64_t number) {
  struct job *job;
  TAILQ_FOREACH(job, &recovery->jobs, lent_link) {
    if (job->number == number) {
      break;
    }
  }
  return job;
}

/* It was asked to stop, or had no memory: nothing was done. All other reasons come of the object. */
static bool was_not_run(hf_reason reason) {
  return reason == HF_REASON_STOPPING || reason == HF_REASON_NO_MEMORY;
}

/* What a job does depends on nothing but its object, which nobody has changed since. */
static bool finish_job(struct recovery *recovery, struct record *record) {
  struct job *job = find_job(recovery, record->job_number);
  if (!job) {
    return false;
  }
  shared_flag_lower(&job->stop);
  if (was_not_run(record->job_reason)) {
    job->reason = record->job_reason;
  } else {
    job_run(job);
  }
  bool is_same = job->reason == record->job_reason;
  if (job->reason == HF_REASON_NO_MEMORY && !is_same) {
    fail(recovery, "there is not enough memory");
  }
  record->command.job = job;
  engine_apply(recovery->recovered->engine, &record->command);
  if (job->is_back) {
    TAILQ_REMOVE(&recovery->jobs, job, lent_link);
    job_free(job);
  }
  return is_same;
}

static bool apply_request(struct recovery *recovery, struct record *record) {
  struct engine *engine = recovery->recovered->engine;
  struct engine_request *request = &record->request;
  request_decode(request, &recovery->arena, engine_hash_key(engine));
  if (request->malformed == HF_REASON_NO_MEMORY) {
    return fail(recovery, "there is not enough memory");
  }
  engine_apply(engine, &record->command);
  decoded_free(request->decoded);
  if (recovery->arena.used_bytes > ARENA_BYTES_KEPT) {
    arena_reset(&recovery->arena);
  }
  return true;
}

/* What dispatch does beside the engine's lock. */
static void clear_up(struct recovery *recovery) {
  struct engine *engine = recovery->recovered->engine;
  struct job *job;
  engine_free_deferred(engine_take_deferred(engine));
  decoded_free(engine_take_answered(engine));
  while ((job = engine_take_job(engine))) {
    TAILQ_INSERT_TAIL(&recovery->jobs, job, lent_link);
  }
}

static bool apply(struct recovery *recovery, struct record *record) {
  struct recovered *recovered = recovery->recovered;
  struct cell_tape *cells = recovery->options->cells;
  bool is_applied;
  cell_tape_play(cells, record->answers);
  switch (record->command.kind) {
    case COMMAND_REQUEST:
      is_applied = apply_request(recovery, record);
      break;
    case COMMAND_JOB_DONE:
      is_applied = finish_job(recovery, record);
      break;
    default:
      is_applied = engine_apply(recovered->engine, &record->command) ||
                   fail(recovery, "there is not enough memory");
      break;
  }
  clear_up(recovery);
  return is_applied && cell_tape_is_played(cells);
}

/* ---- batches */

static bool is_as_before(const struct recovery *recovery, const struct batch_header *header) {
  const struct recovered *recovered = recovery->recovered;
  bool counts_alike = header->engine == ENGINE_REVISION;
  return digest_of(recovered->engine, recovered->replies) == header->digest &&
         (!counts_alike || engine_memory_digest(recovered->engine) == header->memory);
}

/* The first record of the first batch makes the engine; no other does. */
static bool apply_record(struct recovery *recovery, struct record *record) {
  bool is_first = !recovery->recovered->engine;
  if (record->is_genesis != is_first) {
    return false;
  }
  return is_first ? begin_engine(recovery, &record->genesis) : apply(recovery, record);
}

static bool apply_batch(struct recovery *recovery, struct batch_reader *reader,
                        const struct batch_header *header, const char **why) {
  struct record record;
  struct recovered *recovered = recovery->recovered;
  bool is_checked = false;
  if (recovered->engine) {
    if (!is_as_before(recovery, header)) {
      *why = "it was written in another state than the one that was loaded";
      return false;
    }
    is_checked = true;
  }
  while (record_next(reader, &record, why)) {
    recovery->is_half_done = true;
    if (!apply_record(recovery, &record)) {
      *why = "what it has makes no sense here";
      return false;
    }
    if (!is_checked && !is_as_before(recovery, header)) {
      *why = "it begins with another state than this server does";
      return false;
    }
    is_checked = true;
    if (++recovered->commands % PROGRESS_COMMANDS == 0) {
      report_progress(recovery);
    }
  }
  recovery->is_half_done = *why != NULL && recovery->is_half_done;
  return *why == NULL;
}

/* No damage: nothing is given up. */
static bool refuse_older(struct recovery *recovery, const struct batch_header *header) {
  return fail(
      recovery,
      "batch %llu was written by an older server (engine %llu), and this one (engine %d) "
      "carries out its commands otherwise: start the version that wrote it once more, and stop "
      "it by SIGTERM, which makes a snapshot that this one loads",
      (unsigned long long)header->index, (unsigned long long)header->engine, ENGINE_REVISION);
}

static bool refuse_newer(struct recovery *recovery, const char *what, uint64_t index,
                         uint64_t engine) {
  return fail(recovery,
              "%s%llu was written by a newer server (engine %llu, this one has %d): start that "
              "version, or a newer one",
              what, (unsigned long long)index, (unsigned long long)engine, ENGINE_REVISION);
}

/* Whether this engine is one that replays the batch. */
static bool is_replayed(struct recovery *recovery, const struct batch_header *header) {
  if (header->engine > ENGINE_REVISION) {
    return refuse_newer(recovery, "batch ", header->index, header->engine);
  }
  return header->engine >= ENGINE_REVISION_OLDEST || refuse_older(recovery, header);
}

/* It is right, but not what this engine came to. */
static bool refuse_state(struct recovery *recovery, const struct batch_header *header,
                         const char *why) {
  return header->engine == ENGINE_REVISION ? find_damage(recovery, header->index, why)
                                           : refuse_older(recovery, header);
}

static bool replay_batch(struct recovery *recovery, uint64_t index, struct bytes batch) {
  struct batch_header header;
  const char *why;
  struct batch_reader *reader = record_open(batch, &header, &why);
  if (!reader) {
    return record_is_newer(why) ? fail(recovery, "batch %llu: %s", (unsigned long long)index, why)
                                : find_damage(recovery, index, why);
  }
  recovery->is_half_done = false;
  if (header.index != index) {
    record_close(reader);
    return find_damage(recovery, index, "it is another one");
  }
  bool is_right = is_replayed(recovery, &header) && apply_batch(recovery, reader, &header, &why);
  record_close(reader);
  if (!is_right) {
    return !recovery->has_failed && refuse_state(recovery, &header, why);
  }
  recovery->recovered->index = index;
  recovery->recovered->epoch = header.epoch;
  return true;
}

static bool has_settled(const struct recovery *recovery) {
  const struct recovered *recovered = recovery->recovered;
  uint64_t through = recovery->options->through;
  return through > 0 && recovered->engine && recovered->index >= through &&
         engine_is_settled(recovered->engine);
}

/* ---- the backend's sink */

static bool take_batch(void *ctx, uint64_t index, struct bytes batch) {
  struct recovery *recovery = ctx;
  recovery->bytes += batch.len;
  if (recovery->damaged || index > recovery->last) {
    recovery->recovered->dropped += index != recovery->damaged;
    return true;
  }
  if (!replay_batch(recovery, index, batch)) {
    return !recovery->has_failed; /* what is behind is counted */
  }
  report_progress(recovery);
  recovery->is_settled = has_settled(recovery);
  return !recovery->is_settled;
}

static void lose(void *ctx, enum journal_loss why, const char *sentence) {
  struct recovery *recovery = ctx;
  if (recovery->damaged || recovery->has_failed) {
    recovery->is_more_damaged = true;
  } else if (why == JOURNAL_BROKEN) {
    find_damage(recovery, recovery->recovered->index + 1, sentence);
    recovery->is_more_damaged = true;
  } else {
    fail(recovery, "%s", sentence);
  }
}

/* ---- all of it */

static bool restore(struct recovery *recovery, const struct snapshot_content *content) {
  struct recovered *recovered = recovery->recovered;
  const struct snapshot_header *header = &content->header;
  if (header->engine > ENGINE_REVISION) {
    return refuse_newer(recovery, SNAPSHOT_PREFIX, header->index, header->engine);
  }
  struct snapshot_error error;
  struct engine_config config = {.find_operation = operations_find,
                                 .cell_host = &recovery->options->cells->host};
  struct engine_sink sink = make_sink(recovered);
  recovered->engine = engine_restore(&config, &sink, content->bytes, &error);
  if (!recovered->engine) {
    return fail(recovery, "snapshot-%llu can't be loaded: %s (at byte %zu)",
                (unsigned long long)header->index, error.why, error.at);
  }
  recovered->index = recovered->snapshot_index = header->index;
  recovered->epoch = header->epoch;
  recovered->replies = header->replies;
  recovery->bytes += content->bytes.len;
  bool counts_alike = header->engine == ENGINE_REVISION;
  if (digest_of(recovered->engine, recovered->replies) != header->digest ||
      (counts_alike && engine_memory_digest(recovered->engine) != header->memory)) {
    return fail(recovery, "snapshot-%llu can't be loaded: what was read has another digest",
                (unsigned long long)header->index);
  }
  return true;
}

static void pass_over(struct recovery *recovery, uint64_t index,
                      const char error[SNAPSHOT_ERROR_BYTES]) {
  if (recovery->recovered->passed_over == 0) {
    recovery->recovered->passed_over = index;
    memcpy(recovery->passed_over, error, sizeof recovery->passed_over);
  }
}

static bool load_snapshot(struct recovery *recovery) {
  struct snapshot_content content = {.damaged = UINT64_MAX};
  char error[SNAPSHOT_ERROR_BYTES];
  while (
      !snapshot_file_read_newest(recovery->options->directory, content.damaged, &content, error)) {
    if (!content.damaged) {
      return error[0] == '\0' || fail(recovery, "%s", error);
    }
    pass_over(recovery, content.damaged, error);
  }
  recovery->bytes_total += content.bytes.len;
  report_progress(recovery);
  bool is_restored = restore(recovery, &content);
  snapshot_content_free(&content);
  return is_restored;
}

/* Beside a server that writes: it may take a moment until the state is settled. */
static void replay(struct recovery *recovery, struct journal_backend *backend) {
  uint64_t began_ns = 0; /* when all that was there had been replayed */
  recovery->is_settled = has_settled(recovery);
  while (!recovery->is_settled && backend->ops->replay(backend, recovery->recovered->index) &&
         recovery->options->through > 0 && !recovery->damaged) {
    uint64_t now_ns = clock_now_ns();
    began_ns = began_ns ? began_ns : now_ns;
    if (now_ns - began_ns > RECOVERY_SETTLED_MS * CLOCK_NS_PER_MS) {
      fail(recovery, "there is no moment at which nothing is under way");
      return;
    }
    nanosleep(&(struct timespec){.tv_nsec = SETTLED_PAUSE_NS}, NULL);
  }
}

static void load(struct recovery *recovery) {
  struct journal_backend *backend = recovery->options->backend;
  struct journal_sink former = backend->sink;
  backend->sink = (struct journal_sink){.ctx = recovery, .lost = lose, .record = take_batch};
  recovery->bytes_total = backend->ops->bytes(backend);
  if (load_snapshot(recovery)) {
    replay(recovery, backend);
  }
  backend->sink = former;
}

static void begin(struct recovery *recovery, const struct recovery_options *options,
                  struct recovered *recovered, uint64_t last) {
  *recovered = (struct recovered){0};
  *recovery = (struct recovery){
      .options = options, .recovered = recovered, .last = last, .progress_ns = clock_now_ns()};
  arena_init(&recovery->arena, HF_UNPACK_BYTES_MAX);
  TAILQ_INIT(&recovery->jobs);
}

/* Jobs whose ends are not in the log: they are run again. */
static void end(struct recovery *recovery) {
  struct recovered *recovered = recovery->recovered;
  struct engine_sink sink = make_sink(NULL);
  arena_deinit(&recovery->arena);
  if (recovered->engine) {
    engine_give_jobs_back(recovered->engine);
    engine_set_sink(recovered->engine, &sink);
  }
}

static void drop_engine(struct recovered *recovered) {
  if (recovered->engine) {
    engine_free(recovered->engine);
    recovered->engine = NULL;
  }
}

/* The journal can't stand in for the snapshot: what is missing is not to be accepted, it may be anything. */
static bool lacks_snapshot(const struct recovery *recovery) {
  const struct recovered *recovered = recovery->recovered;
  return recovered->passed_over &&
         (recovery->damaged || recovery->has_failed || recovered->index < recovered->passed_over);
}

static void describe(const struct recovery *recovery, char error[RECOVERY_ERROR_BYTES]) {
  uint64_t more = recovery->recovered->dropped - 1;
  const char *how_many = !recovery->is_more_damaged ? "the "
                         : more > 0                 ? "at least "
                                                    : "whatever is";
  unsigned long long damaged = recovery->damaged;
  if (lacks_snapshot(recovery)) {
    snprintf(error, RECOVERY_ERROR_BYTES,
             "%.400s, and the journal can't do without it%s%.300s: only a backup helps",
             recovery->passed_over, recovery->why[0] ? ": " : "", recovery->why);
  } else if (recovery->has_failed) {
    snprintf(error, RECOVERY_ERROR_BYTES, "%s", recovery->why);
  } else if (damaged == 1) {
    snprintf(error, RECOVERY_ERROR_BYTES,
             "batch 1 can't be replayed: %s; it is the first one: only a backup helps",
             recovery->why);
  } else {
    char number[24] = "";
    if (more > 0 || !recovery->is_more_damaged) {
      snprintf(number, sizeof number, "%llu", (unsigned long long)more);
    }
    snprintf(
        error, RECOVERY_ERROR_BYTES,
        "batch %llu can't be replayed: %s; a backup may have it, or --accept-loss-after %llu goes "
        "on without it and without %s%s behind it",
        damaged, recovery->why, damaged - 1, how_many, number);
  }
}

static bool is_accepted(const struct recovery *recovery) {
  uint64_t after = recovery->options->accept_loss_after;
  return !recovery->has_failed && !recovery->passed_over[0] && after > 0 &&
         recovery->damaged == after + 1;
}

bool recovery_run(const struct recovery_options *options, struct recovered *recovered,
                  char error[RECOVERY_ERROR_BYTES]) {
  struct recovery recovery;
  begin(&recovery, options, recovered, UINT64_MAX);
  load(&recovery);
  end(&recovery);
  if (is_accepted(&recovery) && recovery.is_half_done) { /* once more, without its first commands */
    drop_engine(recovered);
    begin(&recovery, options, recovered, options->accept_loss_after);
    load(&recovery);
    end(&recovery);
    recovery.damaged = options->accept_loss_after + 1;
    recovered->is_cut_short = true;
  }
  bool is_right = !recovery.has_failed && (!recovery.damaged || is_accepted(&recovery)) &&
                  !lacks_snapshot(&recovery);
  if (!is_right) {
    describe(&recovery, error);
    drop_engine(recovered);
  }
  return is_right;
}
