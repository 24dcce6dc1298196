/* Text written by other clients, shown on a terminal.
 *
 * A terminal interprets control characters: they move the cursor, change the title, even type
 * for its user. Bidirectional overrides and line separators make text read as another one. All of
 * these are shown as \uXXXX, or \xXX for bytes that are no UTF-8. Into a pipe or file, and with
 * -o raw, texts go as they are.
 */
#ifndef HF_CLI_TERMINAL_H
#define HF_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Makes mbrtowc and libsmartcols read UTF-8, whatever the user's locale is. */
void terminal_init(void);
/* Newlines and tabs stay if has_lines. The caller frees; NULL: out of memory. */
char *terminal_escape(const char *text, size_t size_bytes, bool has_lines);
/* Writes the text, escaped if the stream is a terminal. */
void terminal_write(FILE *stream, const char *text, size_t size_bytes, bool has_lines);
/* The same for a name or message of one line. */
void terminal_put(FILE *stream, const char *text);

#endif
