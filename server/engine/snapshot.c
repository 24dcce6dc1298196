/* A snapshot as a whole: see snapshot_parts.h for its parts. */
#include "server/engine/snapshot.h"

#include "server/engine/settle.h"
#include "server/engine/snapshot_parts.h"

#include <string.h>

#define MAGIC "holdfast snapshot"
#define VERSION 2

/* ---- writing */

/* Counters and next numbers. Read before the objects, whose ids are checked. */
static const struct snapshot_field engine_rows[] = {
    SNAPSHOT_FIELD(1, struct engine, registry.next_id),
    SNAPSHOT_FIELD(2, struct engine, next_ticket),
    SNAPSHOT_FIELD(3, struct engine, next_token),
    SNAPSHOT_FIELD(4, struct engine, next_session_number),
    SNAPSHOT_FIELD(5, struct engine, timers.next_order),
    SNAPSHOT_FIELD(6, struct engine, requests),
    SNAPSHOT_FIELD(7, struct engine, duplicates),
    SNAPSHOT_FIELD(8, struct engine, deadlocks),
    SNAPSHOT_FIELD(9, struct engine, draining),
    SNAPSHOT_FIELD(11, struct engine, now_ns),
    SNAPSHOT_FIELD(40, struct engine, crowding.since_ns),
    SNAPSHOT_FIELD(41, struct engine, crowding.total_ns),
    SNAPSHOT_FIELD(42, struct engine, next_job),
    SNAPSHOT_FIELD(43, struct engine, is_disk_full),
    SNAPSHOT_FIELD(44, struct engine, memory.max),
};
static const struct snapshot_fields engine_fields = SNAPSHOT_FIELDS(engine_rows);
enum { HASH_KEY = 10 };

enum { START_MAGIC = 1, START_VERSION };
enum { END_RECORDS = 1 };

bool engine_is_settled(const struct engine *engine) {
  return !core_has_work(engine) && TAILQ_EMPTY(&engine->jobs) && TAILQ_EMPTY(&engine->taken_jobs) &&
         TAILQ_EMPTY(&engine->reviewed) && engine->memory.used[MEMORY_RECLAIMED] == 0;
}

bool engine_snapshot(const struct engine *engine, const struct snapshot_writer *writer) {
  struct snapshot_out out = {.writer = writer};
  const struct value_hash_key *hash_key = &engine->config.hash_key;
  snapshot_put_bytes(&out, START_MAGIC, bytes_of_text(MAGIC));
  snapshot_put_number(&out, START_VERSION, VERSION);
  snapshot_end_record(&out, RECORD_START);
  snapshot_put_fields(&out, &engine_fields, engine);
  snapshot_put_bytes(&out, HASH_KEY, bytes_of(hash_key->bytes, sizeof hash_key->bytes));
  snapshot_end_record(&out, RECORD_ENGINE);
  snapshot_users(engine, &out);
  snapshot_shares(engine, &out);
  snapshot_sessions(engine, &out);
  snapshot_connections(engine, &out);
  snapshot_objects(engine, &out);
  snapshot_waiters(engine, &out);
  snapshot_put_number(&out, END_RECORDS, out.records);
  snapshot_end_record(&out, RECORD_END);
  snapshot_out_deinit(&out);
  return !out.has_failed && engine_is_settled(engine);
}

/* ---- reading */

struct start {
  bool is_magic;
  uint64_t version;
};

static bool visit_start(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct start *start = ctx;
  (void)in;
  if (field->number == START_MAGIC && field->type == DELIMITED) {
    start->is_magic = bytes_equal(field->content, bytes_of_text(MAGIC));
  } else if (field->number == START_VERSION && field->type == VARINT) {
    start->version = field->integer;
  }
  return true;
}

static bool read_start(struct snapshot_in *in) {
  struct snapshot_record record;
  struct start start = {0};
  bool is_read = snapshot_next_record(in, &record) && record.number == RECORD_START &&
                 snapshot_read(in, record.body, NULL, NULL, visit_start, &start);
  if (!is_read || !start.is_magic) {
    in->why = "this is no snapshot";
    return false;
  }
  return start.version == VERSION ||
         snapshot_fail(in, "the snapshot is of a version that this server does not know");
}

static bool visit_engine(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct engine_config *config = ctx;
  if (field->number != HASH_KEY) {
    return true;
  }
  if (field->type != DELIMITED || field->content.len != sizeof config->hash_key.bytes) {
    return snapshot_fail(in, "the key of hashes is none");
  }
  memcpy(config->hash_key.bytes, field->content.data, sizeof config->hash_key.bytes);
  return true;
}

/* What comes before all else: an empty engine with the snapshot's key. NULL: in.why */
static struct engine *read_engine(struct restoring *restoring, const struct engine_config *config,
                                  const struct engine_sink *sink) {
  struct snapshot_record record;
  struct snapshot_in *in = &restoring->in;
  struct engine_config keyed = *config;
  if (!snapshot_next_record(in, &record) || record.number != RECORD_ENGINE ||
      !snapshot_read(in, record.body, NULL, NULL, visit_engine, &keyed)) {
    snapshot_fail(in, "nothing is said of the engine");
    return NULL;
  }
  struct engine *engine = engine_new(&keyed, sink);
  if (!engine) {
    snapshot_lacks_memory(restoring);
    return NULL;
  }
  engine->next_token = 0;
  restoring->engine = engine;
  if (snapshot_read(in, record.body, &engine_fields, engine, NULL, NULL)) {
    restoring->next_id = engine->registry.next_id;
    engine->registry.next_id = 0;
  }
  return engine;
}

static bool visit_end(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  uint64_t *records = ctx;
  (void)in;
  if (field->number == END_RECORDS && field->type == VARINT) {
    *records = field->integer;
  }
  return true;
}

static bool read_end(struct restoring *restoring, struct bytes body, uint64_t records) {
  uint64_t said = 0;
  struct snapshot_in *in = &restoring->in;
  restoring->is_ended = true;
  return snapshot_read(in, body, NULL, NULL, visit_end, &said) &&
         ((said == records && in->reader.next == in->reader.end) ||
          snapshot_fail(in, "records are missing"));
}

static bool read_record(struct restoring *restoring, const struct snapshot_record *record,
                        uint64_t records) {
  if (record->number < RECORD_CONTENT && !restore_end_object(restoring)) {
    return false;
  }
  switch (record->number) {
    case RECORD_USER:
      return restore_user(restoring, record->body);
    case RECORD_SHARE:
      return restore_share(restoring, record->body);
    case RECORD_SESSION:
      return restore_session(restoring, record->body);
    case RECORD_REPLY:
      return restore_kept_reply(restoring, record->body);
    case RECORD_FORKED:
      return restore_forked(restoring, record->body);
    case RECORD_LOST:
      return restore_lost(restoring, record->body);
    case RECORD_CONNECTION:
      return restore_connection(restoring, record->body);
    case RECORD_OBJECT:
      return restore_object(restoring, record->body);
    case RECORD_WAITER:
      return restore_waiter(restoring, record->body);
    case RECORD_SUSPENDED:
      return restore_suspended(restoring, record->body);
    case RECORD_END:
      return read_end(restoring, record->body, records);
    default:
      return record->number < RECORD_CONTENT || restore_content(restoring, record);
  }
}

/* Begins behind the first two. */
static bool read_records(struct restoring *restoring) {
  struct snapshot_record record;
  uint64_t records = 2;
  while (!restoring->is_ended && snapshot_next_record(&restoring->in, &record)) {
    if (!read_record(restoring, &record, records++)) {
      return false;
    }
  }
  return restoring->is_ended || snapshot_fail(&restoring->in, "the end is missing");
}

static bool restore(struct restoring *restoring) {
  struct registry *registry = &restoring->engine->registry;
  if (restoring->in.why || !read_records(restoring) || !restore_end_sessions(restoring)) {
    return false;
  }
  registry->next_id = restoring->next_id;
  return true;
}

/* Its sink did not hear of any process. */
static void forget(struct engine *engine) {
  uint64_t position = 0, serial;
  void *session;
  while (map64_next(&engine->sessions, &position, &serial, &session)) {
    ((struct session *)session)->process = PROCESS_ELSEWHERE;
  }
  engine_free(engine);
}

/* As they were in the engine that was written. */
static void watch_processes(struct engine *engine) {
  uint64_t position = 0, serial;
  void *item;
  while (map64_next(&engine->sessions, &position, &serial, &item)) {
    const struct session *session = item;
    if (session->process >= 0 && (session->is_lost || session->is_unadopted)) {
      engine->sink.watch_process(engine->sink.ctx, session->process, serial);
    }
  }
}

struct engine *engine_restore(const struct engine_config *config, const struct engine_sink *sink,
                              struct bytes bytes, struct snapshot_error *error) {
  struct restoring restoring = {.in.reader = {bytes.data, bytes.data + bytes.len}};
  arena_init(&restoring.in.arena, HF_UNPACK_BYTES_MAX);
  struct engine *engine = read_start(&restoring.in) ? read_engine(&restoring, config, sink) : NULL;
  bool is_restored = engine && restore(&restoring);
  restore_end_shares(&restoring);
  if (engine && !is_restored) {
    forget(engine);
  }
  map64_deinit(&restoring.tickets);
  arena_deinit(&restoring.in.arena);
  if (!is_restored) {
    *error =
        (struct snapshot_error){restoring.in.why, (size_t)(restoring.in.reader.next - bytes.data)};
    return NULL;
  }
  watch_processes(engine);
  return engine;
}
