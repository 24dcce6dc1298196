#include "server/config/config.h"

#include "server/config/command_line.h"
#include "server/config/ini_file.h"
#include "server/config/layers.h"
#include "server/config/merge.h"
#include "server/config/spelling.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_FILE "/etc/holdfast/holdfastd.conf"
#define CONFIG_VARIABLE TABLE_VARIABLE_PREFIX "CONFIG"
#define DIRECTORY_VARIABLE TABLE_VARIABLE_PREFIX "DATA_DEFAULT"
#define PATH_BYTES_MAX 4096
#define DIRECTORY_BYTES (PATH_BYTES_MAX + sizeof "conf.d")
#define PART_SUFFIX ".conf"

/* What tells a file from another one at its path: Kubernetes swaps symbolic links. All 0: there is
 * none. */
struct file_stamp {
  dev_t device;
  ino_t inode;
  off_t size;
  struct timespec changed;
};

struct watched_file {
  const char *path;
  struct file_stamp stamp;
};

struct config {
  struct arena arena;
  struct command_line line;
  struct layers layers;
  struct settings settings;
  struct watched_file *files;
  size_t files_count;
  char error[CONFIG_ERROR_BYTES]; /* empty: none */
};

/* ----------------------------------------------------------------------------------- watching */

static struct file_stamp stamp_of(const char *path) {
  struct stat about;
  if (stat(path, &about) != 0) {
    return (struct file_stamp){0};
  }
  return (struct file_stamp){about.st_dev, about.st_ino, about.st_size, about.st_mtim};
}

/* Before the file is read: what is written meanwhile is seen as a change. */
static bool watch(struct config *config, const char *path) {
  const struct watched_file file = {value_copy(&config->arena, path), stamp_of(path)};
  return file.path != NULL &&
         value_push(&config->arena, &config->files, &config->files_count, &file, sizeof file);
}

static bool is_same_file(const struct file_stamp *stamp, const struct file_stamp *other) {
  return stamp->device == other->device && stamp->inode == other->inode &&
         stamp->size == other->size && stamp->changed.tv_sec == other->changed.tv_sec &&
         stamp->changed.tv_nsec == other->changed.tv_nsec;
}

bool config_has_changed(const struct config *config) {
  for (size_t i = 0; i < config->files_count; i++) {
    const struct file_stamp now = stamp_of(config->files[i].path);
    if (!is_same_file(&now, &config->files[i].stamp)) {
      return true;
    }
  }
  return false;
}

/* As it was when it was read. All 0: it is not watched. */
static struct file_stamp stamp_read(const struct config *config, const char *path) {
  for (size_t i = config->files_count; i > 0; i--) {
    if (strcmp(config->files[i - 1].path, path) == 0) {
      return config->files[i - 1].stamp;
    }
  }
  return (struct file_stamp){0};
}

static bool has_same_file(const struct config *old, const char *old_path,
                          const struct config *config, const char *path) {
  const struct file_stamp was = stamp_read(old, old_path), is = stamp_read(config, path);
  return strcmp(old_path, path) == 0 && is_same_file(&was, &is);
}

bool config_verifies_alike(const struct config *old, const struct config *config) {
  const struct tls_settings *was = &old->settings.tls, *is = &config->settings.tls;
  return has_same_file(old, was->client_ca, config, is->client_ca) &&
         has_same_file(old, was->crl, config, is->crl);
}

/* -------------------------------------------------------------------------------------- files */

struct file_ctx {
  struct config *config;
  const char *path;
};

static bool set_key(void *arg, const char *section, const char *key, const char *value,
                    unsigned line) {
  const struct file_ctx *ctx = arg;
  const struct origin origin = {ORIGIN_FILE, ctx->path, line};
  return layers_set(&ctx->config->layers, section, key, value, &origin);
}

/* A link to nothing is there, as is what can't be looked at. */
static bool is_absent(const char *path) {
  struct stat about;
  return lstat(path, &about) != 0 && errno == ENOENT;
}

static bool read_file(struct config *config, const char *path, bool may_be_missing) {
  char *error = config->layers.error, why[INI_FILE_ERROR_BYTES];
  unsigned line;
  if (!watch(config, path)) {
    snprintf(error, CONFIG_ERROR_BYTES, "out of memory");
    return false;
  }
  config->layers.rank++;
  struct file_ctx ctx = {config, config->files[config->files_count - 1].path};
  const struct ini_file sink = {&ctx, set_key};
  enum ini_file_result result = ini_file_read(path, &sink, &line, why);
  if (result == INI_FILE_BAD && line > 0) {
    snprintf(error, CONFIG_ERROR_BYTES, "%.700s:%u: %s", path, line, why);
  } else if (result == INI_FILE_BAD || result == INI_FILE_MISSING) {
    snprintf(error, CONFIG_ERROR_BYTES, "%.700s: %s", path, why);
  }
  return result == INI_FILE_READ ||
         (result == INI_FILE_MISSING && may_be_missing && is_absent(path));
}

static int is_part(const struct dirent *entry) {
  size_t len = strlen(entry->d_name), suffix = strlen(PART_SUFFIX);
  return entry->d_name[0] != '.' && len >= suffix &&
         strcmp(entry->d_name + len - suffix, PART_SUFFIX) == 0;
}

static bool read_part(struct config *config, const char *directory, const char *name) {
  char path[DIRECTORY_BYTES + sizeof((struct dirent *)0)->d_name];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  return read_file(config, path, true); /* it may go away meanwhile */
}

/* One that can't be read is refused: without its [user NAME] all keys would have all rights. */
static bool read_directory(struct config *config, const char *directory) {
  struct dirent **parts = NULL;
  int count = scandir(directory, &parts, is_part, alphasort);
  int error = errno;
  bool is_read = count >= 0 || (error == ENOENT && is_absent(directory));
  if (!is_read) {
    snprintf(config->layers.error, CONFIG_ERROR_BYTES, "%.700s: %s", directory, strerror(error));
  }
  for (int i = 0; i < count; i++) {
    is_read = is_read && read_part(config, directory, parts[i]->d_name);
    free(parts[i]);
  }
  free(parts);
  return is_read;
}

/* The file, then conf.d beside it. */
static bool read_files(struct config *config) {
  const char *named = config->line.config_file;
  named = named != NULL ? named : getenv(CONFIG_VARIABLE);
  const char *path = named != NULL && *named != '\0' ? named : DEFAULT_FILE;
  const char *slash = strrchr(path, '/');
  int directory_len = slash != NULL ? (int)(slash + 1 - path) : 0;
  char directory[DIRECTORY_BYTES];
  if (strlen(path) > PATH_BYTES_MAX) {
    snprintf(config->layers.error, CONFIG_ERROR_BYTES, "--config: the path is too long");
    return false;
  }
  snprintf(directory, sizeof directory, "%.*sconf.d", directory_len, path);
  return watch(config, directory) && read_file(config, path, path != named) &&
         read_directory(config, directory);
}

/* ---------------------------------------------------------------------------------- variables */

/* The lowest place: what a service's unit offers, so that each of its files may say otherwise. The variable
 * of systemd for it would be inherited by a server that another service's program starts for itself. */
static bool read_offered_directory(struct config *config) {
  const char *value = getenv(DIRECTORY_VARIABLE);
  const struct origin origin = {ORIGIN_VARIABLE, DIRECTORY_VARIABLE, 0};
  config->layers.rank++;
  return value == NULL ||
         layers_set_setting(&config->layers, table_find("data", "directory"), NULL, value, &origin);
}

static bool read_variable(struct config *config, const struct setting *setting) {
  char name[TABLE_VARIABLE_BYTES];
  table_variable(setting, name);
  const char *value = getenv(name);
  const struct origin origin = {ORIGIN_VARIABLE, value_copy(&config->arena, name), 0};
  return value == NULL || layers_set_setting(&config->layers, setting, NULL, value, &origin);
}

/* Kubernetes sets HOLDFASTD_PORT and more by itself, so that only what is nearly a setting's variable
 * is refused. */
static bool check_variable(struct config *config, const char *variable) {
  char name[TABLE_VARIABLE_BYTES], known[TABLE_VARIABLE_BYTES], nearest[TABLE_VARIABLE_BYTES] = "";
  size_t len = strcspn(variable, "=");
  if (strncmp(variable, TABLE_VARIABLE_PREFIX, strlen(TABLE_VARIABLE_PREFIX)) != 0 ||
      len >= sizeof name) {
    return true;
  }
  snprintf(name, sizeof name, "%.*s", (int)len, variable);
  for (size_t i = 0; i < settings_count; i++) {
    if (settings_table[i].flag == NULL || settings_table[i].section == NULL) {
      continue;
    }
    table_variable(&settings_table[i], known);
    unsigned distance = spelling_distance(name, known);
    if (strcmp(name, known) == 0) {
      return true;
    }
    if (distance <= SPELLING_NEAR) {
      memcpy(nearest, known, sizeof nearest);
    }
  }
  if (nearest[0] != '\0') {
    snprintf(config->layers.error, CONFIG_ERROR_BYTES, "unknown variable %s; did you mean %s?",
             name, nearest);
  }
  return nearest[0] == '\0';
}

static bool read_variables(struct config *config) {
  bool is_read = true;
  config->layers.rank++;
  for (size_t i = 0; is_read && i < settings_count; i++) {
    const struct setting *setting = &settings_table[i];
    is_read = setting->flag == NULL || setting->section == NULL || read_variable(config, setting);
  }
  for (char **each = environ; is_read && *each != NULL; each++) {
    is_read = check_variable(config, *each);
  }
  return is_read;
}

/* -------------------------------------------------------------------------------------- loading */

static bool read_flags(struct config *config) {
  bool is_read = true;
  config->layers.rank++;
  for (size_t i = 0; is_read && i < config->line.flags_count; i++) {
    const struct command_line_flag *flag = &config->line.flags[i];
    const struct origin origin = {ORIGIN_FLAG, flag->setting->flag, 0};
    is_read = layers_set_setting(&config->layers, flag->setting, NULL, flag->value, &origin);
  }
  return is_read;
}

static bool watch_files(struct config *config) {
  const struct tls_settings *tls = &config->settings.tls;
  const char *const files[] = {tls->key_file, tls->certificate, tls->private_key, tls->client_ca,
                               tls->crl};
  bool is_watched = true;
  for (size_t i = 0; is_watched && i < sizeof files / sizeof *files; i++) {
    is_watched = *files[i] == '\0' || watch(config, files[i]);
  }
  if (!is_watched) {
    snprintf(config->error, CONFIG_ERROR_BYTES, "out of memory");
  }
  return is_watched;
}

static void load(struct config *config, int argc, char **argv) {
  if (command_line_read(&config->line, argc, argv, config->error) &&
      read_offered_directory(config) && read_files(config) && read_variables(config) &&
      read_flags(config) && merge_layers(&config->layers, &config->settings) &&
      watch_files(config)) {
    config->error[0] = '\0';
  }
}

struct config *config_load(int argc, char **argv) {
  struct config *config = calloc(1, sizeof *config);
  if (config != NULL) {
    arena_init(&config->arena, SIZE_MAX);
    config->layers = (struct layers){.arena = &config->arena, .error = config->error};
    load(config, argc, argv);
  }
  return config;
}

void config_free(struct config *config) {
  if (config != NULL) {
    arena_deinit(&config->arena);
    free(config);
  }
}

const char *config_error(const struct config *config) {
  return config->error[0] != '\0' ? config->error : NULL;
}

enum config_task config_task(const struct config *config) {
  return config->line.task;
}

const char *config_task_file(const struct config *config) {
  return config->line.file;
}

const struct settings *config_settings(const struct config *config) {
  return &config->settings;
}

/* ----------------------------------------------------------------------------------- showing */

static void print_entry(const struct setting *setting, const struct layer_entry *entry,
                        FILE *file) {
  char text[LAYER_TEXT_BYTES];
  if (entry == NULL || (entry->items_count == 0 && *setting->fallback != '\0')) {
    fprintf(file, "%s = %s  # default\n", setting->key, setting->fallback);
    return;
  }
  const struct origin *origin = &entry->origin;
  layers_text(entry, text);
  fprintf(file, "%s = %s  # %s%s", setting->key, text, origin->kind == ORIGIN_FLAG ? "--" : "",
          origin->name);
  if (origin->kind == ORIGIN_FILE) {
    fprintf(file, ":%u", origin->line);
  }
  fputc('\n', file);
}

static void print_defaults(const struct config *config, FILE *file) {
  fprintf(file, "listen = ");
  for (size_t i = 0; i < config->settings.listen_count; i++) {
    fprintf(file, "%s%s", i > 0 ? ", " : "", config->settings.listen[i]);
  }
  fprintf(file, "  # default\n");
}

static void print_user(const struct config *config, struct bytes name, FILE *file) {
  fprintf(file, "[user %.*s]\n", (int)name.len, (const char *)name.data);
  for (size_t i = 0; i < config->layers.count; i++) {
    const struct layer_entry *entry = &config->layers.entries[i];
    if (entry->user != NULL && bytes_equal(bytes_of_text(entry->user), name)) {
      print_entry(entry->setting, entry, file);
    }
  }
}

void config_print(const struct config *config, FILE *file) {
  const char *section = "";
  for (size_t i = 0; i < settings_count; i++) {
    const struct setting *setting = &settings_table[i];
    if (setting->section == NULL || strcmp(setting->section, TABLE_USER) == 0) {
      continue;
    }
    if (strcmp(section, setting->section) != 0) {
      section = setting->section;
      fprintf(file, "[%s]\n", section);
    }
    const struct layer_entry *entry = layers_find(&config->layers, setting, NULL);
    if (i == 0 && (entry == NULL || entry->items_count == 0)) {
      print_defaults(config, file);
    } else {
      print_entry(setting, entry, file);
    }
  }
  for (size_t i = 0; i < config->settings.users_count; i++) {
    print_user(config, config->settings.users[i].settings.name, file);
  }
}

static void text_of(const struct config *config, const struct setting *setting,
                    char text[LAYER_TEXT_BYTES]) {
  const struct layer_entry *entry = layers_find(&config->layers, setting, NULL);
  if (entry != NULL && entry->items_count > 0) {
    layers_text(entry, text);
  } else {
    snprintf(text, LAYER_TEXT_BYTES, "%s", setting->fallback);
  }
}

void config_list_restarts(const struct config *old, const struct config *config,
                          char names[CONFIG_ERROR_BYTES]) {
  char was[LAYER_TEXT_BYTES], is[LAYER_TEXT_BYTES];
  size_t len = 0;
  names[0] = '\0';
  for (size_t i = 0; i < settings_count && len < CONFIG_ERROR_BYTES; i++) {
    const struct setting *setting = &settings_table[i];
    if (!setting->is_reloaded) {
      text_of(old, setting, was);
      text_of(config, setting, is);
      if (strcmp(was, is) != 0) {
        len += (size_t)snprintf(names + len, CONFIG_ERROR_BYTES - len, "%s%s", len > 0 ? ", " : "",
                                setting->key);
      }
    }
  }
}
