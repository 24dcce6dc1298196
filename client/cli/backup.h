/* `holdfast backup FILE`: a backup of the server as a file here.
 *
 * layer  client/cli
 */
#ifndef HF_CLI_BACKUP_H
#define HF_CLI_BACKUP_H

#include "client/cli/cli.h"

/* The file is there whole and synced, or not at all; one of that name is replaced. An exit code. */
int backup_fetch(struct cli *cli, const char *path);

#endif
