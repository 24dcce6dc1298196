/* Text for people: UTF-8, and valid names.
 *
 * layer   proto: a client checks and cleans names as a server does
 * source  The Unicode Standard 15: table 3-7 (well-formed UTF-8), white space, section 23
 *         (format characters)
 * threads any
 */
#ifndef HF_PROTO_TEXT_H
#define HF_PROTO_TEXT_H

#include "proto/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>

bool text_is_utf8(struct bytes text);
/* Whether the text is a valid name of an object, attribute or client: UTF-8 of 1 to
 * HF_NAME_BYTES_MAX bytes without control characters (U+0000-001F, 007F-009F), line and paragraph
 * separators (U+2028, 2029) and bidirectional overrides and isolates (U+202A-202E, 2066-2069), and
 * at least one visible character. */
bool text_is_name(struct bytes text);
/* Makes a valid name of any bytes: each invalid byte or character becomes "?", and the name is cut
 * between characters.
 * out  name  capacity bytes, at least 2, NUL-terminated. Returns its length. */
size_t text_make_name(struct bytes text, char *name, size_t capacity);

#endif
