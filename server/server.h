/* The daemon: configuration becomes running parts, signals end them.
 *
 * layer   server: the only code that knows all the others
 */
#ifndef HF_SERVER_SERVER_H
#define HF_SERVER_SERVER_H

#include "server/options.h"

/* Runs until SIGTERM or SIGINT; a second one ends the process at once with 128 + its number.
 * Answers the exit status. */
int server_run(const struct options *options);

#endif
