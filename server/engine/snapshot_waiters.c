/* Waiting requests in a snapshot: each with its request as bytes, the step it is at, and where it waits. */
#include "proto/wire.h"
#include "server/engine/decoded.h"
#include "server/engine/parking.h"
#include "server/engine/require.h"
#include "server/engine/snapshot_parts.h"
#include "server/engine/wait_entries.h"

#include <stdlib.h>
#include <string.h>

/* ---- writing */

/* The members of waiters and wait entries that replace pointers. */
struct common {
  uint64_t operation, object;
  struct queue_name queue;
};
static const struct snapshot_field common_rows[] = {
    SNAPSHOT_FIELD(1, struct common, operation),
    SNAPSHOT_FIELD(2, struct common, object),
    SNAPSHOT_FIELD(3, struct common, queue.owner),
    SNAPSHOT_FIELD(4, struct common, queue.number),
};
static const struct snapshot_fields common_fields = SNAPSHOT_FIELDS(common_rows);

static const struct snapshot_field entry_rows[] = {
    SNAPSHOT_FIELD(5, struct waiter, part),      SNAPSHOT_FIELD(6, struct waiter, thread),
    SNAPSHOT_FIELD(7, struct waiter, step),      SNAPSHOT_FIELD(8, struct waiter, progress),
    SNAPSHOT_FIELD(28, struct waiter, key_hash),
};
static const struct snapshot_fields entry_fields = SNAPSHOT_FIELDS(entry_rows);

static const struct snapshot_field waiter_rows[] = {
    SNAPSHOT_FIELD(10, struct waiter, ticket),
    SNAPSHOT_FIELD(11, struct waiter, since_ns),
    SNAPSHOT_FIELD(12, struct waiter, connection),
    SNAPSHOT_FIELD(13, struct waiter, terms.token),
    SNAPSHOT_FIELD(14, struct waiter, terms.lease_ms),
    SNAPSHOT_FIELD(15, struct waiter, terms.robust),
    SNAPSHOT_FIELD(16, struct waiter, memory_bytes),
    SNAPSHOT_FIELD(17, struct waiter, one_way),
    SNAPSHOT_FIELD(18, struct waiter, suspended),
    SNAPSHOT_FIELD(19, struct waiter, overdue),
    SNAPSHOT_FIELD(20, struct waiter, request_len),
    SNAPSHOT_FIELD(29, struct waiter, condition),
};
static const struct snapshot_fields waiter_fields = SNAPSHOT_FIELDS(waiter_rows);

/* Beyond the rows. */
enum { REQUIREMENTS = 9, SESSION = 21, ROUTE, TIMER, REPLY, BODY, IS_DECODED, ENTRY };

static void put_common(struct snapshot_out *out, const struct snapshot_spots *spots,
                       const struct waiter *waiter) {
  struct common common = {.operation = waiter->operation->arm,
                          .object = waiter->object ? waiter->object->id : 0,
                          .queue = snapshot_queue_of(spots, waiter)};
  snapshot_put_fields(out, &common_fields, &common);
  snapshot_put_fields(out, &entry_fields, waiter);
  snapshot_put_requirements(out, REQUIREMENTS, waiter->requirements);
}

static void put_entries(struct snapshot_out *out, const struct snapshot_spots *spots,
                        const struct waiter *waiter) {
  const struct waiter *entry;
  TAILQ_FOREACH(entry, &waiter->entries, owner_link) {
    size_t opened = snapshot_open(out);
    put_common(out, spots, entry);
    snapshot_close(out, ENTRY, opened);
  }
}

/* A decoded request as it would be sent: the same again for what is decoded of that. */
static void put_decoded(struct snapshot_out *out, const struct decoded *decoded) {
  size_t len = holdfast__request__get_packed_size(decoded->message);
  uint8_t *body = malloc(len + 1);
  if (!body) {
    out->has_failed = true;
    return;
  }
  holdfast__request__pack(decoded->message, body);
  snapshot_put_bytes(out, BODY, bytes_of(body, len));
  snapshot_put_number(out, IS_DECODED, true);
  free(body);
}

static void put_waiter(struct snapshot_out *out, const struct snapshot_spots *spots,
                       const struct waiter *waiter) {
  put_common(out, spots, waiter);
  snapshot_put_fields(out, &waiter_fields, waiter);
  snapshot_put_number(out, SESSION, waiter->session ? waiter->session->serial : 0);
  snapshot_put_bytes(out, ROUTE, bytes_of(waiter->route.words, waiter->route.len));
  snapshot_put_timer(out, TIMER, &waiter->timer);
  size_t opened = snapshot_open(out);
  snapshot_put_reply(out, waiter->reply);
  snapshot_close(out, REPLY, opened);
  if (waiter->decoded) {
    put_decoded(out, waiter->decoded);
  } else {
    snapshot_put_bytes(out, BODY, bytes_of(waiter->body, waiter->body_len));
  }
  put_entries(out, spots, waiter);
  snapshot_end_record(out, RECORD_WAITER);
}

static size_t add_waiters(struct map64_slot *all, size_t count, const struct waiter_list *waiters) {
  struct waiter *waiter;
  TAILQ_FOREACH(waiter, waiters, owner_link) {
    all[count++] = (struct map64_slot){waiter->ticket, waiter};
  }
  return count;
}

static int compare_tickets(const void *one, const void *other) {
  uint64_t a = ((const struct map64_slot *)one)->key, b = ((const struct map64_slot *)other)->key;
  return (a > b) - (a < b);
}

/* By ticket: malloc, engine->waiting of them. NULL: out of memory. */
static struct map64_slot *waiters_by_ticket(const struct engine *engine, struct snapshot_out *out) {
  struct map64_slot *all = malloc((engine->waiting + 1) * sizeof *all);
  uint64_t position = 0, id;
  size_t count = 0;
  void *item;
  if (!all) {
    out->has_failed = true;
    return NULL;
  }
  while (map64_next(&engine->sessions, &position, &id, &item)) {
    count = add_waiters(all, count, &((struct session *)item)->waiters);
  }
  position = 0;
  while (map64_next(&engine->peers, &position, &id, &item)) {
    count = add_waiters(all, count, &((struct peer *)item)->waiters);
  }
  qsort(all, count, sizeof *all, compare_tickets);
  return all;
}

void snapshot_waiters(const struct engine *engine, struct snapshot_out *out) {
  struct snapshot_spots spots = {0};
  snapshot_find_spots(engine, out, &spots);
  struct map64_slot *all = waiters_by_ticket(engine, out);
  for (size_t i = 0; all && !out->has_failed && i < engine->waiting; i++) {
    put_waiter(out, &spots, all[i].value);
  }
  free(all);
  free(spots.items);
  snapshot_suspended(engine, out);
}

/* ---- reading */

/* The row of an arm. NULL: unknown. */
static const struct operation *find_operation(const struct restoring *restoring, uint64_t arm) {
  Holdfast__Request message = HOLDFAST__REQUEST__INIT;
  if (arm > INT32_MAX) {
    return NULL;
  }
  message.operation_case = (Holdfast__Request__OperationCase)arm;
  return restoring->engine->config.find_operation(&message);
}

/* An object's waiters wait in its own queues. */
static bool is_of_object(const struct common *common, const struct object *object) {
  const struct queue_name *queue = &common->queue;
  return !object || queue->number == NO_QUEUE ||
         (queue->number != QUEUE_OF_FLUSHES && queue->owner == object->id);
}

/* Older snapshots don't say which condition it is: there it is the object, also of who takes a given lock back. */
static void name_condition(const struct restoring *restoring, const struct common *common,
                           struct waiter *waiter) {
  waiter->condition = common->object;
  if (common->queue.number == WAIT_LOCK) {
    waiter->object = registry_find(&restoring->engine->registry, common->queue.owner);
  }
}

/* Resolves the numbers to pointers. */
static bool resolve(struct restoring *restoring, const struct common *common,
                    struct waiter *waiter) {
  waiter->operation = find_operation(restoring, common->operation);
  waiter->object =
      common->object ? registry_find(&restoring->engine->registry, common->object) : NULL;
  waiter->queue = restore_find_queue(restoring, &common->queue);
  bool waits_under = common->operation == HOLDFAST__REQUEST__OPERATION_CONDITION_WAIT;
  if (waits_under && !waiter->condition) {
    name_condition(restoring, common, waiter);
  }
  bool has_object = waiter->object || common->object == 0;
  bool has_queue = waiter->queue || common->queue.number == NO_QUEUE;
  return (waiter->operation && has_object && has_queue && is_of_object(common, waiter->object)) ||
         snapshot_fail(&restoring->in, "a waiter waits nowhere");
}

/* What is read of a waiter before there is one. */
struct reading {
  struct restoring *restoring;
  struct waiter waiter;
  struct waiter_list entries;
  struct bytes body;
  bool is_decoded;
  uint64_t session;
};

static bool visit_entry(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct reading *reading = ctx;
  struct waiter *entry = TAILQ_LAST(&reading->entries, waiter_list);
  (void)in;
  return field->number != REQUIREMENTS ||
         restore_requirements(reading->restoring, field, &entry->requirements);
}

static bool read_entry(struct reading *reading, const struct wire_field *field) {
  struct snapshot_in *in = &reading->restoring->in;
  struct waiter *entry = field->type == DELIMITED ? calloc(1, sizeof *entry) : NULL;
  struct common common = {0};
  if (!entry) {
    return snapshot_lacks_memory(reading->restoring);
  }
  TAILQ_INIT(&entry->entries);
  TAILQ_INSERT_TAIL(&reading->entries, entry, owner_link);
  return snapshot_read(in, field->content, &common_fields, &common, NULL, NULL) &&
         snapshot_read(in, field->content, &entry_fields, entry, visit_entry, reading) &&
         resolve(reading->restoring, &common, entry);
}

static bool read_route(struct reading *reading, const struct wire_field *field) {
  struct sp_route *route = &reading->waiter.route;
  if (field->type != DELIMITED || field->content.len > sizeof route->words ||
      field->content.len % 4) {
    return snapshot_fail(&reading->restoring->in, "a route is none");
  }
  route->len = (uint8_t)field->content.len;
  memcpy(route->words, field->content.data, field->content.len);
  return true;
}

static bool read_reply(struct reading *reading, const struct wire_field *field) {
  struct reply **reply = &reading->waiter.reply;
  if (field->type != DELIMITED || *reply) {
    return snapshot_fail(&reading->restoring->in, "a waiter has two replies");
  }
  *reply = restore_reply(reading->restoring, field->content);
  return *reply != NULL;
}

static bool visit_waiter(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct reading *reading = ctx;
  (void)in;
  switch (field->number) {
    case REQUIREMENTS:
      return restore_requirements(reading->restoring, field, &reading->waiter.requirements);
    case SESSION:
      reading->session = field->integer;
      return field->type == VARINT;
    case ROUTE:
      return read_route(reading, field);
    case REPLY:
      return read_reply(reading, field);
    case BODY:
      reading->body = field->content;
      return field->type == DELIMITED && field->content.len <= HF_FRAME_BYTES_MAX;
    case IS_DECODED:
      reading->is_decoded = field->integer != 0;
      return field->type == VARINT;
    case ENTRY:
      return read_entry(reading, field);
    default:
      return true;
  }
}

static bool visit_timer(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct reading *reading = ctx;
  struct restoring *restoring = reading->restoring;
  struct waiter *waiter = map64_get(&restoring->tickets, restoring->last_ticket);
  return field->number != TIMER ||
         snapshot_read_timer(in, field, &restoring->engine->timers, &waiter->timer);
}

static void drop(struct reading *reading) {
  wait_entries_free(&reading->entries);
  requirements_free(reading->waiter.requirements);
  decoded_free(reading->waiter.decoded);
  reply_release(reading->waiter.reply);
}

/* The waiter's session, and where its answer goes. */
static bool has_owner(struct reading *reading) {
  struct restoring *restoring = reading->restoring;
  struct waiter *waiter = &reading->waiter;
  waiter->session =
      reading->session ? map64_get(&restoring->engine->sessions, reading->session) : NULL;
  if (reading->session && !waiter->session) {
    return false;
  }
  return waiter->session ? waiter->session->waiters_count < HF_SESSION_WAITERS_MAX
                         : core_peer(restoring->engine, waiter->connection) != NULL;
}

static bool is_good(const struct reading *reading) {
  const struct waiter *waiter = &reading->waiter;
  const struct restoring *restoring = reading->restoring;
  return waiter->reply && waiter->reply->shape == REPLY_NOTHING && !waiter->reply->reason &&
         waiter->ticket > restoring->last_ticket &&
         waiter->ticket <= restoring->engine->next_ticket && waiter->memory_bytes < SIZE_MAX / 4 &&
         (!waiter->suspended || waiter->session);
}

/* The request is decoded, or checked: it will run again. */
static bool check_request(struct reading *reading) {
  struct restoring *restoring = reading->restoring;
  struct engine *engine = restoring->engine;
  struct waiter *waiter = &reading->waiter;
  Holdfast__Request *message = NULL;
  if (reading->is_decoded) {
    if (decoded_read(reading->body, &engine->config.hash_key, &waiter->decoded) ||
        !waiter->decoded->is_whole) {
      return snapshot_fail(&restoring->in, "a waiting request is broken");
    }
    message = waiter->decoded->message;
  } else if (reading->body.len > 0 &&
             wire_unpack_request(reading->body, &engine->scratch, &message)) {
    arena_reset(&engine->scratch);
    return snapshot_fail(&restoring->in, "a waiting request is broken");
  }
  TAILQ_CONCAT(&waiter->entries, &reading->entries, owner_link);
  bool is_good = restore_check_waiter(restoring, waiter, message);
  TAILQ_CONCAT(&reading->entries, &waiter->entries, owner_link);
  arena_reset(&engine->scratch);
  return is_good;
}

/* As a session's window keeps it while it waits. */
static bool keep_reply(struct restoring *restoring, const struct waiter *waiter) {
  struct session *session = waiter->session;
  struct reply *reply = waiter->reply;
  return !core_is_pending_in_window(waiter) ||
         (!session_find_reply(session, reply->sequence) && session_keep_reply(session, reply)) ||
         snapshot_fail(&restoring->in, "a waiting request is there twice");
}

static void enter_queue(struct waiter *waiter) {
  if (waiter->queue) {
    wait_queue_insert(waiter->queue, waiter);
  }
}

static void enter_queues(struct waiter *waiter) {
  struct waiter *entry;
  enter_queue(waiter);
  TAILQ_FOREACH(entry, &waiter->entries, owner_link) {
    entry->owner = waiter;
    entry->ticket = waiter->ticket;
    entry->session = waiter->session;
    entry->suspended = waiter->suspended;
    enter_queue(entry);
  }
}

/* Takes what was read. */
static bool make_waiter(struct reading *reading) {
  struct restoring *restoring = reading->restoring;
  size_t body_len = reading->is_decoded ? 0 : reading->body.len;
  struct waiter *waiter = malloc(sizeof *waiter + body_len);
  if (!waiter || !map64_set(&restoring->tickets, reading->waiter.ticket, waiter)) {
    free(waiter);
    drop(reading);
    return snapshot_lacks_memory(restoring);
  }
  *waiter = reading->waiter;
  waiter->timer = (struct timer){.kind = TIMER_WAITER};
  waiter->body_len = body_len;
  if (body_len > 0) {
    memcpy(waiter->body, reading->body.data, body_len);
  }
  TAILQ_INIT(&waiter->entries);
  TAILQ_CONCAT(&waiter->entries, &reading->entries, owner_link);
  size_t bytes = waiter->memory_bytes;
  waiter->memory_bytes = 0;
  restoring->last_ticket = waiter->ticket;
  core_link_waiter(restoring->engine, waiter, bytes);
  enter_queues(waiter);
  return true;
}

bool restore_waiter(struct restoring *restoring, struct bytes body) {
  struct snapshot_in *in = &restoring->in;
  struct reading reading = {.restoring = restoring};
  struct common common = {0};
  TAILQ_INIT(&reading.entries);
  TAILQ_INIT(&reading.waiter.entries);
  bool is_read = snapshot_read(in, body, &common_fields, &common, NULL, NULL) &&
                 snapshot_read(in, body, &entry_fields, &reading.waiter, NULL, NULL) &&
                 snapshot_read(in, body, &waiter_fields, &reading.waiter, visit_waiter, &reading) &&
                 resolve(restoring, &common, &reading.waiter);
  if (!is_read || !has_owner(&reading) || !is_good(&reading)) {
    drop(&reading);
    return snapshot_fail(in, "a waiter is broken");
  }
  struct waiter *entry;
  TAILQ_FOREACH(entry, &reading.entries, owner_link) {
    entry->session = reading.waiter.session;
    entry->one_way = reading.waiter.one_way;
  }
  if (!check_request(&reading) || !keep_reply(restoring, &reading.waiter)) {
    drop(&reading);
    return false;
  }
  return make_waiter(&reading) && snapshot_read(in, body, NULL, NULL, visit_timer, &reading);
}
