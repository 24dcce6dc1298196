/* A log on standard error, one event a line: time, level, event, key=value pairs.
 *
 * layer   base
 * threads any. Between log_start and log_stop a writer thread does all writing, so log_line never
 *         waits for the reader of standard error: a pipe, a terminal or a disk. O_NONBLOCK would
 *         not do: other processes share the descriptor's flags, and disks ignore the flag.
 * limits  LOG_LINES_MAX lines are queued for the writer. Further lines are dropped, and the next
 *         written line has their count. Lines are whole; longer ones are cut.
 */
#ifndef HF_BASE_LOG_H
#define HF_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#define LOG_LINES_MAX 64
#define LOG_LINE_BYTES_MAX 1024

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Lines above this level are dropped; LOG_INFO at the start. */
void log_set_level(enum log_level level);
/* Starts the writer; signals are to be blocked or ignored before. false: no thread, errno is set,
 * and log_line still writes itself. */
bool log_start(void);
/* Ends the writer when all lines are written. If they are not in time, the writer keeps running;
 * the process may end all the same. */
void log_stop(uint32_t timeout_ms);
/* format gives the line after the level, e.g. "listening url=%s". */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
