#include "server/users/uid_name.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES 1024

bool uid_name(uid_t uid, char name[UID_NAME_BYTES]) {
  struct passwd entry, *found = NULL;
  char line[LINE_BYTES];
  bool has_name = false;
  FILE *file = fopen("/etc/passwd", "re");
  snprintf(name, UID_NAME_BYTES, "%u", (unsigned)uid);
  while (file != NULL && !has_name && fgetpwent_r(file, &entry, line, sizeof line, &found) == 0) {
    has_name = entry.pw_uid == uid && strlen(entry.pw_name) < UID_NAME_BYTES;
  }
  if (has_name) {
    snprintf(name, UID_NAME_BYTES, "%s", entry.pw_name);
  }
  if (file != NULL) {
    fclose(file);
  }
  return has_name;
}
