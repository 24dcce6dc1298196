#include "server/config/values.h"

#include "proto/base/log.h"
#include "proto/limits.h"
#include "proto/tls/settings.h"
#include "server/config/settings.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------------------------- helpers */

char *value_copy(struct arena *arena, const char *text) {
  size_t size = strlen(text) + 1;
  char *copied = arena_alloc(arena, size);
  return copied != NULL ? memcpy(copied, text, size) : NULL;
}

/* Capacities are powers of two, so that the count says when there is no room. */
bool value_push(struct arena *arena, void *items, size_t *count, const void *item,
                size_t item_size) {
  char *array;
  memcpy(&array, items, sizeof array);
  if ((*count & (*count - 1)) == 0) {
    char *grown = arena_alloc(arena, (*count == 0 ? 1 : 2 * *count) * item_size);
    if (grown == NULL) {
      return false;
    }
    if (*count > 0) {
      memcpy(grown, array, *count * item_size);
    }
    array = grown;
    memcpy(items, &array, sizeof array);
  }
  memcpy(array + *count * item_size, item, item_size);
  ++*count;
  return true;
}

static bool read_number(const char *text, uint64_t max, uint64_t *number) {
  char *end;
  errno = 0;
  unsigned long long read = strtoull(text, &end, 10);
  *number = read;
  return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && read <= max;
}

/* ---------------------------------------------------------------------------- single values */

bool value_read_size(const char *text, size_t *size) {
  if (text[0] < '0' || text[0] > '9') {
    return false;
  }
  char *end;
  errno = 0;
  unsigned long long number = strtoull(text, &end, 10);
  static const char suffixes[] = "KMG";
  unsigned shift = 0;
  if (*end != '\0') {
    const char *suffix = strchr(suffixes, *end);
    if (suffix == NULL || end[1] != '\0') {
      return false;
    }
    shift = 10 * ((unsigned)(suffix - suffixes) + 1);
  }
  if (errno != 0 || number == 0 || number > (SIZE_MAX >> shift)) {
    return false;
  }
  *size = (size_t)number << shift;
  return true;
}

static bool read_size(struct arena *arena, const char *text, void *to) {
  (void)arena;
  return value_read_size(text, to);
}

static bool read_memory(struct arena *arena, const char *text, void *to) {
  return read_size(arena, text, to) && *(size_t *)to >= HF_MEMORY_BYTES_MIN;
}

static bool read_path(struct arena *arena, const char *text, void *to) {
  const char **path = to;
  *path = value_copy(arena, text);
  return *path != NULL;
}

static bool read_log_level(struct arena *arena, const char *text, void *to) {
  static const char *const names[] = {"error", "warn", "info", "debug"};
  (void)arena;
  for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
    if (strcmp(text, names[i]) == 0) {
      *(enum log_level *)to = (enum log_level)i;
      return true;
    }
  }
  return false;
}

static bool read_yes(struct arena *arena, const char *text, void *to) {
  (void)arena;
  *(bool *)to = strcmp(text, "yes") == 0;
  return *(bool *)to || strcmp(text, "no") == 0;
}

static bool read_tls_version(struct arena *arena, const char *text, void *to) {
  (void)arena;
  bool is_1_3 = strcmp(text, "1.3") == 0;
  *(enum tls_version *)to = is_1_3 ? TLS_VERSION_1_3 : TLS_VERSION_1_2;
  return is_1_3 || strcmp(text, "1.2") == 0;
}

/* "interval MS", or with = for the blank */
static bool read_interval(const char *text, struct fsync_setting *setting) {
  static const char word[] = "interval";
  const size_t len = sizeof word - 1;
  uint64_t ms;
  if (strncmp(text, word, len) != 0 || (text[len] != ' ' && text[len] != '=') ||
      !read_number(text + len + 1, UINT32_MAX, &ms) || ms == 0) {
    return false;
  }
  *setting = (struct fsync_setting){FSYNC_INTERVAL, (uint32_t)ms};
  return true;
}

static bool read_fsync(struct arena *arena, const char *text, void *to) {
  struct fsync_setting *setting = to;
  bool is_always = strcmp(text, "always") == 0, is_never = strcmp(text, "never") == 0;
  (void)arena;
  if (!is_always && !is_never) {
    return read_interval(text, setting);
  }
  *setting = (struct fsync_setting){is_always ? FSYNC_ALWAYS : FSYNC_NEVER, 0};
  return true;
}

static bool read_process(struct arena *arena, const char *text, void *to) {
  uint64_t number;
  (void)arena;
  if (!read_number(text, INT_MAX, &number) || number == 0) {
    return false;
  }
  *(pid_t *)to = (pid_t)number;
  return true;
}

static bool read_count(struct arena *arena, const char *text, void *to) {
  uint64_t number;
  (void)arena;
  if (!read_number(text, INT64_MAX, &number) || number == 0) {
    return false;
  }
  *(uint64_t *)to = number;
  return true;
}

/* ----------------------------------------------------------------------------------- lists */

static bool read_address(struct arena *arena, const char *text, void *to) {
  struct settings *settings = to;
  if (settings->listen_count == SETTINGS_LISTEN_MAX) {
    return false;
  }
  const char *url = value_copy(arena, text);
  settings->listen[settings->listen_count++] = url;
  return url != NULL;
}

static uint8_t read_access(const char *letters) {
  static const char known[] = "rwc";
  static const uint8_t bits[] = {ACCESS_READ, ACCESS_WRITE, ACCESS_CREATE};
  uint8_t access = 0;
  for (; *letters != '\0'; letters++) {
    const char *letter = strchr(known, *letters);
    if (letter == NULL || (access & bits[letter - known])) {
      return 0;
    }
    access |= bits[letter - known];
  }
  return access;
}

/* "PREFIX:rwc", or "admin" */
static bool read_right(struct arena *arena, const char *text, void *to) {
  struct user_settings *settings = &((struct user_section *)to)->settings;
  const char *colon = strrchr(text, ':');
  if (strcmp(text, "admin") == 0) {
    settings->is_admin = true;
    return true;
  }
  struct user_right right = {.access = colon != NULL ? read_access(colon + 1) : 0};
  if (right.access == 0 || settings->rights_count == VALUE_ITEMS_MAX) {
    return false;
  }
  const char *copied = value_copy(arena, text);
  if (copied == NULL) {
    return false;
  }
  right.prefix = bytes_of(copied, (size_t)(colon - text));
  for (size_t i = 0; i < settings->rights_count; i++) {
    if (bytes_equal(settings->rights[i].prefix, right.prefix)) {
      return false;
    }
  }
  return value_push(arena, &settings->rights, &settings->rights_count, &right, sizeof right);
}

/* A number, or a name of this machine. */
static bool read_uid(struct arena *arena, const char *text, void *to) {
  struct user_section *section = to;
  const struct passwd *entry;
  uint64_t number;
  uid_t uid;
  if (read_number(text, UINT32_MAX - 1, &number)) {
    uid = (uid_t)number;
  } else if ((entry = getpwnam(text)) != NULL) {
    uid = entry->pw_uid;
  } else {
    return false;
  }
  return section->uids_count < VALUE_ITEMS_MAX &&
         value_push(arena, &section->uids, &section->uids_count, &uid, sizeof uid);
}

/* Without a kind it is a common name. */
static bool read_certificate(struct arena *arena, const char *text, void *to) {
  static const char *const kinds[] = {"cn:", "dns:", "uri:"};
  struct user_section *section = to;
  const char *name = text;
  bool has_kind = false;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    has_kind = has_kind || strncmp(text, kinds[i], strlen(kinds[i])) == 0;
  }
  if (!has_kind) {
    size_t size = strlen("cn:") + strlen(text) + 1;
    char *copied = arena_alloc(arena, size);
    if (copied != NULL) {
      snprintf(copied, size, "cn:%s", text);
    }
    name = copied;
  } else {
    name = value_copy(arena, text);
  }
  return name != NULL && strlen(name) < IDENTITY_NAMES_BYTES_MAX - 1 &&
         section->certificates_count < VALUE_ITEMS_MAX &&
         value_push(arena, &section->certificates, &section->certificates_count, &name,
                    sizeof name);
}

/* ----------------------------------------------------------------------------------- types */

const struct value_type value_addresses = {"URL", "too many addresses, 16 at most", ",",
                                           read_address};
const struct value_type value_path = {"FILE", "out of memory", NULL, read_path};
const struct value_type value_size = {"SIZE", "not a size; write e.g. 512M or 2G", NULL, read_size};
const struct value_type value_memory = {"SIZE", "not a size of 1M or more; write e.g. 512M or 2G",
                                        NULL, read_memory};
const struct value_type value_log_level = {"LEVEL", "not one of error, warn, info, debug", NULL,
                                           read_log_level};
const struct value_type value_yes = {NULL, "not yes or no", NULL, read_yes};
const struct value_type value_tls_version = {"VERSION", "not 1.2 or 1.3", NULL, read_tls_version};
const struct value_type value_fsync = {"WHEN", "not always, \"interval MS\" or never", NULL,
                                       read_fsync};
const struct value_type value_process = {"PID", "not the number of a process", NULL, read_process};
const struct value_type value_count = {"NUMBER", "not a number; leave it out for no limit", NULL,
                                       read_count};
const struct value_type value_rights = {
    "RIGHTS", "not a right; write PREFIX:rwc, each prefix once, or admin", " \t", read_right};
const struct value_type value_uids = {"UID", "not a number or a user of this machine", ", \t",
                                      read_uid};
const struct value_type value_certificates = {
    "NAME", "not a name; write cn:NAME, dns:NAME or uri:URI, 256 at most", ",", read_certificate};
