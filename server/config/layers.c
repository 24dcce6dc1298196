#include "server/config/layers.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define USER_PREFIX TABLE_USER " "
/* What inih leaves of a section's name. */
#define USER_NAME_MAX 44
#define BLANKS " \t\r"

/* ---------------------------------------------------------------------------------- errors */

static bool refuse(const struct layers *layers, const struct origin *origin, const char *format,
                   ...) __attribute__((format(printf, 3, 4)));

static bool refuse(const struct layers *layers, const struct origin *origin, const char *format,
                   ...) {
  int len = 0;
  if (origin->kind == ORIGIN_FILE) {
    len = snprintf(layers->error, CONFIG_ERROR_BYTES, "%.700s:%u: ", origin->name, origin->line);
  }
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(layers->error + len, CONFIG_ERROR_BYTES - (size_t)len, format, arguments);
  va_end(arguments);
  return false;
}

bool layers_refuse(const struct layers *layers, const struct layer_entry *entry,
                   const struct layer_item *item, const char *advice) {
  const struct origin *origin = &item->origin;
  switch (origin->kind) {
    case ORIGIN_FILE:
      return refuse(layers, origin, "%s = %.200s: %s", entry->setting->key, item->text, advice);
    case ORIGIN_VARIABLE:
      return refuse(layers, origin, "%s=%.200s: %s", origin->name, item->text, advice);
    case ORIGIN_FLAG:
      break;
  }
  bool has_value = entry->setting->type->word != NULL;
  return refuse(layers, origin, "--%s%s%.200s: %s", origin->name, has_value ? " " : "",
                has_value ? item->text : "", advice);
}

static bool has_no_memory(const struct layers *layers) {
  snprintf(layers->error, CONFIG_ERROR_BYTES, "out of memory");
  return false;
}

/* ----------------------------------------------------------------------------------- items */

/* Reads it apart from all others, so that a value is checked also if a higher place replaces it. */
static bool check_item(const struct layers *layers, const struct layer_entry *entry,
                       const struct layer_item *item) {
  union {
    struct settings settings;
    struct user_section section;
  } scratch;
  memset(&scratch, 0, sizeof scratch);
  char *to = (char *)&scratch + entry->setting->offset;
  return entry->setting->type->read(layers->arena, item->text, to) ||
         layers_refuse(layers, entry, item, entry->setting->type->advice);
}

static bool add_item(const struct layers *layers, struct layer_entry *entry, const char *text,
                     size_t len, const struct origin *origin) {
  struct layer_item item = {.origin = *origin};
  char *copied = arena_alloc(layers->arena, len + 1);
  if (copied == NULL) {
    return has_no_memory(layers);
  }
  memcpy(copied, text, len);
  copied[len] = '\0';
  item.text = copied;
  return check_item(layers, entry, &item) &&
         (value_push(layers->arena, &entry->items, &entry->items_count, &item, sizeof item) ||
          has_no_memory(layers));
}

static bool add_items(const struct layers *layers, struct layer_entry *entry, const char *value,
                      const struct origin *origin) {
  const char *separators = entry->setting->type->separators;
  if (separators == NULL) {
    return *value == '\0' || add_item(layers, entry, value, strlen(value), origin);
  }
  bool added = true;
  for (const char *at = value; added && *at != '\0';) {
    at += strspn(at, BLANKS);
    size_t whole = strcspn(at, separators), len = whole;
    while (len > 0 && strchr(BLANKS, at[len - 1]) != NULL) {
      len--;
    }
    added = len == 0 || add_item(layers, entry, at, len, origin);
    at += whole + (at[whole] != '\0');
  }
  return added;
}

/* --------------------------------------------------------------------------------- entries */

static bool is_same_user(const char *user, const char *other) {
  return user == NULL || other == NULL ? user == other : strcmp(user, other) == 0;
}

const struct layer_entry *layers_find(const struct layers *layers, const struct setting *setting,
                                      const char *user) {
  for (size_t i = 0; i < layers->count; i++) {
    if (layers->entries[i].setting == setting && is_same_user(layers->entries[i].user, user)) {
      return &layers->entries[i];
    }
  }
  return NULL;
}

/* NULL: out of memory. */
static struct layer_entry *get_entry(struct layers *layers, const struct setting *setting,
                                     const char *user) {
  const struct layer_entry *found = layers_find(layers, setting, user);
  if (found != NULL) {
    return &layers->entries[found - layers->entries];
  }
  struct layer_entry entry = {.setting = setting};
  entry.user = user != NULL ? value_copy(layers->arena, user) : NULL;
  if ((user != NULL && entry.user == NULL) ||
      !value_push(layers->arena, &layers->entries, &layers->count, &entry, sizeof entry)) {
    return NULL;
  }
  return &layers->entries[layers->count - 1];
}

bool layers_set_setting(struct layers *layers, const struct setting *setting, const char *user,
                        const char *value, const struct origin *origin) {
  struct layer_entry *entry = get_entry(layers, setting, user);
  if (entry == NULL) {
    return has_no_memory(layers);
  }
  bool is_again = entry->rank == layers->rank;
  if (is_again && setting->type->separators == NULL && origin->kind == ORIGIN_FILE) {
    return refuse(layers, origin, "%s is set twice; the first is in line %u", setting->key,
                  entry->origin.line);
  }
  if (!is_again || setting->type->separators == NULL) {
    entry->items_count = 0;
    entry->items = NULL;
    entry->rank = layers->rank;
    entry->origin = *origin;
  }
  return add_items(layers, entry, value, origin);
}

/* -------------------------------------------------------------------------------- sections */

/* The alphabet of users in key files. */
static bool is_user_name(const char *name) {
  size_t len = strlen(name);
  return len > 0 && len <= USER_NAME_MAX &&
         strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-") == len;
}

static bool refuse_unknown(const struct layers *layers, const struct origin *origin,
                           const char *section, const char *key, const char *shown_section) {
  const char *nearest = table_nearest(section, key);
  const char *before = nearest != NULL ? "; did you mean '" : "";
  const char *after = nearest != NULL ? "'?" : "";
  nearest = nearest != NULL ? nearest : "";
  if (key == NULL) {
    return refuse(layers, origin, "unknown section [%s]%s%s%s", shown_section, before, nearest,
                  after);
  }
  return refuse(layers, origin, "unknown key '%s' in [%s]%s%s%s", key, shown_section, before,
                nearest, after);
}

bool layers_set(struct layers *layers, const char *section, const char *key, const char *value,
                const struct origin *origin) {
  const char *user = NULL, *table = section;
  if (*section == '\0') {
    return refuse(layers, origin, "'%s' stands before the first [section]", key);
  }
  if (strncmp(section, USER_PREFIX, strlen(USER_PREFIX)) == 0) {
    user = section + strlen(USER_PREFIX);
    table = TABLE_USER;
  }
  if (user != NULL ? !is_user_name(user) : strcmp(section, TABLE_USER) == 0) {
    return refuse(layers, origin,
                  "[%s]: write [user NAME], with a name of 1 to 44 of a-z A-Z 0-9 . _ @ -",
                  section);
  }
  if (!table_has_section(table)) {
    return refuse_unknown(layers, origin, table, NULL, section);
  }
  const struct setting *setting = table_find(table, key);
  if (setting == NULL) {
    return refuse_unknown(layers, origin, table, key, section);
  }
  return layers_set_setting(layers, setting, user, value, origin);
}

void layers_text(const struct layer_entry *entry, char text[LAYER_TEXT_BYTES]) {
  const char *separator = entry->setting->type->separators;
  size_t len = 0;
  text[0] = '\0';
  for (size_t i = 0; i < entry->items_count && len < LAYER_TEXT_BYTES; i++) {
    len += (size_t)snprintf(text + len, LAYER_TEXT_BYTES - len, "%s%s",
                            i == 0              ? ""
                            : *separator == ',' ? ", "
                                                : " ",
                            entry->items[i].text);
  }
}
