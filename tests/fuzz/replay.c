/* Runs a fuzz target over committed inputs, as an ordinary test.
 *
 * usage: replay DIRECTORY|FILE ...
 */
#include <dirent.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATH_BYTES_MAX 4096

static int run_file(const char *path, long size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    err(1, "%s", path);
  }
  /* Exactly as long as the input, so that a sanitizer sees a read beyond it. */
  uint8_t *data = malloc((size_t)size + (size == 0 ? 1 : 0));
  if (data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size) {
    err(1, "%s", path);
  }
  fclose(file);
  (void)LLVMFuzzerTestOneInput(data, (size_t)size);
  free(data);
  return 1;
}

static int run_path(const char *path) {
  char inner[PATH_BYTES_MAX];
  struct stat about;
  struct dirent *entry;
  int count = 0;
  if (stat(path, &about) != 0) {
    err(1, "%s", path);
  }
  if (!S_ISDIR(about.st_mode)) {
    return run_file(path, (long)about.st_size);
  }
  DIR *dir = opendir(path);
  while (dir != NULL && (entry = readdir(dir)) != NULL) {
    if (entry->d_name[0] != '.') {
      snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
      count += run_path(inner);
    }
  }
  if (dir != NULL) {
    closedir(dir);
  }
  return count;
}

int main(int argc, char **argv) {
  int count = 0;
  (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
  for (int i = 1; i < argc; i++) {
    count += run_path(argv[i]);
  }
  printf("%d inputs\n", count);
  return count > 0 ? 0 : 1;
}
