#include "proto/base/limited_log.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#define LINES_PER_SECOND_MAX 5
#define LINE_BYTES_MAX 1280
#define SECOND_NS (1000 * CLOCK_NS_PER_MS)

void limited_log_init(struct limited_log *limited) {
  *limited = (struct limited_log){.lock = PTHREAD_MUTEX_INITIALIZER};
}

void limited_log_deinit(struct limited_log *limited) {
  if (limited->suppressed > 0) {
    log_line(LOG_INFO, "lines suppressed=%llu", (unsigned long long)limited->suppressed);
  }
  pthread_mutex_destroy(&limited->lock);
}

/* Whether a line may be written now; then takes the count of suppressed lines. */
static bool admit(struct limited_log *limited, uint64_t *suppressed) {
  uint64_t now_ns = clock_now_ns();
  pthread_mutex_lock(&limited->lock);
  if (now_ns - limited->second_began_ns >= SECOND_NS) {
    limited->second_began_ns = now_ns;
    limited->count = 0;
  }
  bool admitted = limited->count < LINES_PER_SECOND_MAX;
  if (admitted) {
    limited->count++;
    *suppressed = limited->suppressed;
    limited->suppressed = 0;
  } else {
    limited->suppressed++;
  }
  pthread_mutex_unlock(&limited->lock);
  return admitted;
}

void limited_log_line(struct limited_log *limited, const char *format, ...) {
  uint64_t suppressed = 0;
  if (!admit(limited, &suppressed)) {
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
