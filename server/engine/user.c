#include "server/engine/user.h"

#include "proto/base/clock.h"
#include "proto/limits.h"
#include "server/engine/operation.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A second's requests may come at once. */
#define BURST_NS (1000 * CLOCK_NS_PER_MS)
#define AHEAD_NS_MAX (HF_TOO_FAST_PAUSE_MS * CLOCK_NS_PER_MS)

/* ---- settings */

/* The settings in one malloc: rights, then the bytes of their prefixes. */
static bool copy_settings(const struct user_settings *from, struct user_settings *to) {
  size_t bytes = from->rights_count * sizeof *from->rights;
  for (size_t i = 0; i < from->rights_count; i++) {
    bytes += from->rights[i].prefix.len;
  }
  *to = *from;
  to->name = bytes_of(NULL, 0);
  struct user_right *rights = malloc(bytes + 1);
  uint8_t *at = (uint8_t *)(rights + from->rights_count);
  to->rights = rights;
  for (size_t i = 0; rights && i < from->rights_count; i++) {
    struct bytes prefix = from->rights[i].prefix;
    if (prefix.len > 0) {
      memcpy(at, prefix.data, prefix.len);
    }
    rights[i] = (struct user_right){bytes_of(at, prefix.len), from->rights[i].access};
    at += prefix.len;
  }
  return rights != NULL;
}

static void free_settings(struct user_settings *settings) {
  free((void *)(uintptr_t)settings->rights);
}

static int compare_rights(const void *one, const void *other) {
  struct bytes a = ((const struct user_right *)one)->prefix;
  struct bytes b = ((const struct user_right *)other)->prefix;
  return a.len == b.len ? bytes_compare(a, b) : (a.len < b.len) - (a.len > b.len);
}

static void sort_rights(struct user_settings *copy) {
  struct user_right *rights = (struct user_right *)(uintptr_t)copy->rights;
  qsort(rights, copy->rights_count, sizeof *rights, compare_rights);
}

/* Takes the copy, whose rights are sorted. */
static void install(struct user *user, const struct user_settings *copy) {
  free_settings(&user->settings);
  user->settings = *copy;
  user->is_gone = false;
}

bool user_set(struct user *user, const struct user_settings *settings) {
  struct user_settings copy;
  bool is_copied = copy_settings(settings, &copy);
  if (is_copied) {
    sort_rights(&copy);
    install(user, &copy);
  }
  return is_copied;
}

/* ---- the table */

/* Where the name is, or belongs. */
static size_t position_of(const struct user_table *table, struct bytes name) {
  size_t first = 0, end = table->count;
  while (first < end) {
    size_t middle = first + (end - first) / 2;
    if (bytes_compare(user_name(table->users[middle]), name) < 0) {
      first = middle + 1;
    } else {
      end = middle;
    }
  }
  return first;
}

struct user *users_find_name(const struct user_table *table, struct bytes name) {
  size_t at = position_of(table, name);
  bool is_there = at < table->count && bytes_equal(user_name(table->users[at]), name);
  return is_there ? table->users[at] : NULL;
}

static struct user *user_new(struct bytes name) {
  struct user *user = calloc(1, sizeof *user + name.len);
  if (user) {
    user->is_gone = true;
    user->name_len = name.len;
    memcpy(user->name, name.data, name.len);
  }
  return user;
}

static void user_free(struct user *user) {
  assert(user->memory_bytes == 0 && user->objects == 0 && user->sessions == 0); /* U1 */
  free_settings(&user->settings);
  free(user);
}

struct user *users_make(struct user_table *table, struct bytes name) {
  struct user *user = users_find_name(table, name);
  if (user) {
    return user;
  }
  struct user **users = realloc(table->users, (table->count + 1) * sizeof(struct user *));
  if (!users) {
    return NULL;
  }
  table->users = users;
  user = user_new(name);
  if (user) {
    size_t at = position_of(table, name);
    memmove(users + at + 1, users + at, (table->count - at) * sizeof(struct user *));
    users[at] = user;
    table->count++;
  }
  return user;
}

/* Frees those that are gone, and that nothing refers to. */
static void sweep(struct user_table *table) {
  size_t kept = 0;
  for (size_t i = 0; i < table->count; i++) {
    struct user *user = table->users[i];
    if (user->is_gone && user->references == 0) {
      user_free(user);
    } else {
      table->users[kept++] = user;
    }
  }
  table->count = kept;
}

void users_deinit(struct user_table *table) {
  for (size_t i = 0; i < table->count; i++) {
    user_free(table->users[i]);
  }
  free(table->users);
}

static void free_copies(struct user_settings *copies, size_t count) {
  for (size_t i = 0; i < count; i++) {
    free_settings(&copies[i]);
  }
  free(copies);
}

/* All memory that users_set needs. NULL: out of it. */
static struct user_settings *prepare(struct user_table *table,
                                     const struct users_settings *settings) {
  struct user_settings *copies = calloc(settings->count + 1, sizeof *copies);
  for (size_t i = 0; copies && i < settings->count; i++) {
    if (!users_make(table, settings->users[i].name) ||
        !copy_settings(&settings->users[i], &copies[i])) {
      free_copies(copies, i);
      return NULL;
    }
  }
  return copies;
}

/* Both in order of prefixes. */
static bool has_same_rights(const struct user_settings *one, const struct user_settings *other) {
  bool is_same = one->rights_count == other->rights_count;
  for (size_t i = 0; is_same && i < one->rights_count; i++) {
    is_same = one->rights[i].access == other->rights[i].access &&
              bytes_equal(one->rights[i].prefix, other->rights[i].prefix);
  }
  return is_same;
}

/* How many users there are that are not gone. */
static size_t count_present(const struct user_table *table) {
  size_t count = 0;
  for (size_t i = 0; i < table->count; i++) {
    count += !table->users[i]->is_gone;
  }
  return count;
}

bool users_set(struct user_table *table, const struct users_settings *settings, bool *lessens) {
  struct user_settings *copies = prepare(table, settings);
  if (!copies) {
    sweep(table);
    return false;
  }
  size_t same = 0, before = count_present(table);
  for (size_t i = 0; i < settings->count; i++) {
    const struct user *user = users_find_name(table, settings->users[i].name);
    sort_rights(&copies[i]);
    same += !user->is_gone && has_same_rights(&user->settings, &copies[i]);
  }
  *lessens = same != before;
  for (size_t i = 0; i < table->count; i++) {
    table->users[i]->is_gone = true;
  }
  for (size_t i = 0; i < settings->count; i++) {
    install(users_find_name(table, settings->users[i].name), &copies[i]);
  }
  free(copies);
  sweep(table);
  return true;
}

/* ---- one user */

struct user *user_share(struct user *user) {
  if (user) {
    user->references++;
  }
  return user;
}

void user_release(struct user *user) {
  if (user) {
    assert(user->references > 0);
    user->references--;
  }
}

struct user *user_enter_session(struct user *user) {
  if (user) {
    user->sessions++;
  }
  return user_share(user);
}

void user_leave_session(struct user *user) {
  if (user) {
    user->sessions--;
  }
  user_release(user);
}

struct bytes user_name(const struct user *user) {
  return bytes_of(user->name, user->name_len);
}

unsigned user_rights(const struct user *user, struct bytes name) {
  const struct user_settings *settings = &user->settings;
  for (size_t i = 0; !user->is_gone && i < settings->rights_count; i++) {
    if (bytes_begin_with(name, settings->rights[i].prefix)) {
      return settings->rights[i].access;
    }
  }
  return ACCESS_NOTHING;
}

/* The least name behind all that begin with the prefix. false: there is none. */
static bool name_behind(struct bytes prefix, uint8_t name[HF_NAME_BYTES_MAX], size_t *len) {
  *len = prefix.len <= HF_NAME_BYTES_MAX ? prefix.len : 0;
  while (*len > 0 && prefix.data[*len - 1] == UINT8_MAX) {
    (*len)--;
  }
  if (*len > 0) {
    memcpy(name, prefix.data, *len);
    name[*len - 1]++;
  }
  return *len > 0;
}

bool user_next_seen(const struct user *user, struct bytes name, uint8_t room[HF_NAME_BYTES_MAX],
                    struct bytes *next) {
  const struct user_settings *settings = &user->settings;
  bool is_decided = false, is_found = false;
  for (size_t i = 0; !user->is_gone && i < settings->rights_count; i++) {
    struct bytes prefix = settings->rights[i].prefix;
    bool is_behind = bytes_compare(prefix, name) > 0;
    bool shows = settings->rights[i].access & (ACCESS_READ | ACCESS_WRITE);
    struct bytes begin = prefix;
    if (!is_decided && bytes_begin_with(name, prefix)) {
      is_decided = true; /* behind what this one decides a shorter one does */
      begin.data = room;
      is_behind = shows = name_behind(prefix, room, &begin.len);
    }
    if (is_behind && shows && (!is_found || bytes_compare(begin, *next) < 0)) {
      *next = begin;
      is_found = true;
    }
  }
  return is_found;
}

void user_recharge(struct user *user, size_t former_bytes, size_t bytes) {
  if (user) {
    assert(user->memory_bytes >= former_bytes); /* U1 */
    user->memory_bytes += bytes - former_bytes;
  }
}

/* When the user's requests would be over at its rate, with one more at the present time. */
static uint64_t over_ns(const struct user *user, uint64_t now_ns) {
  uint64_t rate = user->settings.limits.requests_per_s;
  uint64_t due_ns = user->rate_ns > now_ns ? user->rate_ns : now_ns;
  return rate == 0 ? now_ns : due_ns + BURST_NS / rate;
}

/* source: the generic cell rate algorithm, ITU-T I.371: one time instead of a bucket's level */
bool user_may_request(const struct user *user, uint64_t now_ns) {
  return over_ns(user, now_ns) - now_ns <= BURST_NS + AHEAD_NS_MAX;
}

uint64_t user_count_request(struct user *user, uint64_t now_ns) {
  if (user->settings.limits.requests_per_s == 0) {
    return 0;
  }
  user->rate_ns = over_ns(user, now_ns);
  uint64_t ahead_ns = user->rate_ns - now_ns;
  return ahead_ns > BURST_NS ? ahead_ns - BURST_NS : 0;
}
