/* A borrowed view of bytes. Passed by value. */
#ifndef HF_BASE_BYTES_H
#define HF_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
  const uint8_t *data;
  size_t len;
};

static inline struct bytes bytes_of(const void *data, size_t len) {
  return (struct bytes){data, len};
}

static inline struct bytes bytes_of_text(const char *text) {
  return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* In the order of their bytes: <0, 0, >0. */
static inline int bytes_compare(struct bytes a, struct bytes b) {
  size_t common = a.len < b.len ? a.len : b.len;
  int order = common ? memcmp(a.data, b.data, common) : 0;
  return order ? order : (a.len > b.len) - (a.len < b.len);
}

static inline bool bytes_begin_with(struct bytes bytes, struct bytes prefix) {
  return bytes.len >= prefix.len && bytes_equal(bytes_of(bytes.data, prefix.len), prefix);
}

#endif
