#include "tests/support/faulty_disk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR_BYTES 512
#define PAGE_BYTES 4096
#define FILES_MAX 256
#define DESCRIPTORS_MAX 1024
#define NAME_BYTES 64

enum operation_kind { WRITE, TRUNCATE, SYNC, ENTRY, SYNC_DIRECTORY };

struct operation {
  enum operation_kind kind;
  int file; /* ENTRY: -1: none any more */
  uint64_t offset, len;
  uint8_t *data;
  char name[NAME_BYTES],
      former[NAME_BYTES]; /* ENTRY; former: the name that goes away, if it is renamed */
};

static struct {
  char directory[PATH_MAX];
  size_t directory_len;
  struct operation *operations;
  size_t count, capacity;
  int files; /* so many there were */
  struct entry {
    char name[NAME_BYTES];
    int file;
  } entries[FILES_MAX];
  size_t entries_count;
  int descriptors[DESCRIPTORS_MAX]; /* 0: not ours; 1: the directory; else file + 2 */
  size_t fails_at;
  enum disk_fault fault;
  bool has_failed;
} disk;

/* ---- names */

static const char *name_of(const char *path) {
  bool is_inside = disk.directory_len > 0 &&
                   strncmp(path, disk.directory, disk.directory_len) == 0 &&
                   path[disk.directory_len] == '/';
  return is_inside ? path + disk.directory_len + 1 : NULL;
}

static struct entry *find_entry(struct entry *entries, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(entries[i].name, name) == 0) {
      return &entries[i];
    }
  }
  return NULL;
}

/* file -1: the name goes away. */
static void set_entry(struct entry *entries, size_t *count, const char *name, int file) {
  struct entry *entry = find_entry(entries, *count, name);
  if (file < 0) {
    if (entry) {
      *entry = entries[--*count];
    }
    return;
  }
  if (!entry) {
    assert(*count < FILES_MAX);
    entry = &entries[(*count)++];
    snprintf(entry->name, sizeof entry->name, "%s", name);
  }
  entry->file = file;
}

static struct operation *record(enum operation_kind kind, int file) {
  if (disk.count == disk.capacity) {
    disk.capacity = disk.capacity ? disk.capacity * 2 : 1024;
    disk.operations = realloc(disk.operations, disk.capacity * sizeof *disk.operations);
    assert(disk.operations);
  }
  struct operation *operation = &disk.operations[disk.count++];
  *operation = (struct operation){.kind = kind, .file = file};
  return operation;
}

static void record_entry(const char *name, int file, const char *former) {
  struct operation *operation = record(ENTRY, file);
  snprintf(operation->name, sizeof operation->name, "%s", name);
  if (former) {
    snprintf(operation->former, sizeof operation->former, "%s", former);
    set_entry(disk.entries, &disk.entries_count, former, -1);
  }
  set_entry(disk.entries, &disk.entries_count, name, file);
}

int faulty_disk_find(const char *path, bool is_new) {
  const char *name = name_of(path);
  size_t len = name ? strlen(name) : 0;
  if (!name || strcmp(name, "lock") == 0 || (len > 4 && strcmp(name + len - 4, "-shm") == 0)) {
    return -1; /* those mean nothing after a crash */
  }
  struct entry *entry = find_entry(disk.entries, disk.entries_count, name);
  if (entry && !is_new) {
    return entry->file;
  }
  int file = disk.files++;
  record_entry(name, file, NULL);
  return file;
}

void faulty_disk_begin(const char *directory) {
  faulty_disk_end();
  snprintf(disk.directory, sizeof disk.directory, "%s", directory);
  disk.directory_len = strlen(directory);
}

void faulty_disk_end(void) {
  for (size_t i = 0; i < disk.count; i++) {
    free(disk.operations[i].data);
  }
  free(disk.operations);
  memset(&disk, 0, sizeof disk);
}

size_t faulty_disk_operations(void) {
  return disk.count;
}

/* ---- faults */

void faulty_disk_fail(size_t n, enum disk_fault fault) {
  disk.fails_at = n;
  disk.fault = fault;
  disk.has_failed = false;
}

bool faulty_disk_has_failed(void) {
  return disk.has_failed;
}

enum disk_fault faulty_disk_next(size_t *len) {
  if (disk.fault == DISK_FINE || (disk.fault == DISK_IS_FULL && !len) ||
      (disk.fails_at > 0 && --disk.fails_at > 0)) {
    return DISK_FINE;
  }
  bool is_first = !disk.has_failed;
  bool lasts = disk.fault == DISK_IS_FULL || disk.fault == DISK_IS_BROKEN;
  if (!is_first && !lasts) {
    return DISK_FINE;
  }
  disk.has_failed = true;
  bool is_partial = is_first && (disk.fault == DISK_IS_SHORT || disk.fault == DISK_IS_FULL);
  if (len) {
    *len = is_partial ? *len / 2 : 0;
  }
  return disk.fault;
}

void faulty_disk_note_write(int file, uint64_t offset, const void *data, size_t len) {
  if (file < 0 || len == 0) {
    return;
  }
  struct operation *operation = record(WRITE, file);
  operation->offset = offset;
  operation->len = len;
  operation->data = malloc(len);
  assert(operation->data);
  memcpy(operation->data, data, len);
}

void faulty_disk_note_truncate(int file, uint64_t len) {
  if (file >= 0) {
    record(TRUNCATE, file)->len = len;
  }
}

void faulty_disk_note_sync(int file) {
  if (file >= 0) {
    record(SYNC, file);
  }
}

void faulty_disk_note_unlink(const char *path) {
  const char *name = name_of(path);
  if (name && find_entry(disk.entries, disk.entries_count, name)) {
    record_entry(name, -1, NULL);
  }
}

void faulty_disk_note_directory_sync(void) {
  record(SYNC_DIRECTORY, -1);
}

/* ---- images */

struct content {
  uint8_t *data;
  size_t len, capacity;
};

static void resize(struct content *content, size_t len) {
  if (len > content->capacity) {
    content->capacity = len * 2;
    content->data = realloc(content->data, content->capacity);
    assert(content->data);
  }
  if (len > content->len) {
    memset(content->data + content->len, 0, len - content->len);
  }
  content->len = len;
}

static void put(struct content *content, uint64_t offset, const uint8_t *data, size_t len) {
  if (offset + len > content->len) {
    resize(content, (size_t)(offset + len));
  }
  memcpy(content->data + offset, data, len);
}

static bool keeps(enum disk_loss loss, struct random *random) {
  return loss == DISK_LOSES_NOTHING || (loss == DISK_LOSES_SOME && random_below(random, 2));
}

/* Of each page: all, nothing, or each sector by itself. */
static void put_some(struct content *content, const struct operation *operation,
                     struct random *random) {
  for (uint64_t at = 0; at < operation->len;) {
    uint64_t end = (operation->offset + at) / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES;
    end = end - operation->offset < operation->len ? end - operation->offset : operation->len;
    uint64_t fate = random_below(random, 3);
    while (at < end) {
      uint64_t next = (operation->offset + at) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES;
      next = next - operation->offset < end ? next - operation->offset : end;
      if (fate == 0 || (fate == 1 && random_below(random, 2))) {
        put(content, operation->offset + at, operation->data + at, (size_t)(next - at));
      }
      at = next;
    }
  }
}

static void apply_content(struct content *content, const struct operation *operation,
                          bool is_synced, enum disk_loss loss, struct random *random) {
  loss = is_synced ? DISK_LOSES_NOTHING : loss;
  if (operation->kind == WRITE && loss == DISK_LOSES_SOME) {
    put_some(content, operation, random);
  } else if (operation->kind == WRITE && loss == DISK_LOSES_NOTHING) {
    put(content, operation->offset, operation->data, (size_t)operation->len);
  } else if (operation->kind == TRUNCATE && keeps(loss, random)) {
    resize(content, (size_t)operation->len);
  }
}

static void write_file(const char *directory, const char *name, const struct content *content);

void faulty_disk_make_image(size_t n, enum disk_loss loss, struct random *random,
                            const char *directory) {
  static struct content contents[FILES_MAX];
  static size_t synced[FILES_MAX]; /* operations before this one are durable */
  struct entry entries[FILES_MAX];
  size_t entries_count = 0, directory_synced = 0;
  assert(disk.files <= FILES_MAX && n <= disk.count);
  memset(synced, 0, sizeof synced);
  for (size_t i = 0; i < n; i++) {
    const struct operation *operation = &disk.operations[i];
    if (operation->kind == SYNC) {
      synced[operation->file] = i;
    } else if (operation->kind == SYNC_DIRECTORY) {
      directory_synced = i;
    }
  }
  for (int i = 0; i < disk.files; i++) {
    contents[i].len = 0;
  }
  for (size_t i = 0; i < n; i++) {
    const struct operation *operation = &disk.operations[i];
    if (operation->kind == WRITE || operation->kind == TRUNCATE) {
      apply_content(&contents[operation->file], operation, i < synced[operation->file], loss,
                    random);
    } else if (operation->kind == ENTRY && (i < directory_synced || keeps(loss, random))) {
      if (operation->former[0]) {
        set_entry(entries, &entries_count, operation->former, -1);
      }
      set_entry(entries, &entries_count, operation->name, operation->file);
    }
  }
  for (size_t i = 0; i < entries_count; i++) {
    write_file(directory, entries[i].name, &contents[entries[i].file]);
  }
}

/* ---- directories */

void faulty_disk_make_directory(char path[DISK_PATH_BYTES]) {
  snprintf(path, DISK_PATH_BYTES, "%s/holdfast-disk-XXXXXX",
           access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
  char *made = mkdtemp(path);
  assert(made);
  (void)made;
}

/* ---- calls of what is linked statically: see HF_DISK_HOOK in tests/unit/CMakeLists.txt */

int __real_open(const char *path, int flags, ...);
ssize_t __real_pwrite(int fd, const void *data, size_t len, off_t offset);
int __real_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __real_close(int fd);
int __wrap_open(const char *path, int flags, ...);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t offset);
int __wrap_fsync(int fd);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);
int __wrap_close(int fd);

static void write_file(const char *directory, const char *name, const struct content *content) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%.3000s/%.60s", directory, name);
  int fd = __real_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  assert(fd >= 0);
  ssize_t written = content->len > 0 ? __real_pwrite(fd, content->data, content->len, 0) : 0;
  assert(written == (ssize_t)content->len);
  (void)written;
  __real_close(fd);
}

void faulty_disk_clear_directory(const char *path) {
  DIR *directory = opendir(path);
  assert(directory);
  struct dirent *entry;
  while ((entry = readdir(directory)) != NULL) {
    char file[PATH_MAX];
    snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
    __real_unlink(file); /* not . and .. */
  }
  closedir(directory);
}

void faulty_disk_remove_directory(const char *path) {
  faulty_disk_clear_directory(path);
  rmdir(path);
}

static bool fails(enum disk_fault fault) {
  if (fault == DISK_FINE) {
    return false;
  }
  errno = fault == DISK_IS_FULL ? ENOSPC : EIO;
  return true;
}

/* What takes no room. */
static bool fails_now(void) {
  return fails(faulty_disk_next(NULL));
}

int __wrap_open(const char *path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
  va_end(args);
  bool is_directory = disk.directory_len > 0 && strcmp(path, disk.directory) == 0;
  bool is_new = name_of(path) && flags & O_CREAT && access(path, F_OK) != 0;
  size_t none = 0;
  if (is_new && fails(faulty_disk_next(&none))) {
    return -1;
  }
  int fd = __real_open(path, flags, mode);
  if (fd < 0 || fd >= DESCRIPTORS_MAX) {
    return fd;
  }
  int file = is_directory ? -1 : faulty_disk_find(path, is_new);
  disk.descriptors[fd] = is_directory ? 1 : file + 2;
  if (!is_directory && file < 0) {
    disk.descriptors[fd] = 0;
  }
  if (file >= 0 && flags & O_TRUNC) {
    faulty_disk_note_truncate(file, 0);
  }
  return fd;
}

static int ours(int fd) {
  return fd >= 0 && fd < DESCRIPTORS_MAX ? disk.descriptors[fd] : 0;
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t offset) {
  if (ours(fd) < 2) {
    return __real_pwrite(fd, data, len, offset);
  }
  size_t part = len;
  enum disk_fault fault = faulty_disk_next(&part);
  ssize_t written = part > 0 ? __real_pwrite(fd, data, part, offset) : 0;
  faulty_disk_note_write(ours(fd) - 2, (uint64_t)offset, data, part);
  /* As the kernel: what was written is reported, the error at the next call. */
  return fails(fault) && part == 0 ? -1 : written;
}

int __wrap_fsync(int fd) {
  if (ours(fd) == 0) {
    return __real_fsync(fd);
  }
  if (fails_now()) {
    return -1;
  }
  if (ours(fd) == 1) {
    faulty_disk_note_directory_sync();
  } else {
    faulty_disk_note_sync(ours(fd) - 2);
  }
  return 0;
}

int __wrap_rename(const char *from, const char *to) {
  const char *from_name = name_of(from), *to_name = name_of(to);
  if (from_name && fails_now()) {
    return -1;
  }
  int result = __real_rename(from, to);
  if (result == 0 && from_name) {
    record_entry(to_name, faulty_disk_find(from, false), from_name);
  }
  return result;
}

int __wrap_unlink(const char *path) {
  if (name_of(path) && access(path, F_OK) == 0 && fails_now()) {
    return -1;
  }
  int result = __real_unlink(path);
  if (result == 0) {
    faulty_disk_note_unlink(path);
  }
  return result;
}

int __wrap_close(int fd) {
  if (fd >= 0 && fd < DESCRIPTORS_MAX) {
    disk.descriptors[fd] = 0;
  }
  return __real_close(fd);
}
