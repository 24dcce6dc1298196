/* `holdfast lock ls`: the locks that are owned or waited for, as a tree.
 *
 *   accounts (lock): ann@host:12, token 7
 *     bob@host:13 waits 350 ms
 *       ledger (lock): bob@host:13, token 3
 *         ann@host:12 waits 120 ms
 *           accounts (lock): deadlock
 *
 * layer   client/cli
 */
#ifndef HF_CLI_LOCK_TREE_H
#define HF_CLI_LOCK_TREE_H

#include "client/cli/cli.h"

/* A command_run. */
int lock_tree_print(struct cli *cli, hf_object *object);

#endif
