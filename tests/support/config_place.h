/* A folder with a configuration: holdfastd.conf and, beside it, conf.d. Each test has one of its own.
 */
#ifndef HF_TESTS_SUPPORT_CONFIG_PLACE_H
#define HF_TESTS_SUPPORT_CONFIG_PLACE_H

#include "server/config/config.h"

#include <stddef.h>

#define CONFIG_PLACE_BYTES 300

extern struct config_place {
  char folder[128];
  char file[CONFIG_PLACE_BYTES];
} config_place;

/* What was loaded config_place_loaded, which the next load frees; a test that keeps it sets it to NULL. */
extern struct config *config_place_loaded;

int config_place_set_up(void **state);
int config_place_tear_down(void **state);
#define CONFIG_TEST(name) \
  cmocka_unit_test_setup_teardown(name, config_place_set_up, config_place_tear_down)

/* Loads it with these words, which end with NULL. */
struct config *config_place_load(const char *const *words);
#define LOAD(...) \
  config_place_load((const char *const[]){"--config", config_place.file, __VA_ARGS__, NULL})
#define LOAD_FILE() config_place_load((const char *const[]){"--config", config_place.file, NULL})

/* Its settings; fails if it is wrong. */
const struct settings *config_place_right(const struct config *config);
/* Fails unless it is refused, with exactly this. */
void config_place_refuses(const struct config *config, const char *error);

/* A file of the folder; holdfastd.conf; one of conf.d. */
void config_place_write(const char *name, const char *text, size_t len);
void config_place_write_file(const char *text);
void config_place_write_part(const char *name, const char *text);

#endif
