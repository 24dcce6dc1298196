/* The file of --ports-file: the addresses really bound, one a line.
 *
 * layer   server
 * threads the main thread
 */
#ifndef HF_SERVER_PORTS_FILE_H
#define HF_SERVER_PORTS_FILE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/* Puts a new file in the place of `path`: readers see all of it or the one before. What is there
 * and is no regular file, e.g. a fifo, is written to instead, and so is what is open as standard
 * output or error, e.g. /dev/stdout; of a fifo a reader is waited for, until one of `ends` is
 * pending.
 * true: written, or told to end | false: errno is set */
bool ports_file_write(const char *path, const char *text, size_t len, const sigset_t *ends);

#endif
