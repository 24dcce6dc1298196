#include "proto/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX 1024

static enum log_level max_level = LOG_INFO;

void log_set_level(enum log_level level) {
  max_level = level;
}

void log_line(enum log_level level, const char *format, ...) {
  static const char *const names[] = {"error", "warn", "info", "debug"};
  if (level > max_level) {
    return;
  }
  struct timespec now;
  struct tm utc;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &utc);
  char line[LINE_BYTES_MAX];
  size_t len = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
  len += (size_t)snprintf(line + len, sizeof line - len, ".%03ldZ %s ", now.tv_nsec / 1000000,
                          names[level]);
  va_list args;
  va_start(args, format);
  int wanted = vsnprintf(line + len, sizeof line - len - 1, format, args);
  va_end(args);
  size_t room = sizeof line - len - 2;
  len += wanted < 0 ? 0 : ((size_t)wanted < room ? (size_t)wanted : room);
  line[len++] = '\n';
  ssize_t written = write(STDERR_FILENO, line, len);
  (void)written; /* nobody to tell */
}
