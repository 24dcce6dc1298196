/* A log at a bounded rate, for lines that a peer can cause: a few lines a second are written,
 * further lines are counted.
 *
 * layer   base
 * threads any
 */
#ifndef HF_BASE_LIMITED_LOG_H
#define HF_BASE_LIMITED_LOG_H

#include <pthread.h>
#include <stdint.h>

struct limited_log {
  pthread_mutex_t lock;
  uint64_t second_began_ns;
  uint32_t count;      /* lines in this second */
  uint64_t suppressed; /* since the last line */
};

void limited_log_init(struct limited_log *limited);
/* Writes the count of lines that were not written, if any. */
void limited_log_deinit(struct limited_log *limited);
/* Writes one line at level info, or counts the line; the next written line has the count. */
void limited_log_line(struct limited_log *limited, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
