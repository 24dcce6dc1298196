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

/* Replaces `path` by a new file: readers see the old or the new one as a whole. A path that is no
 * regular file, e.g. a fifo, is written to instead, and so is standard output or error, e.g.
 * /dev/stdout. Waits for a reader of a fifo, until the server has to end; a pipe that this process was
 * started with fails when its reader has ended.
 * true: written, or the server has to end | false: errno is set */
bool ports_file_write(const char *path, const char *text, size_t len);

#endif
