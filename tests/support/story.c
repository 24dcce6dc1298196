#include "tests/support/story.h"
#include "tests/support/apply.h"

#include "proto/base/clock.h"
#include "server/dispatch/operations.h"
#include "server/dispatch/processes.h"
#include "server/engine/decoded.h"
#include "server/engine/job.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

static uint64_t last_object, last_objects_count;

static void write_down(struct story *story, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void write_down(struct story *story, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int wrote = vsnprintf(story->text + story->len, sizeof story->text - story->len, format, args);
  va_end(args);
  assert_true(wrote >= 0 && (size_t)wrote < sizeof story->text - story->len);
  story->len += (size_t)wrote;
}

static void write_value(struct story *story, const struct value *value) {
  if (value->kind == VALUE_INT) {
    write_down(story, " %" PRId64, value->integer);
  } else if (value->kind == VALUE_REFERENCE) {
    write_down(story, " reference");
  } else if (value->kind == VALUE_TEXT) {
    struct bytes text = value_content(value);
    write_down(story, " %.*s", (int)text.len, (const char *)text.data);
  }
}

static void write_locks(struct story *story, const struct reply *reply) {
  for (size_t i = 0; i < reply->locks_count; i++) {
    const struct reply_lock *lock = &reply->locks[i];
    write_value(story, &lock->name);
    write_down(story, " of %" PRIu64 " awaited by", lock->owner.session);
    for (size_t j = 0; j < lock->waiters_count; j++) {
      write_down(story, " %" PRIu64, lock->waiters[j].session);
    }
    if (lock->more_waiters) {
      write_down(story, " and %" PRIu64 " more", lock->more_waiters);
    }
    write_down(story, lock->deadlocked ? " deadlocked;" : ";");
  }
  if (reply->more_locks) {
    story->page_end = reply->after_lock;
    write_down(story, " more after %s", reply->after_lock ? "an id" : "nothing");
  }
}

/* The names of a few, how many there are of more. */
static void write_objects(struct story *story, const struct reply *reply) {
  write_down(story, " %zu:", reply->objects_count);
  for (size_t i = 0; i < reply->objects_count && reply->objects_count <= 8; i++) {
    bool is_named = !value_is_absent(reply->objects[i].name);
    write_down(story, "%s", is_named ? "" : " anonymous");
    write_value(story, &reply->objects[i].name);
  }
  if (reply->more) {
    bool is_id = reply->after.kind != VALUE_TEXT;
    story->page_end = is_id ? (uint64_t)reply->after.integer : 0;
    struct value name = is_id ? value_none() : reply->after;
    write_down(story, ", more after%s", is_id ? " an id" : "");
    write_value(story, &name);
  }
}

static void write_object(struct story *story, const struct reply_object *object) {
  write_down(story, object->created ? " created" : " there");
  if (object->segment) {
    write_down(story, " shared");
  }
  if (object->locked) {
    struct bytes owner = value_content(&object->owner);
    write_down(story, " locked by \"%.*s\"", (int)owner.len, (const char *)owner.data);
  }
}

static void write_outcome(struct story *story, const struct reply *reply);

static void write_result(struct story *story, const struct reply *reply) {
  switch (reply->shape) {
    case REPLY_VALUE:
      write_value(story, &reply->value);
      break;
    case REPLY_VALUES:
      for (size_t i = 0; i < reply->values_count; i++) {
        write_value(story, &reply->values[i]);
      }
      break;
    case REPLY_RESERVATION:
      write_value(story, &reply->item);
      write_down(story, ", reserved as %" PRIu64, reply->reservation);
      if (reply->tries) {
        write_down(story, ", tried %" PRIu64, reply->tries);
      }
      break;
    case REPLY_FLAG:
      write_down(story, reply->flag ? " yes" : " no");
      break;
    case REPLY_COUNT:
      write_down(story, " %" PRId64, reply->count);
      break;
    case REPLY_GRANT:
      write_down(story, " granted%s", reply->owner_died ? ", owner died" : "");
      break;
    case REPLY_ARRIVAL:
      write_down(story, " index %" PRIu64 "%s", reply->index, reply->acts ? ", acts" : "");
      if (reply->acts) {
        write_down(story, " in round %" PRIu64, reply->round);
      }
      break;
    case REPLY_SESSION:
      write_down(story, " session");
      break;
    case REPLY_OBJECT:
      last_object = reply->objects[0].id;
      write_object(story, &reply->objects[0]);
      break;
    case REPLY_FLUSHED:
      write_down(story, " received %" PRIu64 " finished %" PRIu64 " failed %" PRIu64,
                 reply->flushed->received, reply->flushed->finished, reply->flushed->failed);
      break;
    case REPLY_OBJECTS:
      write_objects(story, reply);
      break;
    case REPLY_PAGE:
      write_down(story, " %zu of %" PRIu64 "%s", reply->values_count / 2, reply->length,
                 reply->cursor ? ", more" : "");
      break;
    case REPLY_LOCKS:
      write_locks(story, reply);
      break;
    case REPLY_EXCHANGE:
      write_down(story, reply->swapped ? " swapped" : " not swapped");
      write_value(story, &reply->found);
      break;
    case REPLY_FIRST:
      write_down(story, " first %" PRIu32 ": ", reply->first);
      write_outcome(story, reply->outcomes[0]);
      break;
    case REPLY_RESULTS:
      for (size_t i = 0; i < reply->outcomes_count; i++) {
        write_down(story, i ? ", " : " ");
        write_outcome(story, reply->outcomes[i]);
      }
      break;
    default:
      break;
  }
}

static void write_outcome(struct story *story, const struct reply *reply) {
  write_down(story, "%s", hf_status_name(reply_status(reply)));
  if (reply->reason) {
    write_down(story, " %s", hf_reason_name(reply->reason));
  }
  if (reply->reason && reply->part) {
    write_down(story, " of part %" PRIu32, reply->part);
  }
  write_result(story, reply);
}

/* Nothing of a server without users. */
static void write_users(struct story *story, const struct reply_server *server) {
  for (size_t i = 0; i < server->users_count; i++) {
    const struct reply_user *user = &server->users[i];
    write_down(story,
               "%.*s%s: %" PRIu64 " objects, %" PRIu64 " sessions, %" PRIu64
               " connections, %" PRIu64 " waiting\n",
               (int)user->name_len, user->name, user->is_gone ? " (removed)" : "", user->objects,
               user->sessions, user->connections, user->waiting);
  }
}

static void deliver(void *ctx, uint64_t connection, const struct sp_route *route,
                    struct reply *reply) {
  struct story *story = ctx;
  (void)route;
  if (!value_is_absent(reply->sentence)) {
    struct bytes sentence = value_content(&reply->sentence);
    snprintf(story->sentence, sizeof story->sentence, "%.*s", (int)sentence.len,
             (const char *)sentence.data);
  }
  if (reply->shape == REPLY_SERVER) {
    last_objects_count = reply->server->objects;
    write_users(story, reply->server);
  } else {
    write_down(story, "%" PRIu64 " <- #%" PRIu64 " ", connection, reply->sequence);
    write_outcome(story, reply);
    write_down(story, "\n");
  }
  reply_release(reply);
}

static void close_connection(void *ctx, uint64_t connection) {
  write_down(ctx, "%" PRIu64 " closed\n", connection);
}

static void forget_process(void *ctx, int process, uint64_t session) {
  (void)session;
  write_down(ctx, "process %d forgotten\n", process);
}

static void watch_process(void *ctx, int process, uint64_t session) {
  struct story *story = ctx;
  story->watched_session = session;
  write_down(story, "process %d watched\n", process);
}

static void report_deadlock(void *ctx, const char *circle) {
  write_down(ctx, "deadlock: %s\n", circle);
}

void story_forget(struct story *story) {
  story->len = 0;
  story->text[0] = 0;
}

void story_begin_sharing(struct story *story, const struct cell_host *cells,
                         size_t memory_bytes_max) {
  struct engine_config config = {
      .first_object = 1,
      .memory_bytes_max = memory_bytes_max,
      .find_operation = operations_find,
      .cell_host = cells,
  };
  struct engine_sink sink = {story,          deliver,       close_connection,
                             forget_process, watch_process, report_deadlock};
  story->now_ns = 1;
  story->next_entropy = 0;
  story->in_slices = story->keeps_jobs = false;
  story_forget(story);
  story->engine = engine_new(&config, &sink);
  assert_non_null(story->engine);
}

void story_begin_with_memory(struct story *story, size_t memory_bytes_max) {
  story_begin_sharing(story, NULL, memory_bytes_max);
}

void story_begin(struct story *story) {
  story_begin_with_memory(story, 1u << 20);
}

static void open_sessions(struct story *story, uint64_t count) {
  for (uint64_t connection = 1; connection <= count; connection++) {
    story_connect(story, connection);
    story_open_session(story, connection);
  }
  story_forget(story);
}

void story_begin_connected(struct story *story, uint64_t count) {
  story_begin(story);
  open_sessions(story, count);
}

void story_begin_with_web(struct story *story, const struct user_right *rights, size_t count) {
  const struct user_settings web = {
      .name = bytes_of_text("web"), .rights = rights, .rights_count = count};
  story_begin_connected(story, 1);
  story_set_users(story, &web, 1);
  story_connect_as(story, 2, false, "web");
  story_open_session(story, 2);
  story_forget(story);
}

void story_begin_crowded(struct story *story, uint64_t count) {
  story_begin_with_memory(story, 64u << 20);
  open_sessions(story, count);
}

void story_end(struct story *story) {
  engine_free(story->engine);
}

bool story_said(const struct story *story, const char *text) {
  return strstr(story->text, text) != NULL;
}

void story_expect(struct story *story, const char *expected) {
  assert_string_equal(story->text, expected);
  story_forget(story);
}

bool story_run_job(struct story *story) {
  struct job *job = engine_take_job(story->engine);
  if (job) {
    job_run(job);
    apply_job_done(story->engine, story->now_ns, job);
    job_free(job);
  }
  return job != NULL;
}

/* What was too much for one command goes on, as the ticker would see to, unless the test does. */
static void go_on(struct story *story) {
  while (!story->keeps_jobs && story_run_job(story)) {
  }
  while (!story->in_slices && engine_next_deadline_ns(story->engine) <= story->now_ns) {
    apply_tick(story->engine, story->now_ns);
  }
  decoded_free(engine_take_answered(story->engine));
}

bool story_run_slice(struct story *story) {
  apply_tick(story->engine, story->now_ns);
  return engine_next_deadline_ns(story->engine) <= story->now_ns;
}

void story_crowd(struct story *story, bool is_crowded) {
  apply_crowded(story->engine, story->now_ns, is_crowded);
}

void story_pass_ms(struct story *story, uint64_t ms) {
  story->now_ns += ms * CLOCK_NS_PER_MS;
  apply_tick(story->engine, story->now_ns);
  go_on(story);
}

void story_connect(struct story *story, uint64_t connection) {
  assert_true(apply_connect(story->engine, connection, ADDRESS_LOCAL, false));
}

void story_connect_one_way(struct story *story, uint64_t connection) {
  assert_true(apply_connect(story->engine, connection, ADDRESS_LOCAL, true));
}

void story_connect_as(struct story *story, uint64_t connection, bool one_way, const char *user) {
  assert_true(apply_connect_as(story->engine, connection, ADDRESS_LOCAL, one_way, user));
}

void story_set_users(struct story *story, const struct user_settings *users, size_t count) {
  struct users_settings settings = {users, count};
  assert_true(apply_users(story->engine, story->now_ns, &settings));
  go_on(story);
}

void story_end_process(struct story *story) {
  apply_process_ended(story->engine, story->now_ns, story->watched_session);
  go_on(story);
}

void story_disconnect(struct story *story, uint64_t connection) {
  apply_disconnect(story->engine, story->now_ns, connection);
  go_on(story);
}

Holdfast__Request story_request(uint64_t sequence, const char *name, int64_t timeout_ms) {
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  request.sequence = sequence;
  if (name) {
    request.target_case = HOLDFAST__REQUEST__TARGET_NAME;
    request.name = (ProtobufCBinaryData){strlen(name), (uint8_t *)name};
  }
  if (timeout_ms != STORY_WAIT_FOREVER) {
    request.wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
    request.timeout_ms = timeout_ms;
  }
  return request;
}

void story_send(struct story *story, uint64_t connection, Holdfast__Request *request) {
  struct bytes machine;
  uint64_t process;
  size_t len = holdfast__request__get_packed_size(request);
  uint8_t *body = malloc(len + 1);
  body = body ? body : malloc(len + 1); /* the one that a sweep made fail is not the engine's */
  assert_non_null(body);
  holdfast__request__pack(request, body);
  struct engine_request applied = {
      .connection = connection,
      .body = bytes_of(body, len),
      .message = request,
      .operation = operations_find(request),
  };
  memset(applied.entropy, story->next_entropy, sizeof applied.entropy);
  if (processes_are_named(request, &machine, &process)) {
    applied.process = (int)process;
  }
  if (len >= DECODED_BODY_BYTES_MIN &&
      !decoded_read(applied.body, engine_hash_key(story->engine), &applied.decoded)) {
    applied.message = applied.decoded->message;
  }
  apply_request(story->engine, story->now_ns, &applied);
  story->pause_ns = applied.pause_ns;
  decoded_free(applied.decoded);
  go_on(story);
  free(body);
}

uint8_t story_open_session(struct story *story, uint64_t connection) {
  return story_open_session_of(story, connection, 0);
}

uint8_t story_open_session_of(struct story *story, uint64_t connection, int process) {
  Holdfast__OpenSession open = HOLDFAST__OPEN_SESSION__INIT;
  Holdfast__Request request = story_request(0, NULL, STORY_WAIT_FOREVER);
  open.machine = (ProtobufCBinaryData){process ? 4 : 0, (uint8_t *)"here"};
  open.process = (uint64_t)process;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OPEN_SESSION;
  request.open_session = &open;
  story->next_entropy++;
  story_send(story, connection, &request);
  return story->next_entropy;
}

void story_resume(struct story *story, uint64_t connection, uint8_t session, uint64_t attempt) {
  uint8_t id[HF_SESSION_BYTES];
  Holdfast__ResumeSession resume = HOLDFAST__RESUME_SESSION__INIT;
  Holdfast__Request request = story_request(0, NULL, STORY_WAIT_FOREVER);
  memset(id, session, sizeof id);
  resume.attempt = attempt;
  request.session = (ProtobufCBinaryData){sizeof id, id};
  request.operation_case = HOLDFAST__REQUEST__OPERATION_RESUME_SESSION;
  request.resume_session = &resume;
  story_send(story, connection, &request);
}

void story_close_session(struct story *story, uint64_t connection) {
  Holdfast__CloseSession close = HOLDFAST__CLOSE_SESSION__INIT;
  Holdfast__Request request = story_request(0, NULL, STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_CLOSE_SESSION;
  request.close_session = &close;
  story_send(story, connection, &request);
}

uint64_t story_open(struct story *story, uint64_t connection, uint64_t sequence,
                    Holdfast__Kind kind, const char *name, int64_t maxsize) {
  Holdfast__ObjectOpen open = HOLDFAST__OBJECT_OPEN__INIT;
  Holdfast__Request request = story_request(sequence, NULL, STORY_WAIT_FOREVER);
  open.kind = kind;
  open.maxsize = maxsize;
  if (name) {
    open.name = (ProtobufCBinaryData){strlen(name), (uint8_t *)name};
  }
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN;
  request.object_open = &open;
  story_send(story, connection, &request);
  return last_object;
}

void story_put(struct story *story, uint64_t connection, uint64_t sequence, const char *queue,
               int64_t integer, int64_t timeout_ms) {
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__QueuePut put = HOLDFAST__QUEUE_PUT__INIT;
  Holdfast__Request request = story_request(sequence, queue, timeout_ms);
  value.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  value.integer = integer;
  put.value = &value;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_PUT;
  request.queue_put = &put;
  story_send(story, connection, &request);
}

void story_get(struct story *story, uint64_t connection, uint64_t sequence, const char *queue,
               int64_t timeout_ms) {
  Holdfast__QueueGet get = HOLDFAST__QUEUE_GET__INIT;
  Holdfast__Request request = story_request(sequence, queue, timeout_ms);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_GET;
  request.queue_get = &get;
  story_send(story, connection, &request);
}

void story_acquire(struct story *story, uint64_t connection, uint64_t sequence, const char *lock,
                   uint64_t thread, int64_t timeout_ms) {
  Holdfast__LockAcquire acquire = HOLDFAST__LOCK_ACQUIRE__INIT;
  Holdfast__Request request = story_request(sequence, lock, timeout_ms);
  request.thread = thread;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LOCK_ACQUIRE;
  request.lock_acquire = &acquire;
  story_send(story, connection, &request);
}

void story_release(struct story *story, uint64_t connection, uint64_t sequence, const char *lock,
                   uint64_t thread) {
  Holdfast__LockRelease release = HOLDFAST__LOCK_RELEASE__INIT;
  Holdfast__Request request = story_request(sequence, lock, STORY_WAIT_FOREVER);
  request.thread = thread;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LOCK_RELEASE;
  request.lock_release = &release;
  story_send(story, connection, &request);
}

void story_append_reference(struct story *story, uint64_t connection, uint64_t sequence,
                            const char *list, uint64_t object) {
  Holdfast__Reference reference = HOLDFAST__REFERENCE__INIT;
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__ListAppend append = HOLDFAST__LIST_APPEND__INIT;
  Holdfast__Request request = story_request(sequence, list, STORY_WAIT_FOREVER);
  reference.object = object;
  value.kind_case = HOLDFAST__VALUE__KIND_REFERENCE;
  value.reference = &reference;
  append.value = &value;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_APPEND;
  request.list_append = &append;
  story_send(story, connection, &request);
}

void story_pop(struct story *story, uint64_t connection, uint64_t sequence, const char *list) {
  Holdfast__ListPop pop = HOLDFAST__LIST_POP__INIT;
  Holdfast__Request request = story_request(sequence, list, STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LIST_POP;
  request.list_pop = &pop;
  story_send(story, connection, &request);
}

void story_drop(struct story *story, uint64_t connection, uint64_t sequence, uint64_t object,
                uint64_t count) {
  Holdfast__ObjectRelease__Release release = HOLDFAST__OBJECT_RELEASE__RELEASE__INIT;
  Holdfast__ObjectRelease__Release *releases[] = {&release};
  Holdfast__ObjectRelease message = HOLDFAST__OBJECT_RELEASE__INIT;
  Holdfast__Request request = story_request(sequence, NULL, STORY_WAIT_FOREVER);
  release.object = object;
  release.count = count;
  message.n_releases = 1;
  message.releases = releases;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_RELEASE;
  request.object_release = &message;
  story_send(story, connection, &request);
}

uint64_t story_objects(struct story *story, uint64_t connection) {
  Holdfast__ServerInfo info = HOLDFAST__SERVER_INFO__INIT;
  Holdfast__Request request = story_request(0, NULL, STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_SERVER_INFO;
  request.server_info = &info;
  story_send(story, connection, &request);
  return last_objects_count;
}
