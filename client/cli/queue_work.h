/* `holdfast queue work`: a program for each item of a queue.
 *
 *   reserve -> program, its stdin the item -> 0: ack, else: return or bury -> reserve ..
 *
 * layer    client/cli
 * threads  a second one while the program runs
 */
#ifndef HF_CLI_QUEUE_WORK_H
#define HF_CLI_QUEUE_WORK_H

#include "client/cli/cli.h"

/* A command_run. CLI_YES: the queue is shut down, --count is reached, or nothing came within
 * --timeout. */
int queue_work(struct cli *cli, hf_object *object);

#endif
