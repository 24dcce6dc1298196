/* What is set, layer over layer: of each setting what the highest layer says.
 *
 * layer   config, internal
 * memory  texts are copied into the arena
 */
#ifndef HF_CONFIG_LAYERS_H
#define HF_CONFIG_LAYERS_H

#include "server/config/settings.h"
#include "server/config/table.h"

enum origin_kind { ORIGIN_FILE, ORIGIN_VARIABLE, ORIGIN_FLAG };

struct origin {
  enum origin_kind kind;
  const char *name; /* of the file, the variable, the flag */
  unsigned line;    /* of the file */
};

struct layer_item {
  const char *text;
  struct origin origin;
};

/* A setting that is set. */
struct layer_entry {
  const struct setting *setting;
  const char *user;         /* [user NAME]; NULL: the setting is no user's */
  unsigned rank;            /* of the layer that says so */
  struct origin origin;     /* of the first item */
  struct layer_item *items; /* one, or those of a list; none: as if it was not set */
  size_t items_count;
};

struct layers {
  struct arena *arena;
  unsigned rank; /* of the present one: raise it from layer to layer */
  struct layer_entry *entries;
  size_t count;
  char *error; /* of CONFIG_ERROR_BYTES */
};

/* false: error says why not. `section` is as in a file: "user web". */
bool layers_set(struct layers *layers, const char *section, const char *key, const char *value,
                const struct origin *origin);
bool layers_set_setting(struct layers *layers, const struct setting *setting, const char *user,
                        const char *value, const struct origin *origin);
/* NULL: it is not set. */
const struct layer_entry *layers_find(const struct layers *layers, const struct setting *setting,
                                      const char *user);
/* Its items as one text. */
#define LAYER_TEXT_BYTES 8192
void layers_text(const struct layer_entry *entry, char text[LAYER_TEXT_BYTES]);
/* Where the item is, then what is wrong with it. Answers false. */
bool layers_refuse(const struct layers *layers, const struct layer_entry *entry,
                   const struct layer_item *item, const char *advice);

#endif
