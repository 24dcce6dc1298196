#include "server/config/command_line.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

const char *argp_program_version = "holdfastd " HF_VERSION;

enum {
  KEY_LETTER_LISTEN = 'l',
  KEY_CONFIG = 0x100,
  KEY_CHECK,
  KEY_PRINT,
  KEY_BACKUP,
  KEY_RESTORE,
  KEY_SETTING
};

static const char doc[] =
    "Holds dicts, lists, queues, pipes, values, arrays and locks for processes on many hosts."
    "\vWithout --listen: tcp://127.0.0.1:4653 and ipc:///run/holdfast/holdfast.sock (or "
    "$XDG_RUNTIME_DIR/holdfast.sock). SIGTERM ends it cleanly, SIGHUP makes it read its files "
    "again. "
    "HOLDFASTD_MEMORY_MAX and the like do as the options.\n\n"
    "Example: holdfastd --listen tcp://127.0.0.1:4653 --memory-max 2G";

static const struct argp_option own[] = {
    {"config", KEY_CONFIG, "FILE", 0,
     "instead of /etc/holdfast/holdfastd.conf; conf.d/*.conf beside it are read as well", 0},
    {"check-config", KEY_CHECK, NULL, 0, "read all settings, say what is wrong, and exit", 0},
    {"backup", KEY_BACKUP, "FILE", 0,
     "write what --data has into FILE, also while a server runs on it, and exit", 0},
    {"restore", KEY_RESTORE, "FILE", 0,
     "fill --data, which is empty or missing, from a backup, and exit", 0},
    {"print-config", KEY_PRINT, NULL, 0, "print all settings with their origins, and exit", 0},
};
#define OWN_COUNT (sizeof own / sizeof *own)

struct reading {
  struct command_line *line;
  char *error;
};

static error_t refuse(struct reading *reading, const char *option, const char *value,
                      const char *advice) {
  snprintf(reading->error, CONFIG_ERROR_BYTES, "%s %s: %s", option, value, advice);
  return EINVAL;
}

static error_t take_flag(struct reading *reading, size_t idx, const char *value) {
  struct command_line *line = reading->line;
  if (line->flags_count == COMMAND_LINE_FLAGS_MAX) {
    return refuse(reading, "argument", value != NULL ? value : "", "too many options");
  }
  line->flags[line->flags_count++] =
      (struct command_line_flag){&settings_table[idx], value != NULL ? value : "yes"};
  return 0;
}

static error_t take_option(int key, char *value, struct argp_state *state) {
  struct reading *reading = state->input;
  switch (key) {
    case KEY_LETTER_LISTEN:
      return take_flag(reading, 0, value);
    case KEY_CONFIG:
      reading->line->config_file = value;
      return 0;
    case KEY_CHECK:
      reading->line->task = CONFIG_CHECK;
      return 0;
    case KEY_BACKUP:
    case KEY_RESTORE:
      reading->line->task = key == KEY_BACKUP ? CONFIG_BACKUP : CONFIG_RESTORE;
      reading->line->file = value;
      return 0;
    case KEY_PRINT:
      reading->line->task = CONFIG_PRINT;
      return 0;
    case ARGP_KEY_ARG:
      return refuse(reading, "argument", value, "not understood; addresses go behind --listen");
    default:
      return key >= KEY_SETTING && (size_t)(key - KEY_SETTING) < settings_count
                 ? take_flag(reading, (size_t)(key - KEY_SETTING), value)
                 : ARGP_ERR_UNKNOWN;
  }
}

/* A row for each setting with a flag. */
static struct argp_option *make_options(void) {
  struct argp_option *options = calloc(settings_count + OWN_COUNT + 1, sizeof *options);
  size_t count = OWN_COUNT;
  if (options == NULL) {
    return NULL;
  }
  memcpy(options, own, sizeof own);
  for (size_t i = 0; i < settings_count; i++) {
    const struct setting *setting = &settings_table[i];
    if (setting->flag != NULL) {
      options[count++] =
          (struct argp_option){.name = setting->flag,
                               .key = i == 0 ? KEY_LETTER_LISTEN : KEY_SETTING + (int)i,
                               .arg = setting->type->word,
                               .doc = setting->help};
    }
  }
  return options;
}

bool command_line_read(struct command_line *line, int argc, char **argv,
                       char error[CONFIG_ERROR_BYTES]) {
  struct argp_option *options = make_options();
  if (options == NULL) {
    snprintf(error, CONFIG_ERROR_BYTES, "out of memory");
    return false;
  }
  struct argp argp = {.options = options, .parser = take_option, .doc = doc};
  struct reading reading = {line, error};
  *line = (struct command_line){0};
  argp_err_exit_status = CONFIG_EXIT_USAGE;
  error_t rc = argp_parse(&argp, argc, argv, 0, NULL, &reading);
  free(options);
  return rc == 0;
}
