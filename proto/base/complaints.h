/* Log lines that a peer can cause: at most a few a second, the rest is counted.
 *
 * layer   base
 * threads any
 */
#ifndef HF_BASE_COMPLAINTS_H
#define HF_BASE_COMPLAINTS_H

#include <pthread.h>
#include <stdint.h>

struct complaints {
  pthread_mutex_t lock;
  uint64_t second_began_ns;
  uint32_t count;      /* lines in this second */
  uint64_t suppressed; /* since the last line */
};

void complaints_init(struct complaints *complaints);
/* Tells what is still untold. */
void complaints_deinit(struct complaints *complaints);
/* One line at level info, or one more in the count that the next line tells. */
void complaints_log(struct complaints *complaints, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
