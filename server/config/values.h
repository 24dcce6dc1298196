/* What the text of a setting may be, and what it becomes.
 *
 * layer   config, internal
 * memory  what is read lives in the arena
 */
#ifndef HF_CONFIG_VALUES_H
#define HF_CONFIG_VALUES_H

#include "proto/base/arena.h"

#include <stdbool.h>
#include <stddef.h>

#define VALUE_ITEMS_MAX 256 /* of a list */

struct value_type {
  const char *word;       /* for --help: "SIZE"; NULL: a flag has no value, and then is "yes" */
  const char *advice;     /* what is wrong with a text that is refused, and what to write */
  const char *separators; /* of a list's items; NULL: it is no list */
  /* Stores the text, or appends the item of a list. false: it is refused. */
  bool (*read)(struct arena *arena, const char *text, void *to);
};

extern const struct value_type value_addresses, value_path, value_size, value_memory,
    value_log_level, value_yes, value_tls_version, value_fsync, value_process, value_count,
    value_rights, value_uids, value_certificates;

/* "512M" and the like: digits, then nothing, K, M or G; not 0. */
bool value_read_size(const char *text, size_t *size);
/* A copy; NULL: out of memory. */
char *value_copy(struct arena *arena, const char *text);
/* Appends an item to the array that the pointer at `items` points to. false: out of memory. */
bool value_push(struct arena *arena, void *items, size_t *count, const void *item,
                size_t item_size);

#endif
