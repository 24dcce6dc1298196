#include "server/config/ini_file.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* UTF-8's */

struct reading {
  FILE *file;
  const struct ini_file *sink;
  unsigned line;
  bool is_refused;
  char *error; /* of INI_FILE_ERROR_BYTES; empty: none */
};

static char *fail(struct reading *reading, const char *why) {
  snprintf(reading->error, INI_FILE_ERROR_BYTES, "%s", why);
  return NULL;
}

/* "[user web]", behind all that inih skips. */
static bool is_long_section(const char *line, bool is_first) {
  size_t mark = is_first && strncmp(line, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0
                    ? strlen(BYTE_ORDER_MARK)
                    : 0;
  const char *begin = line + mark;
  begin += strspn(begin, " \t\r\v\f");
  return *begin == '[' && strcspn(begin + 1, "]") > INI_FILE_SECTION_BYTES;
}

/* Counts the lines, because inih keeps their numbers to itself. */
static char *read_line(char *line, int capacity, void *ctx) {
  struct reading *reading = ctx;
  int len = 0, c = 0;
  if (reading->is_refused || reading->error[0] != '\0') {
    return NULL;
  }
  reading->line++;
  while (c != '\n' && (c = getc(reading->file)) != EOF) {
    if (c == '\0') {
      return fail(reading, "a byte 0: not a text file");
    }
    if (len + 1 >= capacity) {
      return fail(reading, "the line is too long, 4,000 bytes at most; repeat a list's key");
    }
    line[len++] = (char)c;
  }
  line[len] = '\0';
  if (is_long_section(line, reading->line == 1)) {
    return fail(reading, "the section's name is too long, 49 bytes at most");
  }
  return len > 0 ? line : NULL;
}

static int set(void *ctx, const char *section, const char *key, const char *value) {
  struct reading *reading = ctx;
  if (!reading->is_refused) {
    reading->is_refused =
        !reading->sink->set(reading->sink->ctx, section, key, value, reading->line);
  }
  return !reading->is_refused;
}

/* An indented line is no part of the one before: that would take an indented key for a value. */
static void configure_inih(void) {
  ini_allow_multiline = false;
  ini_max_line = INI_FILE_LINE_BYTES + 3;
}

enum ini_file_result ini_file_read(const char *path, const struct ini_file *sink, unsigned *line,
                                   char error[INI_FILE_ERROR_BYTES]) {
  struct reading reading = {.file = fopen(path, "re"), .sink = sink, .error = error};
  *line = 0;
  error[0] = '\0';
  if (reading.file == NULL) {
    snprintf(error, INI_FILE_ERROR_BYTES, "%s", strerror(errno));
    return errno == ENOENT || errno == ENOTDIR ? INI_FILE_MISSING : INI_FILE_BAD;
  }
  configure_inih();
  int bad_line = ini_parse_stream(read_line, &reading, set, &reading);
  bool is_broken = ferror(reading.file) != 0;
  fclose(reading.file);
  if (is_broken) {
    snprintf(error, INI_FILE_ERROR_BYTES, "can't be read");
    return INI_FILE_BAD;
  }
  *line = reading.line;
  /* inih reads on behind a line that it does not understand. */
  if (bad_line > 0 && (unsigned)bad_line < reading.line + (error[0] == '\0')) {
    bool is_own = reading.is_refused && (unsigned)bad_line == reading.line;
    if (!is_own) {
      *line = (unsigned)bad_line;
      snprintf(error, INI_FILE_ERROR_BYTES, "not understood; write key = value, or [section]");
      return INI_FILE_BAD;
    }
  }
  if (error[0] != '\0') {
    return INI_FILE_BAD;
  }
  return reading.is_refused ? INI_FILE_REFUSED : INI_FILE_READ;
}
