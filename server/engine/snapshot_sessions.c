/* Sessions in a snapshot. */
#include "server/engine/snapshot_parts.h"

#include <stdlib.h>
#include <string.h>

/* ---- sessions */

/* What a session is made with. */
struct head {
  uint8_t id[HF_SESSION_BYTES];
  size_t id_len;
  uint32_t grace_ms;
  struct value client;
};
static const struct snapshot_field head_rows[] = {
    SNAPSHOT_FIELD(2, struct head, grace_ms),
    SNAPSHOT_FIELD(3, struct head, client),
};
static const struct snapshot_fields head_fields = SNAPSHOT_FIELDS(head_rows);

static const struct snapshot_field session_rows[] = {
    SNAPSHOT_FIELD(4, struct session, number),
    SNAPSHOT_FIELD(5, struct session, connection),
    SNAPSHOT_FIELD(6, struct session, attempt),
    SNAPSHOT_FIELD(7, struct session, process),
    SNAPSHOT_FIELD(8, struct session, process_id),
    SNAPSHOT_FIELD(9, struct session, is_unadopted),
    SNAPSHOT_FIELD(10, struct session, heard_ns),
    SNAPSHOT_FIELD(11, struct session, acked),
    SNAPSHOT_FIELD(12, struct session, highest),
    SNAPSHOT_FIELD(13, struct session, one_way_received),
    SNAPSHOT_FIELD(14, struct session, one_way_failed),
    SNAPSHOT_FIELD(40, struct session, extended_ns),
    SNAPSHOT_FIELD(41, struct session, crowded_ns),
};
static const struct snapshot_fields session_fields = SNAPSHOT_FIELDS(session_rows);

/* Beyond the rows. */
enum {
  ID = 1,
  ADDRESS = 15,
  TIMER,
  ACKED_ALSO,
  REFERENCES,
  LOCKS,
  EXPIRED,
  PERMITS,
  ACTING,
  ENDS,
  FAILURES,
  USER,
  CELLS
};

/* ---- what a session has of objects, by their ids */

static bool has_lock(const struct object *object) {
  return object_lock((struct object *)object) != NULL;
}

static bool is_pipe(const struct object *object) {
  return object->kind == HOLDFAST__KIND__PIPE;
}

static bool is_semaphore(const struct object *object) {
  return object->kind == HOLDFAST__KIND__SEMAPHORE ||
         object->kind == HOLDFAST__KIND__BOUNDED_SEMAPHORE;
}

static bool is_barrier(const struct object *object) {
  return object->kind == HOLDFAST__KIND__BARRIER;
}

struct session_table {
  uint32_t number;                           /* of its field */
  size_t offset;                             /* of the struct map64 in struct session */
  bool has_numbers;                          /* its values are numbers that matter */
  bool (*fits)(const struct object *object); /* a session can have it of the object; NULL: of any */
};
static const struct session_table session_tables[] = {
    {REFERENCES, offsetof(struct session, references), true, NULL},
    {LOCKS, offsetof(struct session, locks), false, has_lock},
    {EXPIRED, offsetof(struct session, expired), false, has_lock},
    {PERMITS, offsetof(struct session, permits), true, is_semaphore},
    {ACTING, offsetof(struct session, acting), false, is_barrier},
    {ENDS, offsetof(struct session, ends), true, is_pipe},
};
#define SESSION_TABLES (sizeof session_tables / sizeof *session_tables)

static struct map64 *table_of(const struct session *session, const struct session_table *row) {
  return (struct map64 *)(void *)((char *)(uintptr_t)session + row->offset);
}

/* ---- writing */

static void put_ranges(struct snapshot_out *out, const struct sequences *sequences) {
  size_t opened = snapshot_open(out);
  for (size_t i = 0; i < sequences->count; i++) {
    snapshot_put_item(out, sequences->ranges[i].first);
    snapshot_put_item(out, sequences->ranges[i].last);
  }
  if (sequences->count > 0) {
    snapshot_close(out, ACKED_ALSO, opened);
  }
}

static void put_session(struct snapshot_out *out, const struct session *session) {
  snapshot_put_bytes(out, ID, bytes_of(session->id, sizeof session->id));
  struct head head = {.grace_ms = session->grace_ms, .client = session->client};
  snapshot_put_fields(out, &head_fields, &head);
  snapshot_put_fields(out, &session_fields, session);
  snapshot_put_number(out, ADDRESS, session->address->number);
  snapshot_put_user(out, USER, session->user);
  snapshot_put_timer(out, TIMER, &session->timer);
  put_ranges(out, &session->acked_also);
  for (size_t i = 0; i < SESSION_TABLES; i++) {
    const struct session_table *row = &session_tables[i];
    snapshot_put_table(out, row->number, table_of(session, row), row->has_numbers);
  }
  snapshot_put_table(out, CELLS, &session->cells, false);
  snapshot_put_failures(out, FAILURES, session->failures, session->failures_count);
  snapshot_end_record(out, RECORD_SESSION);
}

/* Pending replies are written with their waiters. */
static void put_window(struct snapshot_out *out, const struct session *session) {
  size_t count;
  struct map64_slot *replies = snapshot_sorted(out, &session->window, &count);
  for (size_t i = 0; replies && i < count; i++) {
    const struct reply *reply = replies[i].value;
    if (!reply->pending) {
      snapshot_put_reply(out, reply);
      snapshot_end_record(out, RECORD_REPLY);
    }
  }
  free(replies);
}

/* The parent, then its children in order. */
static void put_forked(struct snapshot_out *out, const struct session *parent) {
  const struct session *forked;
  size_t opened = snapshot_open(out);
  snapshot_put_item(out, parent->serial);
  TAILQ_FOREACH(forked, &parent->forked, sibling_link) {
    snapshot_put_item(out, forked->serial);
  }
  snapshot_close(out, 1, opened);
  snapshot_end_record(out, RECORD_FORKED);
}

static void put_lost(struct snapshot_out *out, const struct engine *engine) {
  const struct session *session;
  size_t opened = snapshot_open(out);
  TAILQ_FOREACH(session, &engine->lost, lost_link) {
    snapshot_put_item(out, session->serial);
  }
  snapshot_close(out, 1, opened);
  snapshot_end_record(out, RECORD_LOST);
}

void snapshot_sessions(const struct engine *engine, struct snapshot_out *out) {
  size_t count;
  struct map64_slot *sessions = snapshot_sorted(out, &engine->sessions, &count);
  for (size_t i = 0; sessions && i < count; i++) {
    put_session(out, sessions[i].value);
    put_window(out, sessions[i].value);
  }
  for (size_t i = 0; sessions && i < count; i++) {
    const struct session *session = sessions[i].value;
    if (session->forked_count > 0) {
      put_forked(out, session);
    }
  }
  free(sessions);
  put_lost(out, engine);
}

/* ---- reading sessions */

/* false: there is another in the table. */
static bool add_entry(struct restoring *restoring, struct map64 *table, uint64_t key, void *value) {
  struct session *session = restoring->session;
  if (key == 0 || !value || map64_get(table, key)) {
    return snapshot_fail(&restoring->in, "a table has a broken entry");
  }
  return session_set(session, table, key, value) || snapshot_lacks_memory(restoring);
}

static bool read_table(struct restoring *restoring, const struct wire_field *field,
                       struct map64 *table, bool has_numbers) {
  struct wire_reader items = {0};
  uint64_t key, number;
  while (snapshot_next_item(&restoring->in, field, &items, &key)) {
    void *value = restoring->session; /* whatever is there */
    if (has_numbers) {
      if (!snapshot_next_item(&restoring->in, field, &items, &number)) {
        return false;
      }
      value = (void *)(uintptr_t)number;
    }
    if (!add_entry(restoring, table, key, value)) {
      return false;
    }
  }
  return !restoring->in.why;
}

/* Cells that it may have mapped. */
static bool read_cells(struct restoring *restoring, const struct wire_field *field) {
  struct session *session = restoring->session;
  struct wire_reader items = {0};
  uint64_t object;
  while (snapshot_next_item(&restoring->in, field, &items, &object)) {
    struct cell_share *share = restore_find_share(restoring, object);
    if (!share || !add_entry(restoring, &session->cells, object, share)) {
      cell_share_release(share);
      return false;
    }
  }
  return !restoring->in.why;
}

/* true also if the field is no table. */
static bool read_any_table(struct restoring *restoring, const struct wire_field *field) {
  for (size_t i = 0; i < SESSION_TABLES; i++) {
    const struct session_table *row = &session_tables[i];
    if (field->number == row->number) {
      return read_table(restoring, field, table_of(restoring->session, row), row->has_numbers);
    }
  }
  return true;
}

/* In order, none next to another. */
static bool read_ranges(struct restoring *restoring, const struct wire_field *field) {
  struct sequences *also = &restoring->session->acked_also;
  struct wire_reader items = {0};
  uint64_t first, last, end = 0;
  while (snapshot_next_item(&restoring->in, field, &items, &first)) {
    bool is_good = snapshot_next_item(&restoring->in, field, &items, &last) && first <= last &&
                   (also->count == 0 ? first > 0 : end < UINT64_MAX && first > end + 1);
    if (!is_good || !sequences_add(also, first)) {
      return snapshot_fail(&restoring->in, "acknowledged numbers are broken");
    }
    also->ranges[also->count - 1].last = last;
    end = last;
  }
  return !restoring->in.why;
}

bool restore_address(struct restoring *restoring, const struct wire_field *field,
                     struct address **address) {
  if (field->type != VARINT || field->integer == 0 || *address) {
    return snapshot_fail(&restoring->in, "an address is none");
  }
  *address = address_acquire(&restoring->engine->addresses, field->integer);
  return *address || snapshot_lacks_memory(restoring);
}

static bool read_failure(struct restoring *restoring, const struct wire_field *field) {
  struct session *session = restoring->session;
  struct reply_failure failure;
  size_t before = session->failures_count;
  if (!restore_failure(&restoring->in, field, &failure)) {
    return false;
  }
  session_remember_failure(session, failure);
  return session->failures_count > before ||
         snapshot_fail(&restoring->in, "there are too many failures");
}

static bool read_user(struct restoring *restoring, const struct wire_field *field) {
  struct user *user;
  if (restoring->session->user || !restore_find_user(restoring, field, &user)) {
    return snapshot_fail(&restoring->in, "a session has two users");
  }
  restoring->session->user = user_enter_session(user);
  return true;
}

static bool visit_session(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct restoring *restoring = ctx;
  struct session *session = restoring->session;
  switch (field->number) {
    case ADDRESS:
      return restore_address(restoring, field, &session->address);
    case TIMER:
      return snapshot_read_timer(in, field, &restoring->engine->timers, &session->timer);
    case ACKED_ALSO:
      return read_ranges(restoring, field);
    case FAILURES:
      return read_failure(restoring, field);
    case USER:
      return read_user(restoring, field);
    case CELLS:
      return read_cells(restoring, field);
    default:
      return read_any_table(restoring, field);
  }
}

static bool visit_head(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct head *head = ctx;
  if (field->number != ID) {
    return true;
  }
  if (field->type != DELIMITED || field->content.len != sizeof head->id) {
    return snapshot_fail(in, "a session's id is none");
  }
  head->id_len = field->content.len;
  memcpy(head->id, field->content.data, sizeof head->id);
  return true;
}

/* A session of that head, in the table. NULL: in.why */
static struct session *new_session(struct restoring *restoring, const struct head *head) {
  struct engine *engine = restoring->engine;
  uint64_t serial;
  memcpy(&serial, head->id, sizeof serial);
  bool is_good = head->id_len > 0 && serial > 0 && head->client.kind == VALUE_TEXT &&
                 !map64_get(&engine->sessions, serial);
  if (!is_good) {
    snapshot_fail(&restoring->in, "a session is broken, or there twice");
    return NULL;
  }
  struct session *session = session_new(head->id, head->grace_ms, head->client,
                                        &engine->config.hash_key, &engine->memory);
  if (session && map64_set(&engine->sessions, serial, session)) {
    value_retain(head->client);
    session->process = 0; /* as all that is left out */
    return session;
  }
  if (session) {
    session->client = (struct value){0};
    session_free(session);
  }
  snapshot_lacks_memory(restoring);
  return NULL;
}

/* Without an address it is none. */
static bool drop_session(struct restoring *restoring, struct session *session) {
  timers_stop(&restoring->engine->timers, &session->timer);
  map64_remove(&restoring->engine->sessions, session->serial);
  user_leave_session(session->user);
  session_free(session);
  restoring->session = NULL;
  return snapshot_fail(&restoring->in, "a session has no address");
}

bool restore_session(struct restoring *restoring, struct bytes body) {
  struct head head = {0};
  struct snapshot_in *in = &restoring->in;
  bool is_read = snapshot_read(in, body, &head_fields, &head, visit_head, &head);
  struct session *session = is_read ? new_session(restoring, &head) : NULL;
  value_release(head.client);
  restoring->session = session;
  if (!session) {
    return false;
  }
  is_read = snapshot_read(in, body, &session_fields, session, visit_session, restoring);
  if (!session->address) {
    return drop_session(restoring, session);
  }
  session->address->sessions++;
  session->window_bytes = sequences_memory_bytes(&session->acked_also);
  memory_charge(&restoring->engine->memory, MEMORY_WINDOWS, session->window_bytes);
  return is_read;
}

bool restore_kept_reply(struct restoring *restoring, struct bytes body) {
  struct session *session = restoring->session;
  if (!session) {
    return snapshot_fail(&restoring->in, "a kept reply has no session");
  }
  struct reply *reply = restore_reply(restoring, body);
  if (!reply) {
    return false;
  }
  bool is_new = reply->sequence > 0 && !session_find_reply(session, reply->sequence) &&
                session->window.count < (size_t)HF_WINDOW_COUNT_MAX + HF_SESSION_WAITERS_MAX;
  bool is_kept = is_new && session_keep_reply(session, reply);
  if (is_kept) {
    size_t bytes = reply_memory_bytes(reply);
    session->window_bytes += bytes;
    memory_charge(&restoring->engine->memory, MEMORY_WINDOWS, bytes);
  }
  reply_release(reply);
  return is_kept || snapshot_fail(&restoring->in, "a kept reply is there twice");
}

/* Calls visit for each number of a record that is nothing else. */
static bool read_numbers(struct restoring *restoring, struct bytes body,
                         bool (*visit)(struct snapshot_in *in, const struct wire_field *field,
                                       void *ctx)) {
  return snapshot_read(&restoring->in, body, NULL, NULL, visit, restoring);
}

struct session *restore_find_session(struct restoring *restoring, uint64_t serial) {
  struct session *session = serial ? map64_get(&restoring->engine->sessions, serial) : NULL;
  if (!session) {
    snapshot_fail(&restoring->in, "a session is not there");
  }
  return session;
}

static bool visit_forked(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct restoring *restoring = ctx;
  struct session *parent = NULL;
  struct wire_reader items = {0};
  uint64_t serial;
  while (field->number == 1 && snapshot_next_item(in, field, &items, &serial)) {
    struct session *session = restore_find_session(restoring, serial);
    if (!session) {
      return false;
    }
    if (!parent) {
      parent = session;
      continue;
    }
    if (!session->is_unadopted || session->parent || session == parent) {
      return snapshot_fail(in, "a forked session is none, or has two parents");
    }
    session->parent = parent;
    TAILQ_INSERT_TAIL(&parent->forked, session, sibling_link);
    parent->forked_count++;
  }
  return !in->why;
}

bool restore_forked(struct restoring *restoring, struct bytes body) {
  return read_numbers(restoring, body, visit_forked);
}

static bool visit_lost(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct restoring *restoring = ctx;
  struct wire_reader items = {0};
  uint64_t serial;
  while (field->number == 1 && snapshot_next_item(in, field, &items, &serial)) {
    struct session *session = restore_find_session(restoring, serial);
    if (!session) {
      return false;
    }
    if (session->is_lost) {
      return snapshot_fail(in, "a session is lost twice");
    }
    session->is_lost = true;
    TAILQ_INSERT_TAIL(&restoring->engine->lost, session, lost_link);
    TAILQ_INSERT_TAIL(&session->address->lost, session, address_lost_link);
  }
  return !in->why;
}

bool restore_lost(struct restoring *restoring, struct bytes body) {
  return read_numbers(restoring, body, visit_lost);
}

/* ---- the end */

/* Some objects may be gone, none is still to come. */
static bool check_table(struct restoring *restoring, const struct session *session,
                        const struct session_table *row) {
  uint64_t position = 0, id;
  void *item;
  while (map64_next(table_of(session, row), &position, &id, &item)) {
    const struct object *object = registry_find(&restoring->engine->registry, id);
    if (row->number == REFERENCES && reference_count(item) == 0) {
      return snapshot_fail(&restoring->in, "a session has rights without a reference");
    }
    if (id >= restoring->next_id || (object && row->fits && !row->fits(object))) {
      return snapshot_fail(&restoring->in, "a session has what it can't have of an object");
    }
  }
  return true;
}

static bool check_tables(struct restoring *restoring, const struct session *session) {
  for (size_t i = 0; i < SESSION_TABLES; i++) {
    if (!check_table(restoring, session, &session_tables[i])) {
      return false;
    }
  }
  return true;
}

static bool check_window(struct restoring *restoring, const struct session *session) {
  uint64_t position = 0, sequence;
  void *reply;
  while (map64_next(&session->window, &position, &sequence, &reply)) {
    if (!restore_check_reply(restoring, reply)) {
      return false;
    }
  }
  return true;
}

/* Reservations in order of their numbers: the oldest first. */
static bool list_reservations(struct restoring *restoring, struct session *session) {
  struct snapshot_out sorting = {0};
  size_t count;
  struct map64_slot *tasks = snapshot_sorted(&sorting, &session->reservations, &count);
  for (size_t i = 0; tasks && i < count; i++) {
    TAILQ_INSERT_TAIL(&session->reserved, (struct task *)tasks[i].value, owner_link);
  }
  free(tasks);
  return tasks || snapshot_lacks_memory(restoring);
}

static bool bind(struct restoring *restoring, struct session *session) {
  struct peer *peer = core_peer(restoring->engine, session->connection);
  if (session->connection && (!peer || peer->session || session->is_lost)) {
    return snapshot_fail(&restoring->in, "a session is bound to what is no connection");
  }
  if (peer) {
    peer->session = session;
  }
  return true;
}

/* A session has a connection, or its grace time runs, or it waits for a forked child. */
static bool check_life(struct restoring *restoring, const struct session *session) {
  bool has_timer = session->timer.position > 0;
  bool is_bound = session->connection != 0;
  bool is_of_child = session->is_unadopted && !is_bound;
  bool is_good = has_timer == session->is_lost && session->is_unadopted == is_of_child &&
                 (!session->parent || (!session->is_lost && is_of_child)) &&
                 (is_bound || session->is_lost || is_of_child);
  return is_good || snapshot_fail(&restoring->in, "a session neither lives nor ends");
}

bool restore_end_sessions(struct restoring *restoring) {
  struct engine *engine = restoring->engine;
  uint64_t position = 0, serial;
  void *item;
  while (map64_next(&engine->sessions, &position, &serial, &item)) {
    struct session *session = item;
    bool is_good = bind(restoring, session) && check_life(restoring, session) &&
                   check_tables(restoring, session) && check_window(restoring, session) &&
                   list_reservations(restoring, session);
    if (!is_good) {
      return false;
    }
  }
  return true;
}
