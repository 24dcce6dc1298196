#include "proto/base/log.h"

#include "proto/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct line {
  size_t len;
  char text[LOG_LINE_BYTES_MAX];
};

static _Atomic enum log_level max_level = LOG_INFO;

/* Guarded by `lock`, except is_broken. */
static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  pthread_t thread;
  bool is_started, is_stopping, is_over;
  uint64_t dropped; /* since the last written line; while it is not 0, no line is accepted */
  size_t first, count;
  struct line lines[LOG_LINES_MAX]; /* a circular buffer */
  bool is_broken;                   /* the writer's: the last line was written partially */
} writer = {.lock = PTHREAD_MUTEX_INITIALIZER};

void log_set_level(enum log_level level) {
  max_level = level;
}

static void line_begin(struct line *line, enum log_level level) {
  static const char *const names[] = {"error", "warn", "info", "debug"};
  struct timespec now;
  struct tm utc;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &utc);
  line->len = strftime(line->text, sizeof line->text, "%Y-%m-%dT%H:%M:%S", &utc);
  line->len += (size_t)snprintf(line->text + line->len, sizeof line->text - line->len,
                                ".%03ldZ %s ", now.tv_nsec / 1000000, names[level]);
}

static void line_end(struct line *line, const char *format, va_list args) {
  size_t room = sizeof line->text - line->len - 1;
  int wanted = vsnprintf(line->text + line->len, room, format, args);
  line->len += wanted < 0 ? 0 : ((size_t)wanted < room ? (size_t)wanted : room - 1);
  line->text[line->len++] = '\n';
}

/* ----------------------------------------------------------------------------------- writing */

/* Blocks as long as necessary. Returns the bytes written; fewer than len after a permanent error.
 */
static size_t write_bytes(const char *bytes, size_t len) {
  size_t done = 0;
  while (done < len) {
    ssize_t written = write(STDERR_FILENO, bytes + done, len - done);
    if (written > 0) {
      done += (size_t)written;
    } else if (written < 0 && errno == EAGAIN) { /* another process has set O_NONBLOCK */
      struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
      (void)poll(&room, 1, -1);
    } else if (written == 0 || errno != EINTR) {
      break;
    }
  }
  return done;
}

/* Writes a line; after a partial line, which a full disk may cause, begins a new one. */
static bool write_line(const struct line *line) {
  if (writer.is_broken && write_bytes("\n", 1) == 1) {
    writer.is_broken = false;
  }
  size_t written = writer.is_broken ? 0 : write_bytes(line->text, line->len);
  writer.is_broken = writer.is_broken || (written > 0 && written < line->len);
  return written == line->len;
}

__attribute__((format(printf, 2, 3))) static void make_line(struct line *line, const char *format,
                                                            ...) {
  va_list args;
  line_begin(line, LOG_WARN);
  va_start(args, format);
  line_end(line, format, args);
  va_end(args);
}

/* Takes the oldest line, or makes the line about dropped lines. out dropped: their number */
static bool take_line(struct line *line, uint64_t *dropped) {
  *dropped = 0;
  if (writer.count > 0) {
    *line = writer.lines[writer.first];
    writer.first = (writer.first + 1) % LOG_LINES_MAX;
    writer.count--;
    return true;
  }
  if (writer.dropped > 0) {
    *dropped = writer.dropped;
    make_line(line, "log lines dropped count=%llu", (unsigned long long)writer.dropped);
    return true;
  }
  return false;
}

static void *write_lines(void *arg) {
  struct line line;
  uint64_t dropped;
  bool has_failed = false; /* after a failure nothing is written before the next line, or the end */
  (void)arg;
  pthread_mutex_lock(&writer.lock);
  for (;;) {
    if (!has_failed && take_line(&line, &dropped)) {
      pthread_mutex_unlock(&writer.lock);
      has_failed = !write_line(&line);
      pthread_mutex_lock(&writer.lock);
      writer.dropped -= has_failed ? 0 : dropped;
      writer.dropped += has_failed && dropped == 0;
    } else if (writer.is_stopping) {
      break;
    } else {
      pthread_cond_wait(&writer.changed, &writer.lock);
      has_failed = false;
    }
  }
  writer.is_over = true;
  pthread_cond_broadcast(&writer.changed);
  pthread_mutex_unlock(&writer.lock);
  return NULL;
}

bool log_start(void) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&writer.changed, &attributes);
  pthread_condattr_destroy(&attributes);
  writer.is_stopping = writer.is_over = false;
  errno = pthread_create(&writer.thread, NULL, write_lines, NULL);
  writer.is_started = errno == 0;
  return writer.is_started;
}

void log_stop(uint32_t timeout_ms) {
  uint64_t deadline_ns = clock_deadline_ns(clock_now_ns(), timeout_ms);
  struct timespec deadline = {(time_t)(deadline_ns / 1000000000), (long)(deadline_ns % 1000000000)};
  int rc = 0;
  pthread_mutex_lock(&writer.lock);
  bool is_started = writer.is_started;
  writer.is_stopping = true;
  pthread_cond_broadcast(&writer.changed);
  while (is_started && !writer.is_over && rc == 0) {
    rc = pthread_cond_timedwait(&writer.changed, &writer.lock, &deadline);
  }
  bool is_over = is_started && writer.is_over;
  writer.is_started = is_started && !is_over;
  pthread_mutex_unlock(&writer.lock);
  if (is_over) {
    pthread_join(writer.thread, NULL);
  }
}

/* Queues the line for the writer. false: no writer runs, and the caller writes. */
static bool hand_over(const struct line *line) {
  pthread_mutex_lock(&writer.lock);
  bool is_started = writer.is_started;
  if (is_started && (writer.count == LOG_LINES_MAX || writer.dropped > 0)) {
    writer.dropped++;
  } else if (is_started) {
    writer.lines[(writer.first + writer.count++) % LOG_LINES_MAX] = *line;
  }
  if (is_started) {
    pthread_cond_broadcast(&writer.changed);
  }
  pthread_mutex_unlock(&writer.lock);
  return is_started;
}

void log_line(enum log_level level, const char *format, ...) {
  struct line line;
  va_list args;
  if (level > max_level) {
    return;
  }
  line_begin(&line, level);
  va_start(args, format);
  line_end(&line, format, args);
  va_end(args);
  if (!hand_over(&line)) {
    (void)write_line(&line);
  }
}
