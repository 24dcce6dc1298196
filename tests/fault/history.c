/* See history.h. */
#include "tests/fault/history.h"

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES 512

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void history_open(struct history *history, const char *directory, uint32_t process,
                  size_t count_max) {
  char path[PATH_BYTES];
  size_t size = count_max * sizeof(struct history_record);
  snprintf(path, sizeof(path), "%s/%u.history", directory, process);
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, (off_t)size) != 0) {
    err(1, "%s", path);
  }
  void *records = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (records == MAP_FAILED) {
    err(1, "%s", path);
  }
  *history = (struct history){.records = records, .count_max = count_max, .process = process};
}

void history_close(struct history *history) {
  munmap(history->records, history->count_max * sizeof(struct history_record));
  history->records = NULL;
}

struct history_record *history_invoke(struct history *history, enum history_operation operation,
                                      uint64_t subject, int64_t argument, int64_t expected) {
  if (history->count == history->count_max) {
    errx(1, "no room for more than %zu calls", history->count_max);
  }
  struct history_record *record = &history->records[history->count++];
  *record = (struct history_record){.subject = subject,
                                    .argument = argument,
                                    .expected = expected,
                                    .process = history->process,
                                    .operation = (uint8_t)operation};
  /* Last: from here on a killed process has maybe made the call. */
  __atomic_store_n(&record->invoked_ns, now_ns(), __ATOMIC_RELEASE);
  return record;
}

void history_return(struct history_record *record, enum history_outcome outcome, int64_t result) {
  record->returned_ns = now_ns();
  record->result = result;
  __atomic_store_n(&record->outcome, (uint8_t)outcome, __ATOMIC_RELEASE);
}

/* ---------------------------------------------------------------- reading */

struct loaded {
  struct history_record *records;
  size_t count, room;
};

static void append(struct loaded *loaded, const struct history_record *record) {
  if (loaded->count == loaded->room) {
    loaded->room = loaded->room == 0 ? 4096 : 2 * loaded->room;
    loaded->records = realloc(loaded->records, loaded->room * sizeof(*record));
    if (loaded->records == NULL) {
      err(1, "history");
    }
  }
  loaded->records[loaded->count++] = *record;
}

static void load_file(struct loaded *loaded, const char *path) {
  struct history_record record;
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    err(1, "%s", path);
  }
  while (fread(&record, sizeof(record), 1, file) == 1 && record.invoked_ns != 0) {
    append(loaded, &record);
  }
  fclose(file);
}

/* Calls visit for every history file. */
static void each_file(const char *directory, void (*visit)(const char *path, void *ctx),
                      void *ctx) {
  char path[PATH_BYTES];
  DIR *dir = opendir(directory);
  if (dir == NULL) {
    err(1, "%s", directory);
  }
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    if (strstr(entry->d_name, ".history") != NULL) {
      snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
      visit(path, ctx);
    }
  }
  closedir(dir);
}

static void load_one(const char *path, void *ctx) {
  load_file(ctx, path);
}

static void remove_one(const char *path, void *ctx) {
  (void)ctx;
  unlink(path);
}

struct history_record *history_load(const char *directory, size_t *count) {
  struct loaded loaded = {0};
  each_file(directory, load_one, &loaded);
  *count = loaded.count;
  return loaded.records;
}

void history_remove(const char *directory) {
  each_file(directory, remove_one, NULL);
  rmdir(directory);
}
