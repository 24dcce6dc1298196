/* Configuration files: whatever is in one, it is read and makes sense, or is refused with a
 * sentence.
 *
 * input   a file
 */
#include "server/config/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
  if (!holds) {
    abort();
  }
}

static struct config *load(const char *path) {
  static char program[] = "holdfastd", option[] = "--config";
  char file[32];
  snprintf(file, sizeof file, "%s", path);
  char *argv[] = {program, option, file, NULL};
  struct config *config = config_load(3, argv);
  require(config != NULL);
  const char *error = config_error(config);
  require(error == NULL || (error[0] != '\0' && strlen(error) < CONFIG_ERROR_BYTES));
  return config;
}

/* Every user may come in some way, and has a name; every right says something. */
static void check(const struct settings *settings) {
  require(settings->listen_count <= SETTINGS_LISTEN_MAX && settings->memory_bytes_max > 0);
  for (size_t i = 0; i < settings->users_count; i++) {
    const struct user_section *user = &settings->users[i];
    require(user->settings.name.len > 0 && user->settings.name.len <= USER_NAME_BYTES_MAX);
    require(user->has_key || user->uids_count > 0 || user->certificates_count > 0 ||
            bytes_equal(user->settings.name, bytes_of_text(USERS_ANONYMOUS)));
    for (size_t j = 0; j < user->settings.rights_count; j++) {
      require(user->settings.rights[j].access != 0);
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static int file = -1;
  static char path[32];
  if (file < 0) {
    file = memfd_create("config", MFD_CLOEXEC);
    require(file >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  }
  require(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);
  struct config *config = load(path);
  if (config_error(config) == NULL) {
    check(config_settings(config));
    FILE *sink = fopen("/dev/null", "we");
    require(sink != NULL);
    config_print(config, sink);
    fclose(sink);
  }
  config_free(config);
  return 0;
}
