#include "server/journal/available_memory.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 512
#define KIB 1024
#define GROUP "0::" /* in /proc/self/cgroup */

/* The rest of the file's first line that begins so. */
static bool read_line(const char *path, const char *beginning, char rest[LINE_BYTES]) {
  char line[LINE_BYTES];
  size_t len = strlen(beginning);
  bool is_found = false;
  FILE *file = fopen(path, "re");
  while (file && !is_found && fgets(line, sizeof line, file)) {
    is_found = strncmp(line, beginning, len) == 0;
  }
  if (file) {
    (void)fclose(file);
  }
  if (is_found) {
    line[strcspn(line, "\n")] = '\0';
    snprintf(rest, LINE_BYTES, "%s", line + len);
  }
  return is_found;
}

/* Or else `other`: no number is there. */
static uint64_t read_number(const char *path, const char *beginning, uint64_t other) {
  char rest[LINE_BYTES];
  if (!read_line(path, beginning, rest)) {
    return other;
  }
  char *end;
  unsigned long long number = strtoull(rest, &end, 10);
  return end == rest ? other : (uint64_t)number;
}

static uint64_t read_of(const char *directory, const char *file, const char *beginning,
                        uint64_t other) {
  char path[PATH_MAX];
  int len = snprintf(path, sizeof path, "%s/%s", directory, file);
  return len > 0 && (size_t)len < sizeof path ? read_number(path, beginning, other) : other;
}

static uint64_t minus(uint64_t number, uint64_t less) {
  return number > less ? number - less : 0;
}

static uint64_t room_in_group(const char *directory) {
  uint64_t most = read_of(directory, "memory.max", "", UINT64_MAX); /* "max": there is none */
  if (most == UINT64_MAX) {
    return UINT64_MAX;
  }
  uint64_t used = read_of(directory, "memory.current", "", 0);
  uint64_t files = read_of(directory, "memory.stat", "inactive_file ", 0) +
                   read_of(directory, "memory.stat", "active_file ", 0);
  return minus(most, minus(used, files));
}

/* In the group, and in all that it is in. */
static uint64_t room_in_groups(const char *root) {
  char path[PATH_MAX], group[LINE_BYTES];
  snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  if (!read_line(path, GROUP, group)) {
    return UINT64_MAX;
  }
  uint64_t least = UINT64_MAX;
  for (char *end = group + strlen(group); end; end = strrchr(group, '/')) {
    *end = '\0';
    snprintf(path, sizeof path, "%s/sys/fs/cgroup%s", root, group);
    uint64_t room = room_in_group(path);
    least = room < least ? room : least;
  }
  return least;
}

uint64_t available_memory_bytes(const char *root) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/proc/meminfo", root);
  uint64_t kib = read_number(path, "MemAvailable:", UINT64_MAX);
  uint64_t of_machine = kib < UINT64_MAX / KIB ? kib * KIB : UINT64_MAX;
  uint64_t of_groups = room_in_groups(root);
  return of_machine < of_groups ? of_machine : of_groups;
}
