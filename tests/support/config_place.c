#include "tests/support/config_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGS_MAX 40

struct config_place config_place;
struct config *config_place_loaded;

struct config *config_place_load(const char *const *words) {
  static char program[] = "holdfastd";
  static char *argv[ARGS_MAX + 4];
  int argc = 1;
  argv[0] = program;
  for (; words[argc - 1] != NULL; argc++) {
    assert_true(argc <= ARGS_MAX);
    argv[argc] = (char *)(uintptr_t)words[argc - 1]; /* argp only moves the pointers */
  }
  argv[argc] = NULL;
  config_free(config_place_loaded);
  config_place_loaded = config_load(argc, argv);
  assert_non_null(config_place_loaded);
  return config_place_loaded;
}

const struct settings *config_place_right(const struct config *config) {
  if (config_error(config) != NULL) {
    print_error("%s\n", config_error(config));
  }
  assert_null(config_error(config));
  return config_settings(config);
}

void config_place_refuses(const struct config *config, const char *error) {
  assert_non_null(config_error(config));
  assert_string_equal(config_error(config), error);
}

void config_place_write(const char *name, const char *text, size_t len) {
  char path[2 * CONFIG_PLACE_BYTES];
  snprintf(path, sizeof path, "%s/%s", config_place.folder, name);
  FILE *file = fopen(path, "we");
  assert_non_null(file);
  assert_int_equal(fwrite(text, 1, len, file), len);
  assert_int_equal(fclose(file), 0);
}

void config_place_write_file(const char *text) {
  config_place_write("holdfastd.conf", text, strlen(text));
}

void config_place_write_part(const char *name, const char *text) {
  char path[2 * CONFIG_PLACE_BYTES];
  snprintf(path, sizeof path, "conf.d/%s", name);
  config_place_write(path, text, strlen(text));
}

int config_place_set_up(void **state) {
  char path[2 * CONFIG_PLACE_BYTES];
  (void)state;
  snprintf(config_place.folder, sizeof config_place.folder, "/tmp/hf-config-XXXXXX");
  if (mkdtemp(config_place.folder) == NULL) {
    return -1;
  }
  snprintf(config_place.file, sizeof config_place.file, "%s/holdfastd.conf", config_place.folder);
  snprintf(path, sizeof path, "%s/conf.d", config_place.folder);
  config_place_write_file("");
  return mkdir(path, 0700);
}

int config_place_tear_down(void **state) {
  char command[2 * CONFIG_PLACE_BYTES];
  (void)state;
  config_free(config_place_loaded);
  config_place_loaded = NULL;
  snprintf(command, sizeof command, "rm -r %s", config_place.folder);
  return system(command); /* NOLINT(cert-env33-c): a path of ours */
}
