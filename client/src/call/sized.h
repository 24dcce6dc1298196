/* Structs of the public API that may grow: what a program was built with, and what the library knows.
 *
 * layer   client, call
 */
#ifndef HF_CLIENT_SIZED_H
#define HF_CLIENT_SIZED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Options: fills *known, all zero, from what was given; NULL: all defaults. false: a newer program
 * sets an option that this library does not know. */
static inline bool sized_take(void *known, size_t known_size, const void *given,
                              size_t given_size) {
  const uint8_t *bytes = given;
  if (given == NULL) {
    return true;
  }
  memcpy(known, given, given_size < known_size ? given_size : known_size);
  for (size_t i = known_size; i < given_size; i++) {
    if (bytes[i] != 0) {
      return false;
    }
  }
  return true;
}

/* Results: as much as the program has room for; what the library does not know is zero. */
static inline void sized_give(void *given, size_t given_size, const void *known,
                              size_t known_size) {
  size_t common = given_size < known_size ? given_size : known_size;
  memcpy(given, known, common);
  memset((uint8_t *)given + common, 0, given_size - common);
}

#endif
