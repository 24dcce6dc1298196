#include "tests/support/directory.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

void directory_make(char path[DIRECTORY_PATH_BYTES]) {
  const char *parent = getenv("TMPDIR");
  snprintf(path, DIRECTORY_PATH_BYTES, "%.40s/hf-test.XXXXXX", parent ? parent : "/tmp");
  assert_non_null(mkdtemp(path));
}

void directory_remove(const char *path) {
  DIR *entries = opendir(path);
  const struct dirent *entry;
  assert_non_null(entries);
  while ((entry = readdir(entries))) {
    char file[384];
    snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
    if (entry->d_name[0] != '.') {
      assert_int_equal(unlink(file), 0);
    }
  }
  closedir(entries);
  assert_int_equal(rmdir(path), 0);
}
