/* The command line, as settings by their flags.
 *
 * layer   config, internal
 */
#ifndef HF_CONFIG_COMMAND_LINE_H
#define HF_CONFIG_COMMAND_LINE_H

#include "server/config/settings.h"
#include "server/config/table.h"

#define COMMAND_LINE_FLAGS_MAX 64

struct command_line_flag {
  const struct setting *setting;
  const char *value;
};

struct command_line {
  const char *config_file; /* NULL: not said */
  enum config_task task;
  const char *file;                                       /* of a task that has one */
  struct command_line_flag flags[COMMAND_LINE_FLAGS_MAX]; /* in their order; borrowed from argv */
  size_t flags_count;
};

/* As config_load. */
bool command_line_read(struct command_line *line, int argc, char **argv,
                       char error[CONFIG_ERROR_BYTES]);

#endif
