#include "proto/text.h"

#include "proto/limits.h"

#include <stdint.h>
#include <string.h>

/* The length of the well-formed character at the start of text; 0: none. source: The Unicode
 * Standard, table 3-7, without overlong forms and surrogates, up to U+10FFFF. */
static size_t character_bytes(struct bytes text) {
  uint8_t first = text.data[0];
  uint8_t second_min = 0x80;
  uint8_t second_max = 0xbf;
  size_t len;
  if (first < 0x80) {
    return 1;
  } else if (first < 0xc2 || first > 0xf4) {
    return 0;
  } else if (first < 0xe0) {
    len = 2;
  } else if (first < 0xf0) {
    len = 3;
    second_min = first == 0xe0 ? 0xa0 : 0x80;
    second_max = first == 0xed ? 0x9f : 0xbf;
  } else {
    len = 4;
    second_min = first == 0xf0 ? 0x90 : 0x80;
    second_max = first == 0xf4 ? 0x8f : 0xbf;
  }
  if (text.len < len || text.data[1] < second_min || text.data[1] > second_max) {
    return 0;
  }
  for (size_t i = 2; i < len; i++) {
    if ((text.data[i] & 0xc0) != 0x80) {
      return 0;
    }
  }
  return len;
}

bool text_is_utf8(struct bytes text) {
  size_t at = 0;
  while (at < text.len) {
    uint64_t eight;
    if (text.len - at >= sizeof eight) { /* most text is ASCII: eight characters per step */
      memcpy(&eight, text.data + at, sizeof eight);
      if ((eight & UINT64_C(0x8080808080808080)) == 0) {
        at += sizeof eight;
        continue;
      }
    }
    size_t len = character_bytes(bytes_of(text.data + at, text.len - at));
    if (len == 0) {
      return false;
    }
    at += len;
  }
  return true;
}

/* ---- names */

struct range {
  uint32_t first, last;
};

static bool is_in(const struct range *ranges, size_t count, uint32_t code) {
  size_t i = 0;
  while (i < count && (code < ranges[i].first || code > ranges[i].last)) {
    i++;
  }
  return i < count;
}

/* Characters that move a terminal's cursor, or make a name look like another. */
static bool is_forbidden(uint32_t code) {
  static const struct range ranges[] = {
      {0x00, 0x1f}, {0x7f, 0x9f}, {0x2028, 0x202e}, {0x2066, 0x2069}};
  return is_in(ranges, sizeof ranges / sizeof ranges[0], code);
}

/* White space, and characters without width. */
static bool is_blank(uint32_t code) {
  static const struct range ranges[] = {
      {0x20, 0x20},     {0xa0, 0xa0},     {0xad, 0xad},     {0x34f, 0x34f},   {0x61c, 0x61c},
      {0x115f, 0x1160}, {0x1680, 0x1680}, {0x180e, 0x180e}, {0x2000, 0x200f}, {0x202f, 0x202f},
      {0x205f, 0x2064}, {0x206a, 0x206f}, {0x2800, 0x2800}, {0x3000, 0x3000}, {0x3164, 0x3164},
      {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}};
  return is_in(ranges, sizeof ranges / sizeof ranges[0], code);
}

/* Decodes a well-formed character of len bytes. */
static uint32_t decode(const uint8_t *bytes, size_t len) {
  uint32_t code = len == 1 ? bytes[0] : bytes[0] & (0x7fu >> len);
  for (size_t i = 1; i < len; i++) {
    code = code << 6 | (bytes[i] & 0x3fu);
  }
  return code;
}

bool text_is_name(struct bytes text) {
  bool is_seen = false;
  size_t len;
  if (text.len > HF_NAME_BYTES_MAX) {
    return false;
  }
  for (size_t at = 0; at < text.len; at += len) {
    len = character_bytes(bytes_of(text.data + at, text.len - at));
    uint32_t code = len > 0 ? decode(text.data + at, len) : 0;
    if (len == 0 || is_forbidden(code)) {
      return false;
    }
    is_seen = is_seen || !is_blank(code);
  }
  return is_seen;
}

size_t text_make_name(struct bytes text, char *name, size_t capacity) {
  size_t max = capacity - 1 < HF_NAME_BYTES_MAX ? capacity - 1 : HF_NAME_BYTES_MAX;
  size_t made = 0, len;
  for (size_t at = 0; at < text.len; at += len) {
    len = character_bytes(bytes_of(text.data + at, text.len - at));
    bool is_kept = len > 0 && !is_forbidden(decode(text.data + at, len));
    size_t added = is_kept ? len : 1;
    if (made + added > max) {
      break;
    }
    memcpy(name + made, is_kept ? (const char *)text.data + at : "?", added);
    made += added;
    len = len > 0 ? len : 1;
  }
  if (!text_is_name(bytes_of(name, made))) { /* blank */
    memcpy(name, "?", made = 1);
  }
  name[made] = '\0';
  return made;
}
