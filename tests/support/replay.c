#include "tests/support/replay.h"
#include "tests/support/apply.h"

#include "proto/wire.h"
#include "server/dispatch/encode.h"
#include "server/dispatch/operations.h"
#include "server/dispatch/processes.h"
#include "server/engine/core.h"
#include "server/engine/decoded.h"
#include "server/engine/job.h"
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
  reply_release(reply);
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

/* ---- steps */

void replay_begin(struct replay *replay, size_t memory_bytes_max) {
  struct engine_config config = {
      .first_object = 1,
      .memory_bytes_max = memory_bytes_max,
      .find_operation = operations_find,
  };
  *replay = (struct replay){0};
  struct engine_sink sink = {replay,         deliver,       close_connection,
                             forget_process, watch_process, report_deadlock};
  replay->engine = engine_new(&config, &sink);
  assert_non_null(replay->engine);
  arena_init(&replay->arena, HF_UNPACK_BYTES_MAX);
}

static void finish_job(struct replay *replay, uint64_t now_ns) {
  struct job *job = replay->jobs[0];
  replay->jobs_count--;
  memmove(replay->jobs, replay->jobs + 1, replay->jobs_count * sizeof(struct job *));
  apply_job_done(replay->engine, now_ns, job);
  job_free(job);
}

static void free_deferred(struct replay *replay) {
  apply_freed(replay->engine, engine_free_deferred(replay->deferred));
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
}

static void send_request(struct replay *replay, const struct replay_step *step) {
  Holdfast__Request *unpacked = NULL;
  struct bytes machine;
  uint64_t process;
  struct engine_request request = {
      .connection = step->connection,
      .route = sp_route_of(step->id),
      .body = step->body,
  };
  arena_reset(&replay->arena);
  if (step->body.len < DECODED_BODY_BYTES_MIN) {
    request.malformed = wire_unpack_request(step->body, &replay->arena, &unpacked);
  } else {
    request.malformed = decoded_read(step->body, engine_hash_key(replay->engine), &request.decoded);
    unpacked = request.decoded ? request.decoded->message : NULL;
  }
  request.message = request.malformed ? NULL : unpacked;
  request.operation = request.message ? operations_find(unpacked) : NULL;
  memcpy(request.entropy, step->entropy, sizeof request.entropy);
  if (request.message && processes_are_named(unpacked, &machine, &process)) {
    request.process = machine.len == 4 ? (int)(1 + process % 100) : PROCESS_ELSEWHERE;
  }
  apply_request(replay->engine, step->now_ns, &request);
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
             apply_connect_as(engine, step->connection, step->address, step->one_way,
                              step->user ? step->user : ""));
      break;
    case REPLAY_DISCONNECT:
      apply_disconnect(engine, step->now_ns, step->connection);
      break;
    case REPLAY_REQUEST:
      send_request(replay, step);
      break;
    case REPLAY_TIME:
      apply_tick(engine, step->now_ns);
      break;
    case REPLAY_PROCESS_ENDED:
      apply_process_ended(engine, step->now_ns, step->session);
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
      apply_crowded(engine, step->now_ns, step->is_crowded);
      break;
    case REPLAY_DRAIN:
      apply_drain(engine);
      break;
    case REPLAY_USERS:
      assert_true(apply_users(engine, step->now_ns, random_users(step->users)));
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
