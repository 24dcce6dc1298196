/* Users in a snapshot: what they may do, also those that are gone, and where their rate stands. What they
 * use comes from what is theirs. */
#include "server/engine/snapshot_parts.h"

#include <stdlib.h>

struct user_state {
  uint64_t rate_ns;
  bool is_gone, is_admin;
  struct user_limits limits;
};
static const struct snapshot_field user_rows[] = {
    SNAPSHOT_FIELD(2, struct user_state, is_gone),
    SNAPSHOT_FIELD(3, struct user_state, is_admin),
    SNAPSHOT_FIELD(4, struct user_state, limits.memory_bytes),
    SNAPSHOT_FIELD(5, struct user_state, limits.objects),
    SNAPSHOT_FIELD(6, struct user_state, limits.sessions),
    SNAPSHOT_FIELD(7, struct user_state, limits.connections),
    SNAPSHOT_FIELD(8, struct user_state, limits.waiting),
    SNAPSHOT_FIELD(9, struct user_state, limits.requests_per_s),
    SNAPSHOT_FIELD(10, struct user_state, rate_ns),
};
static const struct snapshot_fields user_fields = SNAPSHOT_FIELDS(user_rows);
enum { NAME = 1, RIGHT = 11 };
enum { RIGHT_PREFIX = 1, RIGHT_ACCESS };

/* ---- writing */

static void put_right(struct snapshot_out *out, const struct user_right *right) {
  size_t opened = snapshot_open(out);
  snapshot_put_bytes(out, RIGHT_PREFIX, right->prefix);
  snapshot_put_number(out, RIGHT_ACCESS, right->access);
  snapshot_close(out, RIGHT, opened);
}

static void put_user(struct snapshot_out *out, const struct user *user) {
  const struct user_settings *settings = &user->settings;
  struct user_state state = {user->rate_ns, user->is_gone, settings->is_admin, settings->limits};
  snapshot_put_bytes(out, NAME, user_name(user));
  snapshot_put_fields(out, &user_fields, &state);
  for (size_t i = 0; i < settings->rights_count; i++) {
    put_right(out, &settings->rights[i]);
  }
  snapshot_end_record(out, RECORD_USER);
}

void snapshot_users(const struct engine *engine, struct snapshot_out *out) {
  for (size_t i = 0; i < engine->users.count; i++) {
    put_user(out, engine->users.users[i]);
  }
}

void snapshot_put_user(struct snapshot_out *out, uint32_t number, const struct user *user) {
  if (user) {
    snapshot_put_bytes(out, number, user_name(user));
  }
}

/* ---- reading */

struct reading_user {
  struct bytes name;
  struct user_right *rights; /* malloc */
  size_t count;
};

static bool visit_right(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct user_right *right = ctx;
  (void)in;
  if (field->number == RIGHT_PREFIX && field->type == DELIMITED) {
    right->prefix = field->content;
  } else if (field->number == RIGHT_ACCESS && field->type == VARINT) {
    right->access = (uint8_t)(field->integer & ACCESS_ALL);
  }
  return true;
}

static bool visit_user(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  struct reading_user *reading = ctx;
  if (field->type != DELIMITED) {
    return true;
  }
  if (field->number == NAME) {
    reading->name = field->content;
  }
  if (field->number != RIGHT) {
    return true;
  }
  struct user_right *rights = realloc(reading->rights, (reading->count + 1) * sizeof *rights);
  if (!rights) {
    return snapshot_fail(in, "there is not enough memory");
  }
  reading->rights = rights;
  rights[reading->count] = (struct user_right){.prefix = bytes_of("", 0)};
  return snapshot_read(in, field->content, NULL, NULL, visit_right, &rights[reading->count++]);
}

static bool add_user(struct restoring *restoring, const struct reading_user *reading,
                     const struct user_state *state) {
  struct user_table *table = &restoring->engine->users;
  struct user_settings settings = {reading->name, state->is_admin, reading->rights, reading->count,
                                   state->limits};
  bool is_new = reading->name.len > 0 && reading->name.len <= USER_NAME_BYTES_MAX &&
                !users_find_name(table, reading->name);
  if (!is_new) {
    return snapshot_fail(&restoring->in, "a user is broken, or there twice");
  }
  struct user *user = users_make(table, reading->name);
  if (!user || !user_set(user, &settings)) {
    return snapshot_lacks_memory(restoring);
  }
  user->is_gone = state->is_gone;
  user->rate_ns = state->rate_ns;
  return true;
}

bool restore_user(struct restoring *restoring, struct bytes body) {
  struct reading_user reading = {.name = bytes_of("", 0)};
  struct user_state state = {0};
  bool is_added = snapshot_read(&restoring->in, body, &user_fields, &state, visit_user, &reading) &&
                  add_user(restoring, &reading, &state);
  free(reading.rights);
  return is_added;
}

bool restore_find_user(struct restoring *restoring, const struct wire_field *field,
                       struct user **user) {
  *user =
      field->type == DELIMITED ? users_find_name(&restoring->engine->users, field->content) : NULL;
  return *user || snapshot_fail(&restoring->in, "a user is not there");
}
