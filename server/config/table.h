/* All settings there are: a row each. Files, variables and the command line are read by these rows, and
 * --help, --print-config and the check of ../../deploy/holdfastd.conf are made from them.
 *
 * layer   config, internal
 */
#ifndef HF_CONFIG_TABLE_H
#define HF_CONFIG_TABLE_H

#include "server/config/values.h"

#define TABLE_USER "user" /* the section of settings that each user has: [user NAME] */

struct setting {
  const char *section; /* NULL: on the command line only */
  const char *key;
  const char
      *flag; /* without its dashes; the variable is HOLDFASTD_ and that. NULL: in files only */
  const struct value_type *type;
  size_t offset;        /* of struct settings; in the section "user" of struct user_section */
  const char *fallback; /* what holds if nothing is set, as text; "": nothing */
  bool is_reloaded;     /* else a change needs a restart */
  const char *help;     /* NULL: not in --help */
};

extern const struct setting settings_table[];
extern const size_t settings_count;

/* NULL: there is none. */
const struct setting *table_find(const char *section, const char *key);
bool table_has_section(const char *section);
/* What was meant by a key, or by a section if key is NULL; NULL: nothing near. Static. */
const char *table_nearest(const char *section, const char *key);

/* The variable of a setting that has a flag: "HOLDFASTD_MEMORY_MAX". */
#define TABLE_VARIABLE_PREFIX "HOLDFASTD_"
#define TABLE_VARIABLE_BYTES 48
void table_variable(const struct setting *setting, char name[TABLE_VARIABLE_BYTES]);

#endif
