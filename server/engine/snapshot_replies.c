/* Kept replies in a snapshot. Of the shapes of replies some are never kept: their operations hand out no
 * references, and don't wait. */
#include "server/engine/snapshot_parts.h"

#include <stdlib.h>
#include <string.h>

/* An outcome in a reply has none in it. */
#define OUTCOME_DEPTH_MAX 1

/* Beyond the rows. */
enum { REASON = 1, VALUES = 20, TAKEN, OBJECTS, FAILURES, OUTCOMES, SESSION_ID };

static const struct snapshot_field rows_of_all[] = {
    SNAPSHOT_FIELD(2, struct reply, part),
    SNAPSHOT_FIELD(3, struct reply, late),
    SNAPSHOT_FIELD(4, struct reply, shape),
    SNAPSHOT_FIELD(5, struct reply, operation),
    SNAPSHOT_FIELD(6, struct reply, sequence),
    SNAPSHOT_FIELD(7, struct reply, revoked),
    SNAPSHOT_FIELD(8, struct reply, gave_items),
    SNAPSHOT_FIELD(9, struct reply, is_kept),
    SNAPSHOT_FIELD(10, struct reply, has_no_references),
    SNAPSHOT_FIELD(11, struct reply, source),
    SNAPSHOT_FIELD(12, struct reply, taken.order),
    SNAPSHOT_FIELD(13, struct reply, taken.suborder),
    SNAPSHOT_FIELD(14, struct reply, taken.priority),
    SNAPSHOT_FIELD(15, struct reply, taken.tries),
    SNAPSHOT_FIELD(26, struct reply, notified_by),
    SNAPSHOT_FIELD(27, struct reply, sentence),
};
static const struct snapshot_fields fields_of_all = SNAPSHOT_FIELDS(rows_of_all);

static const struct snapshot_field value_rows[] = {SNAPSHOT_FIELD(16, struct reply, value)};
static const struct snapshot_field flag_rows[] = {SNAPSHOT_FIELD(16, struct reply, flag)};
static const struct snapshot_field count_rows[] = {SNAPSHOT_FIELD(16, struct reply, count)};
static const struct snapshot_field page_rows[] = {SNAPSHOT_FIELD(16, struct reply, cursor),
                                                  SNAPSHOT_FIELD(17, struct reply, length)};
static const struct snapshot_field session_rows[] = {SNAPSHOT_FIELD(16, struct reply, grace_ms)};
static const struct snapshot_field grant_rows[] = {SNAPSHOT_FIELD(16, struct reply, token),
                                                   SNAPSHOT_FIELD(17, struct reply, owner_died)};
static const struct snapshot_field exchange_rows[] = {SNAPSHOT_FIELD(16, struct reply, swapped),
                                                      SNAPSHOT_FIELD(17, struct reply, found)};
static const struct snapshot_field arrival_rows[] = {SNAPSHOT_FIELD(16, struct reply, index),
                                                     SNAPSHOT_FIELD(17, struct reply, acts),
                                                     SNAPSHOT_FIELD(18, struct reply, round)};
static const struct snapshot_field reservation_rows[] = {
    SNAPSHOT_FIELD(16, struct reply, item), SNAPSHOT_FIELD(17, struct reply, reservation),
    SNAPSHOT_FIELD(18, struct reply, tries), SNAPSHOT_FIELD(19, struct reply, priority)};
static const struct snapshot_field first_rows[] = {SNAPSHOT_FIELD(16, struct reply, first)};

/* By shape, of replies in windows. */
static const struct snapshot_fields fields_of_shape[] = {
    [REPLY_NOTHING] = {NULL, 0},
    [REPLY_VALUE] = SNAPSHOT_FIELDS(value_rows),
    [REPLY_VALUES] = SNAPSHOT_FIELDS(page_rows),
    [REPLY_ENTRIES] = SNAPSHOT_FIELDS(page_rows),
    [REPLY_FLAG] = SNAPSHOT_FIELDS(flag_rows),
    [REPLY_COUNT] = SNAPSHOT_FIELDS(count_rows),
    [REPLY_SESSION] = SNAPSHOT_FIELDS(session_rows),
    [REPLY_GRANT] = SNAPSHOT_FIELDS(grant_rows),
    [REPLY_PAGE] = SNAPSHOT_FIELDS(page_rows),
    [REPLY_EXCHANGE] = SNAPSHOT_FIELDS(exchange_rows),
    [REPLY_ARRIVAL] = SNAPSHOT_FIELDS(arrival_rows),
    [REPLY_RESERVATION] = SNAPSHOT_FIELDS(reservation_rows),
    [REPLY_FIRST] = SNAPSHOT_FIELDS(first_rows),
    [REPLY_RESULTS] = {NULL, 0},
};

static const struct snapshot_field object_rows[] = {
    SNAPSHOT_FIELD(1, struct reply_object, id),
    SNAPSHOT_FIELD(2, struct reply_object, kind),
    SNAPSHOT_FIELD(3, struct reply_object, name),
    SNAPSHOT_FIELD(4, struct reply_object, owner),
    SNAPSHOT_FIELD(5, struct reply_object, created),
    SNAPSHOT_FIELD(6, struct reply_object, locked),
    SNAPSHOT_FIELD(7, struct reply_object, typecode),
    SNAPSHOT_FIELD(8, struct reply_object, maxsize),
    SNAPSHOT_FIELD(9, struct reply_object, length),
    SNAPSHOT_FIELD(10, struct reply_object, waiting),
    SNAPSHOT_FIELD(11, struct reply_object, references),
    SNAPSHOT_FIELD(12, struct reply_object, token),
    SNAPSHOT_FIELD(13, struct reply_object, unfinished),
    SNAPSHOT_FIELD(14, struct reply_object, value),
    SNAPSHOT_FIELD(15, struct reply_object, parties),
    SNAPSHOT_FIELD(16, struct reply_object, arrived),
    SNAPSHOT_FIELD(17, struct reply_object, delayed),
    SNAPSHOT_FIELD(18, struct reply_object, reserved),
    SNAPSHOT_FIELD(19, struct reply_object, buried),
    SNAPSHOT_FIELD(20, struct reply_object, lease_ms),
    SNAPSHOT_FIELD(21, struct reply_object, segment),
    SNAPSHOT_FIELD(22, struct reply_object, offset),
    SNAPSHOT_FIELD(23, struct reply_object, bytes),
    SNAPSHOT_FIELD(24, struct reply_object, broken),
    SNAPSHOT_FIELD(25, struct reply_object, shut_down),
};
static const struct snapshot_fields object_fields = SNAPSHOT_FIELDS(object_rows);

static const struct snapshot_field taken_rows[] = {
    SNAPSHOT_FIELD(1, struct reply_taken, order),
    SNAPSHOT_FIELD(2, struct reply_taken, suborder),
    SNAPSHOT_FIELD(3, struct reply_taken, priority),
    SNAPSHOT_FIELD(4, struct reply_taken, tries),
};
static const struct snapshot_fields taken_fields = SNAPSHOT_FIELDS(taken_rows);

static const struct snapshot_field flushed_rows[] = {
    SNAPSHOT_FIELD(16, struct reply_flushed, received),
    SNAPSHOT_FIELD(17, struct reply_flushed, finished),
    SNAPSHOT_FIELD(18, struct reply_flushed, failed),
};
static const struct snapshot_fields flushed_fields = SNAPSHOT_FIELDS(flushed_rows);

/* ---- reasons, by name: their numbers change */

void snapshot_put_reason(struct snapshot_out *out, uint32_t number, hf_reason reason) {
  if (reason) {
    snapshot_put_bytes(out, number, bytes_of_text(hf_reason_name(reason)));
  }
}

bool restore_reason(struct snapshot_in *in, const struct wire_field *field, hf_reason *reason) {
  if (field->type != DELIMITED) {
    return snapshot_fail(in, "a reason is none");
  }
  *reason = hf_reason_find((const char *)field->content.data, field->content.len);
  return *reason || snapshot_fail(in, "a reason is unknown");
}

static const struct snapshot_field failure_rows[] = {
    SNAPSHOT_FIELD(1, struct reply_failure, sequence),
    SNAPSHOT_FIELD(2, struct reply_failure, late),
};
static const struct snapshot_fields failure_fields = SNAPSHOT_FIELDS(failure_rows);
enum { FAILURE_REASON = 3 };

void snapshot_put_failures(struct snapshot_out *out, uint32_t number,
                           const struct reply_failure *failures, size_t count) {
  for (size_t i = 0; i < count; i++) {
    size_t opened = snapshot_open(out);
    snapshot_put_fields(out, &failure_fields, &failures[i]);
    snapshot_put_reason(out, FAILURE_REASON, failures[i].reason);
    snapshot_close(out, number, opened);
  }
}

static bool visit_failure(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct reply_failure *failure = ctx;
  return field->number != FAILURE_REASON || restore_reason(in, field, &failure->reason);
}

bool restore_failure(struct snapshot_in *in, const struct wire_field *field,
                     struct reply_failure *failure) {
  *failure = (struct reply_failure){0};
  return field->type == DELIMITED
             ? snapshot_read(in, field->content, &failure_fields, failure, visit_failure, failure)
             : snapshot_fail(in, "a failure is none");
}

/* ---- writing */

static void put_message(struct snapshot_out *out, uint32_t number,
                        const struct snapshot_fields *fields, const void *from) {
  size_t opened = snapshot_open(out);
  snapshot_put_fields(out, fields, from);
  snapshot_close(out, number, opened);
}

static void put_values(struct snapshot_out *out, const struct reply *reply) {
  for (size_t i = 0; i < reply->values_count; i++) {
    snapshot_put_value(out, VALUES, reply->values[i]);
    if (reply->taken_many) {
      put_message(out, TAKEN, &taken_fields, &reply->taken_many[i]);
    }
  }
}

static void put_flushed(struct snapshot_out *out, const struct reply_flushed *flushed) {
  snapshot_put_fields(out, &flushed_fields, flushed);
  snapshot_put_failures(out, FAILURES, flushed->failures, flushed->failures_count);
}

static void put_arrays(struct snapshot_out *out, const struct reply *reply) {
  switch (reply->shape) {
    case REPLY_VALUES:
    case REPLY_ENTRIES:
    case REPLY_PAGE:
      put_values(out, reply);
      break;
    case REPLY_OBJECT:
      put_message(out, OBJECTS, &object_fields, &reply->objects[0]);
      break;
    case REPLY_FLUSHED:
      put_flushed(out, reply->flushed);
      break;
    case REPLY_SESSION:
      snapshot_put_bytes(out, SESSION_ID, bytes_of(reply->session, sizeof reply->session));
      break;
    case REPLY_FIRST:
    case REPLY_RESULTS:
      for (size_t i = 0; i < reply->outcomes_count; i++) {
        size_t opened = snapshot_open(out);
        snapshot_put_reply(out, reply->outcomes[i]);
        snapshot_close(out, OUTCOMES, opened);
      }
      break;
    default:
      break;
  }
}

void snapshot_put_reply(struct snapshot_out *out, const struct reply *reply) {
  snapshot_put_reason(out, REASON, reply->reason);
  snapshot_put_fields(out, &fields_of_all, reply);
  if (reply->shape < sizeof fields_of_shape / sizeof *fields_of_shape) {
    snapshot_put_fields(out, &fields_of_shape[reply->shape], reply);
  }
  put_arrays(out, reply);
}

/* ---- reading */

struct reading {
  struct restoring *restoring;
  struct reply *reply;
  unsigned depth;
  size_t taken_count;
};

static bool is_kept_shape(unsigned shape) {
  bool has_fields = shape < sizeof fields_of_shape / sizeof *fields_of_shape &&
                    (fields_of_shape[shape].count || shape == REPLY_NOTHING);
  return has_fields || shape == REPLY_OBJECT || shape == REPLY_FLUSHED || shape == REPLY_RESULTS;
}

static bool visit_reason(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct reply *reply = ctx;
  return field->number != REASON || restore_reason(in, field, &reply->reason);
}

/* One more than `count` in an array, which doubles. NULL: out of memory, as it was. */
static void *add_item(struct restoring *restoring, void **array, size_t count, size_t size) {
  if ((count & (count - 1)) == 0) {
    void *grown = realloc(*array, (count ? 2 * count : 1) * size);
    if (!grown) {
      snapshot_lacks_memory(restoring);
      return NULL;
    }
    *array = grown;
  }
  return memset((char *)*array + count * size, 0, size);
}

static bool read_value(struct reading *reading, const struct wire_field *field) {
  struct reply *reply = reading->reply;
  struct value *value =
      add_item(reading->restoring, (void **)&reply->values, reply->values_count, sizeof *value);
  if (!value || !snapshot_read_value(&reading->restoring->in, field, value)) {
    return false;
  }
  reply->values_count++;
  return true;
}

static bool read_taken(struct reading *reading, const struct wire_field *field) {
  struct reply *reply = reading->reply;
  struct reply_taken *taken = add_item(reading->restoring, (void **)&reply->taken_many,
                                       reading->taken_count, sizeof *taken);
  if (!taken || field->type != DELIMITED) {
    return false;
  }
  reading->taken_count++;
  return snapshot_read(&reading->restoring->in, field->content, &taken_fields, taken, NULL, NULL);
}

static bool read_object(struct reading *reading, const struct wire_field *field) {
  struct reply *reply = reading->reply;
  if (field->type != DELIMITED || reply->objects_count > 0 ||
      !add_item(reading->restoring, (void **)&reply->objects, 0, sizeof *reply->objects)) {
    return false;
  }
  reply->objects_count = 1;
  return snapshot_read(&reading->restoring->in, field->content, &object_fields, reply->objects,
                       NULL, NULL);
}

static struct reply *read_reply(struct restoring *restoring, struct bytes body, unsigned depth);

static bool read_outcome(struct reading *reading, const struct wire_field *field) {
  struct reply *reply = reading->reply, **outcome = NULL;
  if (field->type == DELIMITED && reading->depth < OUTCOME_DEPTH_MAX) {
    outcome = add_item(reading->restoring, (void **)&reply->outcomes, reply->outcomes_count,
                       sizeof *outcome);
  }
  if (!outcome) {
    return false;
  }
  *outcome = read_reply(reading->restoring, field->content, reading->depth + 1);
  reply->outcomes_count += *outcome != NULL;
  return *outcome != NULL;
}

static bool read_failure(struct reading *reading, const struct wire_field *field) {
  struct reply_flushed *flushed = reading->reply->flushed;
  struct snapshot_in *in = &reading->restoring->in;
  if (flushed->failures_count == HF_FAILURES_MAX) {
    return snapshot_fail(in, "there are too many failures");
  }
  return restore_failure(in, field, &flushed->failures[flushed->failures_count++]);
}

static bool read_session_id(struct reply *reply, const struct wire_field *field) {
  if (field->type != DELIMITED || field->content.len != sizeof reply->session) {
    return false;
  }
  memcpy(reply->session, field->content.data, sizeof reply->session);
  return true;
}

static bool visit_array(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct reading *reading = ctx;
  (void)in;
  struct reply *reply = reading->reply;
  bool has_values =
      reply->shape == REPLY_VALUES || reply->shape == REPLY_ENTRIES || reply->shape == REPLY_PAGE;
  bool has_outcomes = reply->shape == REPLY_FIRST || reply->shape == REPLY_RESULTS;
  switch (field->number) {
    case VALUES:
      return !has_values || read_value(reading, field);
    case TAKEN:
      return reply->shape != REPLY_VALUES || read_taken(reading, field);
    case OBJECTS:
      return reply->shape != REPLY_OBJECT || read_object(reading, field);
    case FAILURES:
      return reply->shape != REPLY_FLUSHED || read_failure(reading, field);
    case OUTCOMES:
      return !has_outcomes || read_outcome(reading, field);
    case SESSION_ID:
      return reply->shape != REPLY_SESSION || read_session_id(reply, field);
    default:
      return true;
  }
}

/* Whether the arrays are what the shape needs. */
static bool is_whole(const struct reading *reading) {
  const struct reply *reply = reading->reply;
  bool has_taken = !reply->taken_many || reading->taken_count == reply->values_count;
  switch (reply->shape) {
    case REPLY_VALUES:
      return has_taken;
    case REPLY_ENTRIES:
    case REPLY_PAGE:
      return reply->values_count % 2 == 0;
    case REPLY_OBJECT:
      return reply->objects_count == 1;
    case REPLY_FIRST:
      return reply->outcomes_count == 1;
    case REPLY_VALUE:
      return !value_is_absent(reply->value);
    case REPLY_RESERVATION:
      return !value_is_absent(reply->item);
    default:
      return true;
  }
}

/* The reply's shape is known, and nothing of it is there. */
static bool read_shape(struct reading *reading, struct bytes body) {
  struct reply *reply = reading->reply;
  struct snapshot_in *in = &reading->restoring->in;
  if (reply->shape == REPLY_FLUSHED) {
    reply->flushed = calloc(1, sizeof *reply->flushed);
    return (reply->flushed || snapshot_lacks_memory(reading->restoring)) &&
           snapshot_read(in, body, &flushed_fields, reply->flushed, visit_array, reading);
  }
  const struct snapshot_fields *fields =
      reply->shape == REPLY_OBJECT ? NULL : &fields_of_shape[reply->shape];
  return snapshot_read(in, body, fields, reply, visit_array, reading);
}

static struct reply *read_reply(struct restoring *restoring, struct bytes body, unsigned depth) {
  struct reply *reply = reply_new(0);
  struct reading reading = {.restoring = restoring, .reply = reply, .depth = depth};
  struct snapshot_in *in = &restoring->in;
  if (!reply) {
    snapshot_lacks_memory(restoring);
    return NULL;
  }
  memset(reply, 0, sizeof *reply);
  reply->refs = (struct shared_count){1};
  bool is_read = snapshot_read(in, body, &fields_of_all, reply, visit_reason, reply);
  unsigned shape = reply->shape;
  if (!value_is_absent(reply->sentence) && reply->sentence.kind != VALUE_TEXT) {
    is_read = snapshot_fail(in, "a kept reply has a sentence that is no text");
  }
  if (!is_kept_shape(shape)) {
    reply->shape = REPLY_NOTHING; /* to be released */
    is_read = snapshot_fail(in, "a kept reply has a shape that is not kept");
  }
  if (!is_read || !read_shape(&reading, body) || !is_whole(&reading)) {
    snapshot_fail(in, "a kept reply is broken");
    reply_release(reply);
    return NULL;
  }
  return reply;
}

struct reply *restore_reply(struct restoring *restoring, struct bytes body) {
  return read_reply(restoring, body, 0);
}

/* ---- checking */

/* Whether the kind's revoke (kind.h) finds in the reply what it needs. */
static bool fits_source(const struct reply *reply, const struct object *source) {
  switch (source->kind) {
    case HOLDFAST__KIND__QUEUE:
      return reply->operation == HOLDFAST__REQUEST__OPERATION_QUEUE_GET
                 ? reply->shape == REPLY_VALUE
             : reply->operation == HOLDFAST__REQUEST__OPERATION_QUEUE_GET_MANY
                 ? reply->shape == REPLY_VALUES && reply->taken_many
                 : true;
    case HOLDFAST__KIND__PIPE:
      return reply->shape == REPLY_VALUE && reply->taken.order <= 1;
    case HOLDFAST__KIND__BARRIER:
      return reply->shape == REPLY_ARRIVAL;
    default:
      return true;
  }
}

/* The condition may be gone. */
static bool may_pass_notification(const struct restoring *restoring, const struct reply *reply) {
  const struct object *condition = registry_find(&restoring->engine->registry, reply->notified_by);
  return reply->notified_by < restoring->next_id &&
         (!condition || condition->kind == HOLDFAST__KIND__CONDITION);
}

static bool may_revoke(const struct restoring *restoring, const struct reply *reply) {
  if (!may_pass_notification(restoring, reply)) {
    return false;
  }
  if (!reply->source || reply->operation == HOLDFAST__REQUEST__OPERATION_FORK_SESSION) {
    return true;
  }
  const struct object *source = registry_find(&restoring->engine->registry, reply->source);
  bool opened = reply->operation == HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN;
  return reply->source < restoring->next_id && (!source || opened || fits_source(reply, source));
}

bool restore_check_reply(struct restoring *restoring, const struct reply *reply) {
  bool is_good = may_revoke(restoring, reply);
  for (size_t i = 0; reply->shape == REPLY_FIRST && i < reply->outcomes_count; i++) {
    is_good &= may_revoke(restoring, reply->outcomes[i]);
  }
  return is_good || snapshot_fail(&restoring->in, "a kept reply gave what can't be taken back");
}
