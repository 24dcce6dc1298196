/* Plays a random story to an engine, and writes down what it says. */
#include "proto/wire.h"
#include "server/dispatch/encode.h"
#include "server/dispatch/operations.h"
#include "server/engine/decoded.h"
#include "server/engine/job.h"
#include "server/engine/session.h"
#include "tests/support/apply.h"
#include "tests/support/random_story.h"
#include "tests/support/random_users.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY_BYTES ((size_t)1 << 30)
#define VERSION "1"

static uint8_t *reserve(struct random_stage *stage, size_t len) {
  if (stage->len + len > stage->capacity) {
    stage->capacity = 2 * (stage->len + len);
    stage->bytes = realloc(stage->bytes, stage->capacity);
    if (!stage->bytes) {
      abort();
    }
  }
  stage->len += len;
  return stage->bytes + stage->len - len;
}

static void write_number(struct random_stage *stage, uint64_t number) {
  memcpy(reserve(stage, sizeof number), &number, sizeof number);
}

static void learn_from(struct random_stage *stage, const struct reply *reply) {
  struct random_story *story = stage->learner;
  if (reply->shape == REPLY_OBJECT) {
    request_maker_learn(&story->maker, reply->objects[0].id);
  } else if (reply->shape == REPLY_RESERVATION) {
    story->reservations[story->reservations_count++ % RANDOM_RESERVATIONS] = reply->reservation;
  }
}

static void deliver(void *ctx, uint64_t connection, const struct sp_route *route,
                    struct reply *reply) {
  struct random_stage *stage = ctx;
  write_number(stage, connection);
  write_number(stage, sp_route_id(route));
  size_t len = encode_reply_len(reply, VERSION);
  encode_reply(reply, VERSION, reserve(stage, len));
  if (stage->learner) {
    learn_from(stage, reply);
  }
  stage->replies++;
  reply_release(reply);
}

static void close_connection(void *ctx, uint64_t connection) {
  write_number(ctx, connection);
}

static void record_process(void *ctx, int process, uint64_t session) {
  write_number(ctx, (uint64_t)process);
  write_number(ctx, session);
}

static void report_deadlock(void *ctx, const char *circle) {
  size_t len = strlen(circle);
  memcpy(reserve(ctx, len), circle, len);
}

struct engine_config random_stage_config(void) {
  return (struct engine_config){
      .hash_key = {{7}},
      .first_object = 1,
      .memory_bytes_max = MEMORY_BYTES,
      .find_operation = operations_find,
  };
}

struct engine_sink random_stage_sink(struct random_stage *stage) {
  return (struct engine_sink){stage,          deliver,        close_connection,
                              record_process, record_process, report_deadlock};
}

void random_stage_end(struct random_stage *stage) {
  if (stage->engine) {
    engine_free(stage->engine);
  }
  free(stage->bytes);
  *stage = (struct random_stage){0};
}

/* Some processes can be watched. */
static int process_of(const Holdfast__Request *message) {
  bool opens = message && message->operation_case == HOLDFAST__REQUEST__OPERATION_OPEN_SESSION;
  uint64_t id = opens ? message->open_session->process : 0;
  return id > 4 ? PROCESS_ELSEWHERE : (int)id;
}

static void apply(struct random_stage *stage, const struct random_story *story) {
  struct engine_request request = {
      .connection = story->connection,
      .route = sp_route_of((uint32_t)story->events),
      .body = bytes_of(story->body, story->body_len),
  };
  struct arena arena;
  Holdfast__Request *message = NULL;
  memcpy(request.entropy, story->entropy, sizeof request.entropy);
  arena_init(&arena, HF_UNPACK_BYTES_MAX);
  bool is_large = story->body_len >= DECODED_BODY_BYTES_MIN;
  request.malformed =
      is_large ? decoded_read(request.body, engine_hash_key(stage->engine), &request.decoded)
               : wire_unpack_request(request.body, &arena, &message);
  request.message = is_large && request.decoded ? request.decoded->message : message;
  request.operation = request.message ? operations_find(request.message) : NULL;
  request.process = process_of(request.message);
  apply_request(stage->engine, story->now_ns, &request);
  decoded_free(request.decoded);
  arena_deinit(&arena);
}

/* What is done beside the engine, and what was too much for one command. */
static void go_on(struct random_stage *stage, uint64_t now_ns) {
  struct job *job;
  struct engine *engine = stage->engine;
  do {
    while ((job = engine_take_job(engine))) {
      job_run(job);
      apply_job_done(engine, now_ns, job);
      job_free(job);
    }
    if (engine_next_deadline_ns(engine) <= now_ns) {
      apply_tick(engine, now_ns);
    }
  } while (engine_next_deadline_ns(engine) <= now_ns);
  decoded_free(engine_take_answered(engine));
  struct object *deferred = engine_take_deferred(engine);
  apply_freed(engine, engine_free_deferred(deferred));
}

void random_stage_play(struct random_stage *stage, const struct random_story *story) {
  stage->len = 0;
  switch (story->event) {
    case RANDOM_REQUEST:
      apply(stage, story);
      break;
    case RANDOM_CONNECT:
      write_number(stage, apply_connect_as(stage->engine, story->connection,
                                           ADDRESS_LOCAL + story->connection % 2, story->one_way,
                                           story->user));
      break;
    case RANDOM_DISCONNECT:
      apply_disconnect(stage->engine, story->now_ns, story->connection);
      break;
    case RANDOM_PROCESS:
      apply_process_ended(stage->engine, story->now_ns, story->serial);
      break;
    case RANDOM_USERS:
      if (!apply_users(stage->engine, story->now_ns, random_users(story->users))) {
        abort();
      }
      break;
    case RANDOM_TIME:
      apply_tick(stage->engine, story->now_ns);
      break;
  }
  go_on(stage, story->now_ns);
}
