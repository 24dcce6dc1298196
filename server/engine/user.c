#include "server/engine/user.h"

#include "proto/base/clock.h"
#include "server/engine/operation.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A second's requests may come at once. */
#define BURST_NS (1000 * CLOCK_NS_PER_MS)

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
  size_t a = ((const struct user_right *)one)->prefix.len;
  size_t b = ((const struct user_right *)other)->prefix.len;
  return (a < b) - (a > b);
}

static void sort_rights(struct user_settings *settings) {
  struct user_right *rights = (struct user_right *)(uintptr_t)settings->rights;
  qsort(rights, settings->rights_count, sizeof *rights, compare_rights);
}

/* ---- the table */

static int compare_names(struct bytes a, struct bytes b) {
  size_t common = a.len < b.len ? a.len : b.len;
  int order = common ? memcmp(a.data, b.data, common) : 0;
  return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Where the name is, or belongs. */
static size_t position_of(const struct user_table *table, struct bytes name) {
  size_t first = 0, end = table->count;
  while (first < end) {
    size_t middle = first + (end - first) / 2;
    if (compare_names(user_name(table->users[middle]), name) < 0) {
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

bool users_set(struct user_table *table, const struct users_settings *settings) {
  struct user_settings *copies = prepare(table, settings);
  if (!copies) {
    sweep(table);
    return false;
  }
  for (size_t i = 0; i < table->count; i++) {
    table->users[i]->is_gone = true;
  }
  for (size_t i = 0; i < settings->count; i++) {
    struct user *user = users_find_name(table, settings->users[i].name);
    free_settings(&user->settings);
    user->settings = copies[i];
    user->is_gone = false;
    sort_rights(&user->settings);
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

struct bytes user_name(const struct user *user) {
  return bytes_of(user->name, user->name_len);
}

static bool begins_with(struct bytes name, struct bytes prefix) {
  return name.len >= prefix.len &&
         (prefix.len == 0 || memcmp(name.data, prefix.data, prefix.len) == 0);
}

unsigned user_rights(const struct user *user, struct bytes name) {
  const struct user_settings *settings = &user->settings;
  for (size_t i = 0; !user->is_gone && i < settings->rights_count; i++) {
    if (begins_with(name, settings->rights[i].prefix)) {
      return settings->rights[i].access;
    }
  }
  return ACCESS_NOTHING;
}

void user_recharge(struct user *user, size_t former_bytes, size_t bytes) {
  if (user) {
    assert(user->memory_bytes >= former_bytes); /* U1 */
    user->memory_bytes += bytes - former_bytes;
  }
}

/* source: the generic cell rate algorithm, ITU-T I.371: one time instead of a bucket's level */
bool user_admit_request(struct user *user, uint64_t now_ns) {
  uint64_t rate = user->settings.limits.requests_per_s;
  uint64_t due_ns = user->rate_ns > now_ns ? user->rate_ns : now_ns;
  if (rate == 0) {
    return true;
  }
  if (due_ns - now_ns > BURST_NS - BURST_NS / rate) {
    return false;
  }
  user->rate_ns = due_ns + BURST_NS / rate;
  return true;
}
