#include "proto/base/complaints.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#define LINES_PER_SECOND_MAX 5
#define LINE_BYTES_MAX 1280
#define SECOND_NS (1000 * CLOCK_NS_PER_MS)

void complaints_init(struct complaints *complaints) {
  *complaints = (struct complaints){.lock = PTHREAD_MUTEX_INITIALIZER};
}

void complaints_deinit(struct complaints *complaints) {
  if (complaints->suppressed > 0) {
    log_line(LOG_INFO, "lines suppressed=%llu", (unsigned long long)complaints->suppressed);
  }
  pthread_mutex_destroy(&complaints->lock);
}

/* Whether a line may be written now; takes the count of those that were not. */
static bool admit(struct complaints *complaints, uint64_t *suppressed) {
  uint64_t now_ns = clock_now_ns();
  pthread_mutex_lock(&complaints->lock);
  if (now_ns - complaints->second_began_ns >= SECOND_NS) {
    complaints->second_began_ns = now_ns;
    complaints->count = 0;
  }
  bool admitted = complaints->count < LINES_PER_SECOND_MAX;
  if (admitted) {
    complaints->count++;
    *suppressed = complaints->suppressed;
    complaints->suppressed = 0;
  } else {
    complaints->suppressed++;
  }
  pthread_mutex_unlock(&complaints->lock);
  return admitted;
}

void complaints_log(struct complaints *complaints, const char *format, ...) {
  uint64_t suppressed = 0;
  if (!admit(complaints, &suppressed)) {
    return;
  }
  char line[LINE_BYTES_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (suppressed > 0) {
    log_line(LOG_INFO, "%s suppressed=%llu", line, (unsigned long long)suppressed);
  } else {
    log_line(LOG_INFO, "%s", line);
  }
}
