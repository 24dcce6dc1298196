/* The commands, one row each. To add one: a handler in cmd_<noun>.c, a row in its table, a test in
 * tests/cli.
 *
 * layer   client/cli
 */
#ifndef HF_CLI_COMMAND_H
#define HF_CLI_COMMAND_H

#include "client/cli/cli.h"

/* How the object named by the first argument is opened before the handler runs. */
enum command_open {
  OPEN_NO_SERVER, /* nor a connection */
  OPEN_NOTHING,   /* the handler opens objects itself */
  OPEN_EXISTING,  /* an existing object only */
  OPEN_CREATING,  /* also creates the object, with the defaults of its kind */
};

/* Returns an exit code. The object is borrowed; NULL for OPEN_NOTHING. */
typedef int command_run(struct cli *cli, hf_object *object);

struct command {
  const char *verb;
  /* One letter per argument: n name or other text, v value, i integer, s index or slice. Those
   * after ? may be left out; the one before * may be repeated. */
  const char *shape;
  const char *usage; /* the same for people */
  enum command_open open;
  hf_kind kind; /* of the object; HF_ANY: the handler checks */
  bool waits;   /* --timeout bounds the operation's wait, rather than that for the server */
  command_run *run;
  const char *help;
};

struct noun {
  const char *name; /* "": commands without a noun */
  const char *help;
  const struct command *commands; /* ends with a row without a verb */
};

extern const struct command server_commands[], dict_commands[], list_commands[], queue_commands[],
    pipe_commands[], namespace_commands[], value_commands[], array_commands[], lock_commands[],
    semaphore_commands[], event_commands[], condition_commands[], barrier_commands[],
    key_commands[];

/* Finds the command that cli->words name and parses its arguments into cli->args. CLI_YES, or
 * CLI_USAGE after reporting. */
int command_parse(struct cli *cli);
/* Connects, opens the object, runs the handler, closes both. */
int command_execute(struct cli *cli);

/* Prints the screen of `holdfast --help`. */
void command_help(FILE *stream);
/* The rows of one noun; CLI_USAGE when there is no such noun. */
int command_help_noun(const struct cli *cli, const char *name);

#endif
