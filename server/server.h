/* The daemon: configuration becomes running parts, signals end them.
 *
 * layer   server: the only code that knows all the others
 */
#ifndef HF_SERVER_SERVER_H
#define HF_SERVER_SERVER_H

#include "server/config/config.h"

/* Runs until SIGTERM or SIGINT; a second one ends the process at once with 128 + its number. SIGHUP, and
 * files that change, make it load the config of these arguments again. Takes the config. Answers the exit
 * status. */
int server_run(struct config *config, int argc, char **argv);

#endif
