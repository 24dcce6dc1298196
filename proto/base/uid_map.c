#include "proto/base/uid_map.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES 128
#define OVERFLOW_UID 65534
#define UIDS_COUNT 4294967295UL /* the last number is none */

static struct {
  pthread_once_t once;
  unsigned long overflow;
  bool is_whole; /* all uids are mapped */
} map = {PTHREAD_ONCE_INIT, OVERFLOW_UID, false};

/* Of the first line. */
static bool read_numbers(const char *path, unsigned long *numbers, size_t count) {
  char line[LINE_BYTES], *at = line, *end = line;
  FILE *file = fopen(path, "re");
  bool is_read = file != NULL && fgets(line, sizeof line, file) != NULL;
  for (size_t i = 0; is_read && i < count; i++, at = end) {
    numbers[i] = strtoul(at, &end, 10);
    is_read = end != at;
  }
  if (file != NULL) {
    fclose(file);
  }
  return is_read;
}

/* A map without a gap has one line. */
static void read_map(void) {
  unsigned long line[3]; /* from, to, count */
  map.is_whole =
      read_numbers("/proc/self/uid_map", line, 3) && line[0] == 0 && line[2] >= UIDS_COUNT;
  if (!read_numbers("/proc/sys/kernel/overflowuid", &map.overflow, 1)) {
    map.overflow = OVERFLOW_UID;
  }
}

bool uid_map_is_one(uid_t uid) {
  pthread_once(&map.once, read_map);
  return map.is_whole || uid != map.overflow;
}
