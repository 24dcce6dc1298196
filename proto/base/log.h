/* One line an event on standard error: time, level, event, key=value pairs.
 *
 * layer   base
 * threads any. Between log_start and log_stop a writer thread does all writing, so that log_line
 *         never waits for who reads standard error, be it a pipe, a terminal or a disk. A flag on
 *         the descriptor would not do: other processes share it, and disks take no notice.
 * limits  LOG_LINES_MAX lines wait for the writer. While they do, further ones are dropped; how
 *         many is the next line that is written. Lines are whole: longer ones are cut.
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
/* Starts the writer. Signals should be blocked or ignored by then. false: no thread, errno is set;
 * lines are written as before. */
bool log_start(void);
/* Ends the writer when all lines are written, or leaves it behind when they are not in time; the
 * process may end then all the same. */
void log_stop(uint32_t timeout_ms);
/* format gives the line after the level, e.g. "listening url=%s". */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
