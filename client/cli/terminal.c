/* Escaping for terminals; see terminal.h. */
#include "client/cli/terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#define ESCAPE_BYTES_MAX 6 /* \uXXXX, of a character of at least one byte */

void terminal_init(void) {
  if (setlocale(LC_CTYPE, "") == NULL || strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
    setlocale(LC_CTYPE, "C.UTF-8");
}

static bool is_an_order(uint32_t code, bool has_lines) {
  if (has_lines && (code == '\n' || code == '\t'))
    return false;
  return code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

/* Appends the first character of text, escaped; returns the bytes of text used. */
static size_t escape_one(const char *text, size_t size_bytes, bool has_lines, char **end) {
  wchar_t code = 0;
  mbstate_t state = {0};
  size_t length = mbrtowc(&code, text, size_bytes, &state);
  if (length == (size_t)-1 || length == (size_t)-2) {
    *end += sprintf(*end, "\\x%02x", (unsigned)(unsigned char)text[0]);
    return 1;
  }
  length = length == 0 ? 1 : length; /* a NUL */
  if (is_an_order((uint32_t)code, has_lines)) {
    *end += sprintf(*end, "\\u%04x", (unsigned)code);
  } else {
    memcpy(*end, text, length);
    *end += length;
  }
  return length;
}

char *terminal_escape(const char *text, size_t size_bytes, bool has_lines) {
  char *escaped = malloc(size_bytes * ESCAPE_BYTES_MAX + 1);
  char *end = escaped;
  for (size_t at = 0; escaped != NULL && at < size_bytes;)
    at += escape_one(text + at, size_bytes - at, has_lines, &end);
  if (escaped != NULL)
    *end = '\0';
  return escaped;
}

/* In parts, since a text may be as long as a frame. */
void terminal_write(FILE *stream, const char *text, size_t size_bytes, bool has_lines) {
  char part[16 * ESCAPE_BYTES_MAX + 1];
  if (!isatty(fileno(stream))) {
    fwrite(text, 1, size_bytes, stream);
    return;
  }
  for (size_t at = 0; at < size_bytes;) {
    char *end = part;
    while (at < size_bytes && end < part + sizeof part - ESCAPE_BYTES_MAX - 1)
      at += escape_one(text + at, size_bytes - at, has_lines, &end);
    fwrite(part, 1, (size_t)(end - part), stream);
  }
}

void terminal_put(FILE *stream, const char *text) {
  terminal_write(stream, text, strlen(text), false);
}
