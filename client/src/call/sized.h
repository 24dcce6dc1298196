/* Structs of the public API that may grow: conversion between the program's size and the library's.
 *
 * layer   client, call
 */
#ifndef HF_CLIENT_SIZED_H
#define HF_CLIENT_SIZED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Options: copies `given` to *known, which is all zero; a NULL `given` means defaults. false: the
 * program sets an option that this library does not know. */
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

/* Results: copies the members that the program has; sets those to 0 that the library does not know.
 */
static inline void sized_give(void *given, size_t given_size, const void *known,
                              size_t known_size) {
  size_t common = given_size < known_size ? given_size : known_size;
  memcpy(given, known, common);
  memset((uint8_t *)given + common, 0, given_size - common);
}

#endif
