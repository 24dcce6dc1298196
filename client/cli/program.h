/* Runs a program while something on the server is held: a lock, a semaphore.
 *
 * layer    client/cli
 * threads  starts a second one, and has ended it when it returns
 */
#ifndef HF_CLI_PROGRAM_H
#define HF_CLI_PROGRAM_H

#include "client/cli/cli.h"

struct program {
  char **words;     /* up to a NULL */
  const char *held; /* for people: "lock" */
  uint64_t token;   /* told to the program as HOLDFAST_LOCK_TOKEN; 0: there is none */
};

/* The arguments behind the first, up to a NULL; they live as long as `cli`. */
char **program_words(struct cli *cli);
/* Answers the program's exit code, as a shell would. Signals are handed on to it. When the session
 * ends meanwhile the program is ended, and *lost becomes true. */
int program_run(struct cli *cli, const struct program *program, bool *lost);

#endif
