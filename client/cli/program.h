/* Runs a program while something on the server is held: a lock, a semaphore, an item of a queue.
 *
 * layer    client/cli
 * threads  starts a second one, and has ended it when it returns
 */
#ifndef HF_CLI_PROGRAM_H
#define HF_CLI_PROGRAM_H

#include "client/cli/cli.h"

struct program {
  char **words;         /* up to a NULL */
  const char *held;     /* for people: "lock" */
  const char *variable; /* of the environment, which tells the program `number`; NULL: none */
  uint64_t number;
  int input;         /* a descriptor that is its stdin; -1: ours */
  uint64_t lease_ms; /* what is held has to be kept more often than that; 0: has no lease */
  /* Keeps what is held, in the second thread; false: it is lost. NULL: a ping, which tells whether
   * the session has ended. */
  bool (*keep)(void *ctx);
  void *ctx;
};

struct program_end {
  int code;   /* the program's exit code, as a shell would say */
  bool lost;  /* what was held was lost meanwhile, so that the program was told to end */
  int signal; /* that we were to end by, and handed on to it; 0: none */
};

/* A program that can't be run, or isn't there, ends with one of these, as in a shell. */
#define PROGRAM_CANNOT_RUN 126
#define PROGRAM_NOT_FOUND 127
#define PROGRAM_SIGNAL_BASE 128 /* killed: this and the signal's number */

/* To be called first: ignores SIGXFSZ, and sees to it that SIGCHLD is not. A program that is run gets
 * both as they were. */
void program_init_signals(void);
/* The arguments behind the first, up to a NULL; they live as long as `cli`. */
char **program_words(struct cli *cli);
/* CLI_YES and *end is set; or an exit code: the program could not be started. Leaves signals that
 * ask to end blocked, so that the caller can give back what is held. */
int program_run(struct cli *cli, const struct program *program, struct program_end *end);

#endif
