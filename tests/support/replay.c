#include "tests/support/replay.h"

#include "server/dispatch/encode.h"
#include "server/dispatch/logged.h"
#include "server/dispatch/operations.h"
#include "server/dispatch/processes.h"
#include "server/dispatch/request.h"
#include "server/engine/core.h"
#include "server/engine/decoded.h"
#include "server/engine/job.h"
#include "server/engine/reads.h"
#include "server/engine/state_digest.h"
#include "tests/support/digest.h"
#include "tests/support/random_users.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VERSION "replay"

/* ---- effects */

static char *make_room(struct replay *replay, size_t more) {
  if (replay->effects_len + more > replay->effects_capacity) {
    replay->effects_capacity = 2 * replay->effects_capacity + more;
    replay->effects = realloc(replay->effects, replay->effects_capacity);
    assert_non_null(replay->effects);
  }
  char *end = replay->effects + replay->effects_len;
  replay->effects_len += more;
  return end;
}

static void record(struct replay *replay, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void record(struct replay *replay, const char *format, ...) {
  char line[512];
  va_list args;
  va_start(args, format);
  int len = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  assert_true(len >= 0);
  size_t used = (size_t)len < sizeof line ? (size_t)len : sizeof line - 1;
  memcpy(make_room(replay, used), line, used);
}

static void learn_objects(const struct replay *replay, const struct reply *reply) {
  bool has_objects = reply->shape == REPLY_OBJECT || reply->shape == REPLY_OBJECTS;
  for (size_t i = 0; replay->learn && has_objects && i < reply->objects_count; i++) {
    replay->learn(replay->learn_ctx, reply->objects[i].id);
  }
}

static void deliver(void *ctx, uint64_t connection, const struct sp_route *route,
                    struct reply *reply) {
  struct replay *replay = ctx;
  size_t len = encode_reply_len(reply, VERSION);
  record(replay, "\n%" PRIu64 " %u <- #%" PRIu64 " %s, %zu bytes: ", connection,
         route->len > 0 ? sp_route_id(route) : 0, reply->sequence,
         reply->reason ? hf_reason_name(reply->reason) : "OK", len);
  if (len <= HF_REPLY_BYTES_MAX) {
    encode_reply(reply, VERSION, (uint8_t *)make_room(replay, len));
  }
  learn_objects(replay, reply);
  replay->replies_count++;
  replay->failures_count += reply->reason != HF_REASON_NONE;
  if (replay->log) {
    batch_add_delivery(&replay->batch, connection, route, reply);
  } else {
    reply_release(reply);
  }
}

static void close_connection(void *ctx, uint64_t connection) {
  record(ctx, "\n%" PRIu64 " closed", connection);
}

static void forget_process(void *ctx, int process, uint64_t session) {
  record(ctx, "\nprocess %d of %" PRIx64 " forgotten", process, session);
}

static void watch_process(void *ctx, int process, uint64_t session) {
  record(ctx, "\nprocess %d of %" PRIx64 " watched", process, session);
}

static void report_deadlock(void *ctx, const char *circle) {
  record(ctx, "\ndeadlock: %s", circle);
}

/* ---- commands, with a log if there is one */

static bool apply_logged(struct replay *replay, struct command *command) {
  struct batch *batch = &replay->batch;
  command->index = replay->log->begin(replay->log->ctx);
  bool is_done = logged_apply(replay->log, replay->engine, batch, command);
  for (size_t i = 0; i < batch->deliveries_count; i++) {
    reply_release(batch->deliveries[i].reply);
  }
  batch->deliveries_count = batch->reply_bytes = 0;
  replay->log->end(replay->log->ctx);
  replay->reads_count += is_done && engine_has_only_read(replay->engine);
  return is_done;
}

/* Time never goes back. */
static bool apply(struct replay *replay, struct command command) {
  if (!replay->log) {
    return engine_apply(replay->engine, &command);
  }
  replay->now_ns = command.now_ns > replay->now_ns ? command.now_ns : replay->now_ns;
  command.now_ns = replay->now_ns;
  return apply_logged(replay, &command);
}

static void request_snapshot(void *ctx) {
  record(ctx, "\nsnapshot requested");
}

/* ---- steps */

static struct engine_sink make_sink(struct replay *replay) {
  return (struct engine_sink){.ctx = replay,
                              .deliver = deliver,
                              .close = close_connection,
                              .forget_process = forget_process,
                              .watch_process = watch_process,
                              .deadlock = report_deadlock,
                              .request_snapshot = request_snapshot};
}

void replay_begin(struct replay *replay, size_t memory_bytes_max, const struct cell_host *cells) {
  struct engine_config config = {
      .cell_host = cells,
      .first_object = 1,
      .memory_bytes_max = memory_bytes_max,
      .find_operation = operations_find,
  };
  struct engine_sink sink = make_sink(replay);
  *replay = (struct replay){0};
  replay->engine = engine_new(&config, &sink);
  assert_non_null(replay->engine);
  arena_init(&replay->arena, HF_UNPACK_BYTES_MAX);
}

void replay_begin_with(struct replay *replay, struct engine *engine) {
  struct engine_sink sink = make_sink(replay);
  *replay = (struct replay){.engine = engine, .now_ns = engine_now_ns(engine)};
  engine_set_sink(engine, &sink);
  arena_init(&replay->arena, HF_UNPACK_BYTES_MAX);
}

static void finish_job(struct replay *replay, uint64_t now_ns) {
  struct job *job = replay->jobs[0];
  replay->jobs_count--;
  memmove(replay->jobs, replay->jobs + 1, replay->jobs_count * sizeof(struct job *));
  do {
    apply(replay, (struct command){.kind = COMMAND_JOB_DONE, .now_ns = now_ns, .job = job});
  } while (!job->is_back);
  job_free(job);
}

static void free_deferred(struct replay *replay) {
  size_t bytes = engine_free_deferred(replay->deferred);
  apply(replay, (struct command){.kind = COMMAND_FREED, .freed_bytes = bytes});
  replay->deferred = NULL;
}

void replay_end(struct replay *replay) {
  while (replay->jobs_count > 0) {
    finish_job(replay, 0);
  }
  free_deferred(replay);
  engine_free(replay->engine);
  arena_deinit(&replay->arena);
  free(replay->effects);
  free(replay->batch.deliveries);
}

static void send_request(struct replay *replay, const struct replay_step *step) {
  struct bytes machine;
  uint64_t process;
  struct engine_request request = {
      .connection = step->connection,
      .route = sp_route_of(step->id),
      .body = step->body,
  };
  arena_reset(&replay->arena);
  request_decode(&request, &replay->arena, engine_hash_key(replay->engine));
  memcpy(request.entropy, step->entropy, sizeof request.entropy);
  if (request.message && processes_are_named(request.message, &machine, &process)) {
    request.process = machine.len == 4 ? (int)(1 + process % 100) : PROCESS_ELSEWHERE;
  }
  apply(replay,
        (struct command){.kind = COMMAND_REQUEST, .now_ns = step->now_ns, .request = &request});
  decoded_free(request.decoded);
}

static void take_job(struct replay *replay) {
  struct job *job = replay->jobs_count < REPLAY_JOBS_MAX ? engine_take_job(replay->engine) : NULL;
  if (job) {
    job_run(job);
    replay->jobs[replay->jobs_count++] = job;
  }
}

void replay_apply(struct replay *replay, const struct replay_step *step) {
  struct engine *engine = replay->engine;
  replay->effects_len = 0;
  switch (step->kind) {
    case REPLAY_CONNECT:
      record(replay, "connected %d",
             apply(replay, (struct command){.kind = COMMAND_CONNECT,
                                            .connection = step->connection,
                                            .address = step->address,
                                            .user = bytes_of_text(step->user ? step->user : ""),
                                            .one_way = step->one_way}));
      break;
    case REPLAY_DISCONNECT:
      apply(replay, (struct command){.kind = COMMAND_DISCONNECT,
                                     .now_ns = step->now_ns,
                                     .connection = step->connection});
      break;
    case REPLAY_REQUEST:
      send_request(replay, step);
      break;
    case REPLAY_TIME:
      apply(replay, (struct command){.kind = COMMAND_TICK, .now_ns = step->now_ns});
      break;
    case REPLAY_PROCESS_ENDED:
      apply(replay,
            (struct command){
                .kind = COMMAND_PROCESS_ENDED, .now_ns = step->now_ns, .session = step->session});
      break;
    case REPLAY_TAKE_JOB:
      take_job(replay);
      break;
    case REPLAY_FINISH_JOB:
      if (replay->jobs_count > 0) {
        finish_job(replay, step->now_ns);
      }
      break;
    case REPLAY_FREE:
      free_deferred(replay);
      break;
    case REPLAY_CROWDED:
      apply(replay,
            (struct command){
                .kind = COMMAND_CROWDED, .now_ns = step->now_ns, .is_crowded = step->is_crowded});
      break;
    case REPLAY_DRAIN:
      apply(replay, (struct command){.kind = COMMAND_DRAIN});
      break;
    case REPLAY_RESTART:
      engine_free_deferred(replay->deferred); /* by the end of the process: no command says so */
      replay->deferred = NULL;
      assert_true(apply(replay, (struct command){.kind = COMMAND_RESTART,
                                                 .now_ns = step->now_ns,
                                                 .memory_bytes_max = engine->memory.max}));
      break;
    case REPLAY_DISK:
      apply(replay, (struct command){
                        .kind = COMMAND_DISK, .now_ns = step->now_ns, .is_full = step->is_full});
      break;
    case REPLAY_USERS:
      assert_true(apply(replay, (struct command){.kind = COMMAND_USERS,
                                                 .now_ns = step->now_ns,
                                                 .users = random_users(step->users)}));
      break;
  }
  replay->deferred = engine_join_deferred(replay->deferred, engine_take_deferred(engine));
  decoded_free(engine_take_answered(engine));
}

/* ---- comparing */

static void print_effects(const char *whose, const struct replay *replay) {
  printf("%s:", whose);
  for (size_t i = 0; i < replay->effects_len && i < 4000; i++) {
    char c = replay->effects[i];
    putchar(c == '\n' || (c >= ' ' && c <= '~') ? c : '.');
  }
  printf("\n");
}

static bool has_same_effects(const struct replay *one, const struct replay *other) {
  bool same =
      one->effects_len == other->effects_len &&
      (one->effects_len == 0 || memcmp(one->effects, other->effects, one->effects_len) == 0);
  if (!same) {
    print_effects("one", one);
    print_effects("other", other);
  }
  return same;
}

/* Numbers that an engine keeps beside its objects and sessions. */
#define NUMBERS_MAX 32

static size_t read_numbers(const struct engine *engine, bool all, uint64_t *numbers) {
  const uint64_t read[] = {all ? digest_state(engine) : 0,
                           engine->next_ticket,
                           engine->next_token,
                           engine->next_session_number,
                           engine->registry.next_id,
                           engine->requests,
                           engine->duplicates,
                           engine->waiting,
                           engine->deadlocks,
                           engine->peers.count,
                           engine->addresses.count,
                           engine->timers.count,
                           engine->timers.next_order,
                           engine->dropped_values.len,
                           engine->draining,
                           digest_users(engine),
                           engine_digest(engine),
                           engine_next_deadline_ns(engine)};
  size_t count = sizeof read / sizeof *read;
  memcpy(numbers, read, sizeof read);
  for (size_t use = 0; use < MEMORY_USES; use++) {
    numbers[count++] = engine->memory.used[use];
  }
  return count;
}

static bool has_same_numbers(const struct replay *one, const struct replay *other, bool all) {
  uint64_t numbers[NUMBERS_MAX], others[NUMBERS_MAX];
  size_t count = read_numbers(one->engine, all, numbers);
  read_numbers(other->engine, all, others);
  for (size_t i = 0; i < count; i++) {
    if (numbers[i] != others[i]) {
      bool is_memory = i >= count - MEMORY_USES;
      const char *use =
          is_memory ? memory_use_name((enum memory_use)(i - (count - MEMORY_USES))) : "no";
      printf("number %zu of the state (%s memory) is %" PRIu64 " and %" PRIu64 "\n", i, use,
             numbers[i], others[i]);
      return false;
    }
  }
  return true;
}

bool replay_is_equal(const struct replay *one, const struct replay *other, bool all) {
  bool same_effects = has_same_effects(one, other);
  return has_same_numbers(one, other, all) && same_effects;
}
