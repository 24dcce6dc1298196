/* The configuration: one value for each setting, merged of all places, with its origin.
 *
 *   command line > variables > conf.d/NAME.conf, the last by name > the file > defaults, of which that of
 *                                        [data] directory is the variable HOLDFASTD_DATA_DEFAULT
 *
 * All places are always read. A list in a higher place replaces that of a lower one; in one place a
 * list's key may come several times. What is not understood anywhere is an error.
 *
 * layer   config; called by server
 * memory  immutable once loaded
 * threads the main thread
 */
#ifndef HF_CONFIG_CONFIG_H
#define HF_CONFIG_CONFIG_H

#include "server/config/settings.h"

#include <stdio.h>

struct config;

/* Reads all. --help, --version and unknown options end the process, the last with CONFIG_EXIT_USAGE.
 * argv is borrowed for the life of the config, and may be given again. NULL: out of memory. */
struct config *config_load(int argc, char **argv);
/* NULL: nothing. */
void config_free(struct config *config);
/* NULL: all is right; else a sentence that says what to do, and only config_has_changed and config_free
 * may be called. */
const char *config_error(const struct config *config);

enum config_task config_task(const struct config *config);
/* Of CONFIG_BACKUP and CONFIG_RESTORE. */
const char *config_task_file(const struct config *config);
const struct settings *config_settings(const struct config *config);
/* Each setting, its value and where that is from. */
void config_print(const struct config *config, FILE *file);

/* Whether a file that was read, or that a setting names, is another than it was. */
bool config_has_changed(const struct config *config);
/* Whether clients' certificates are verified by the same files, of the CA and the CRL, as before. */
bool config_verifies_alike(const struct config *old, const struct config *config);
/* The settings that differ and need a restart, e.g. "listen, memory_max"; empty: none. */
void config_list_restarts(const struct config *old, const struct config *config,
                          char names[CONFIG_ERROR_BYTES]);

#endif
