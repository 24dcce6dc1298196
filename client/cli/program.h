/* Runs a program while this process owns a resource on the server: a lock, a permit, an item of a
 * queue.
 *
 * layer    client/cli
 * threads  a second thread runs until program_run returns
 */
#ifndef HF_CLI_PROGRAM_H
#define HF_CLI_PROGRAM_H

#include "client/cli/cli.h"

struct program {
  char **words;         /* NULL-terminated */
  const char *resource; /* a name for messages: "lock" */
  const char *variable; /* an environment variable for `number`; NULL: none */
  uint64_t number;
  int input;         /* the descriptor of its stdin; -1: that of this process */
  uint64_t lease_ms; /* the resource's lease; 0: none */
  /* Keeps the resource, in the second thread; false: the resource is lost. NULL: a ping, which
   * detects the end of the session. */
  bool (*keep)(void *ctx);
  void *ctx;
};

struct program_end {
  int code;   /* the program's exit code, as of a shell */
  bool lost;  /* the resource was lost, and the program was sent SIGTERM */
  int signal; /* a signal that was to end this process, and was forwarded; 0: none */
};

/* A program that can't be run, or isn't there, ends with one of these, as in a shell. */
#define PROGRAM_CANNOT_RUN 126
#define PROGRAM_NOT_FOUND 127
#define PROGRAM_SIGNAL_BASE 128 /* killed by a signal: this plus its number */

/* To be called first: ignores SIGXFSZ and makes SIGCHLD default. Programs get both as they were. */
void program_init_signals(void);
/* The arguments after the first, NULL-terminated; they live as long as `cli`. */
char **program_words(struct cli *cli);
/* CLI_YES and *end, or an exit code: the program could not be started. Signals that ask to end stay
 * blocked, so that the caller can release the resource. */
int program_run(struct cli *cli, const struct program *program, struct program_end *end);

#endif
