#include "server/journal/snapshot_file.h"

#include "server/journal/checksum.h"
#include "server/journal/data_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC UINT64_C(0x50414e53444c4f48) /* "HOLDSNAP" */
#define VERSION 1
#define BLOCK_BYTES ((size_t)1 << 20)

#define UNFINISHED ".new"

struct file_header {
  uint64_t magic, version;
  struct snapshot_header header;
  uint8_t checksum[CHECKSUM_BYTES];
};
_Static_assert(sizeof(struct file_header) == 80, "ten numbers without padding");

static struct bytes header_content(const struct file_header *header) {
  return bytes_of(header, offsetof(struct file_header, checksum));
}

static size_t blocks_of(uint64_t bytes) {
  return (size_t)(bytes / BLOCK_BYTES + (bytes % BLOCK_BYTES > 0));
}

/* A block's checksum says which snapshot's and which block it is. */
static uint64_t block_name(uint64_t index, size_t block) {
  return index * UINT64_C(0x9e3779b97f4a7c15) + block;
}

static void name_file(char path[PATH_MAX], const char *directory, uint64_t index,
                      const char *suffix) {
  snprintf(path, PATH_MAX, "%s/" SNAPSHOT_PREFIX "%llu%s", directory, (unsigned long long)index,
           suffix);
}

/* ---- writing */

struct snapshot_file {
  char *directory; /* malloc */
  struct file_header header;
  int fd;
  uint8_t *block; /* malloc: what was not written yet */
  size_t block_len;
  uint8_t (*checksums)[CHECKSUM_BYTES]; /* malloc: of the blocks that were written */
  size_t checksums_count, checksums_capacity;
  int error; /* errno of what failed; 0: nothing did */
};

static bool write_all(int fd, const void *data, size_t len, uint64_t offset) {
  const uint8_t *next = data;
  while (len > 0) {
    ssize_t written = pwrite(fd, next, len, (off_t)offset);
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      errno = written == 0 ? ENOSPC : errno;
      return false;
    }
    next += written;
    offset += (size_t)written;
    len -= (size_t)written;
  }
  return true;
}

static bool add_checksum(struct snapshot_file *file) {
  if (file->checksums_count == file->checksums_capacity) {
    size_t capacity = file->checksums_capacity ? file->checksums_capacity * 2 : 64;
    void *checksums = realloc(file->checksums, capacity * CHECKSUM_BYTES);
    if (!checksums) {
      errno = ENOMEM;
      return false;
    }
    file->checksums = checksums;
    file->checksums_capacity = capacity;
  }
  checksum_write(file->checksums[file->checksums_count], bytes_of(file->block, file->block_len),
                 block_name(file->header.header.index, file->checksums_count));
  file->checksums_count++;
  return true;
}

static bool has_room(const struct snapshot_file *file) {
  bool has = data_directory_free_bytes(file->directory) >= SNAPSHOT_LEAVES_BYTES;
  errno = has ? errno : ENOSPC;
  return has;
}

static bool end_block(struct snapshot_file *file) {
  uint64_t offset = sizeof file->header + (uint64_t)file->checksums_count * BLOCK_BYTES;
  if (!has_room(file) || !add_checksum(file) ||
      !write_all(file->fd, file->block, file->block_len, offset)) {
    file->error = errno;
    return false;
  }
  /* Written by the kernel a bit at a time, so that the sync at the end delays no commit of the server. */
  sync_file_range(file->fd, (off_t)offset, (off_t)file->block_len, SYNC_FILE_RANGE_WRITE);
  file->block_len = 0;
  return true;
}

static bool write_content(void *ctx, struct bytes bytes) {
  struct snapshot_file *file = ctx;
  file->header.header.bytes += bytes.len;
  while (!file->error && bytes.len > 0) {
    size_t room = BLOCK_BYTES - file->block_len;
    size_t len = bytes.len < room ? bytes.len : room;
    memcpy(file->block + file->block_len, bytes.data, len);
    file->block_len += len;
    bytes = bytes_of(bytes.data + len, bytes.len - len);
    if (file->block_len == BLOCK_BYTES) {
      end_block(file);
    }
  }
  return !file->error;
}

struct snapshot_writer snapshot_file_writer(struct snapshot_file *file) {
  return (struct snapshot_writer){file, write_content};
}

static void free_file(struct snapshot_file *file) {
  if (file->fd >= 0) {
    close(file->fd);
  }
  free(file->directory);
  free(file->block);
  free(file->checksums);
  free(file);
}

static void describe(char error[SNAPSHOT_ERROR_BYTES], const char *path, int number) {
  snprintf(error, SNAPSHOT_ERROR_BYTES, "%.400s: %s", path, strerror(number));
}

struct snapshot_file *snapshot_file_create(const char *directory,
                                           const struct snapshot_header *header,
                                           char error[SNAPSHOT_ERROR_BYTES]) {
  char path[PATH_MAX];
  name_file(path, directory, header->index, UNFINISHED);
  struct snapshot_file *file = calloc(1, sizeof *file);
  if (!file) {
    describe(error, path, ENOMEM);
    return NULL;
  }
  file->header = (struct file_header){.magic = MAGIC, .version = VERSION, .header = *header};
  file->header.header.bytes = 0;
  file->block = malloc(BLOCK_BYTES);
  file->directory = strdup(directory);
  bool has_memory = file->block && file->directory;
  file->fd = has_memory ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
  if (file->fd < 0) {
    describe(error, path, has_memory ? errno : ENOMEM);
    free_file(file);
    return NULL;
  }
  return file;
}

/* Writes what is missing, and brings it to the disk. */
static bool finish(struct snapshot_file *file) {
  struct file_header *header = &file->header;
  if (file->error || (file->block_len > 0 && !end_block(file))) {
    errno = file->error;
    return false;
  }
  checksum_write(header->checksum, header_content(header), 0);
  return write_all(file->fd, file->checksums, file->checksums_count * CHECKSUM_BYTES,
                   sizeof *header + header->header.bytes) &&
         write_all(file->fd, header, sizeof *header, 0) && fsync(file->fd) == 0;
}

bool snapshot_file_commit(struct snapshot_file *file, char error[SNAPSHOT_ERROR_BYTES]) {
  char unfinished[PATH_MAX], path[PATH_MAX];
  name_file(unfinished, file->directory, file->header.header.index, UNFINISHED);
  name_file(path, file->directory, file->header.header.index, "");
  if (!finish(file)) {
    describe(error, unfinished, errno);
    snapshot_file_abandon(file);
    return false;
  }
  bool is_there = rename(unfinished, path) == 0;
  if (!is_there || !data_directory_sync(file->directory)) {
    describe(error, path, errno);
    unlink(is_there ? path : unfinished);
    free_file(file);
    return false;
  }
  free_file(file);
  return true;
}

void snapshot_file_abandon(struct snapshot_file *file) {
  char path[PATH_MAX];
  name_file(path, file->directory, file->header.header.index, UNFINISHED);
  unlink(path);
  free_file(file);
}

/* ---- reading */

static const char newer[] =
    "is of a newer format than this server reads; use the version that wrote it";

static bool check_header(const struct file_header *header, uint64_t index, const char **why) {
  if (header->magic != MAGIC) {
    *why = "is no snapshot, or damaged";
  } else if (!checksum_fits(header->checksum, header_content(header), 0)) {
    *why = "is damaged: its header";
  } else if (header->version > VERSION) {
    *why = newer;
  } else if (header->version != VERSION || header->header.index != index) {
    *why = "is damaged: its name is another snapshot's";
  } else {
    return true;
  }
  return false;
}

static bool check_content(const struct snapshot_content *content, const char **why) {
  const uint8_t *checksums = content->bytes.data + content->bytes.len;
  struct bytes rest = content->bytes;
  for (size_t i = 0; rest.len > 0; i++) {
    struct bytes block = bytes_of(rest.data, rest.len < BLOCK_BYTES ? rest.len : BLOCK_BYTES);
    if (!checksum_fits(checksums + i * CHECKSUM_BYTES, block,
                       block_name(content->header.index, i))) {
      *why = "is damaged: its content";
      return false;
    }
    rest = bytes_of(rest.data + block.len, rest.len - block.len);
  }
  return true;
}

/* Maps the file. NULL: *why is set, or else errno. */
static const struct file_header *map(int fd, struct snapshot_content *content, const char **why) {
  struct stat status;
  if (fstat(fd, &status) != 0) {
    return NULL;
  }
  content->map_bytes = (size_t)status.st_size;
  if (content->map_bytes < sizeof(struct file_header)) {
    *why = "is damaged: it is too short";
    return NULL;
  }
  void *map = mmap(NULL, content->map_bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  if (map == MAP_FAILED) {
    return NULL;
  }
  madvise(map, content->map_bytes, MADV_SEQUENTIAL);
  content->map = map;
  return map;
}

/* false: *why is set, or else errno. */
static bool read_file(int fd, uint64_t index, struct snapshot_content *content, const char **why) {
  const struct file_header *header = map(fd, content, why);
  if (!header || !check_header(header, index, why)) {
    return false;
  }
  content->header = header->header;
  uint64_t bytes = content->header.bytes, room = content->map_bytes - sizeof *header;
  if (bytes > room || room - bytes != blocks_of(bytes) * CHECKSUM_BYTES) {
    *why = "is damaged: its length";
    return false;
  }
  content->bytes = bytes_of((const uint8_t *)(header + 1), (size_t)bytes);
  return check_content(content, why);
}

/* 0: none. */
static uint64_t newest_below(const struct data_files *files, uint64_t below) {
  size_t count = files->count;
  while (count > 0 && files->numbers[count - 1] >= below) {
    count--;
  }
  return count > 0 ? files->numbers[count - 1] : 0;
}

/* false: *why is set, or else errno. */
static bool open_and_read(const char *path, uint64_t index, struct snapshot_content *content,
                          const char **why) {
  *content = (struct snapshot_content){0};
  *why = NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  bool is_read = fd >= 0 && read_file(fd, index, content, why);
  int error = errno;
  if (fd >= 0) {
    close(fd);
  }
  if (!is_read) {
    snapshot_content_free(content);
  }
  errno = error;
  return is_read;
}

bool snapshot_file_read_newest(const char *directory, uint64_t below,
                               struct snapshot_content *content, char error[SNAPSHOT_ERROR_BYTES]) {
  struct data_files files;
  *content = (struct snapshot_content){0};
  error[0] = 0;
  if (!data_directory_list(directory, SNAPSHOT_PREFIX, "", &files)) {
    describe(error, directory, errno);
    return false;
  }
  uint64_t index = newest_below(&files, below);
  free(files.numbers);
  if (index == 0) {
    return false;
  }
  char path[PATH_MAX];
  const char *why;
  name_file(path, directory, index, "");
  bool is_read = open_and_read(path, index, content, &why);
  if (!is_read && why) {
    snprintf(error, SNAPSHOT_ERROR_BYTES, "%.400s %s", path, why);
    content->damaged = why != newer ? index : 0;
  } else if (!is_read) {
    describe(error, path, errno);
  }
  return is_read;
}

const char *snapshot_file_check(const char *directory, uint64_t index,
                                struct snapshot_header *header) {
  char path[PATH_MAX];
  struct snapshot_content content;
  const char *why;
  name_file(path, directory, index, "");
  bool is_right = open_and_read(path, index, &content, &why);
  if (!is_right && !why) {
    why = strerror(errno);
  }
  *header = content.header;
  snapshot_content_free(&content);
  return is_right ? NULL : why;
}

bool snapshot_file_is_newer(const char *why) {
  return why == newer;
}

void snapshot_content_free(struct snapshot_content *content) {
  if (content->map) {
    munmap(content->map, content->map_bytes);
  }
  *content = (struct snapshot_content){0};
}

static void remove_below(const char *directory, const char *suffix, uint64_t below) {
  struct data_files files;
  data_directory_list(directory, SNAPSHOT_PREFIX, suffix, &files);
  for (size_t i = 0; i < files.count && files.numbers[i] < below; i++) {
    char path[PATH_MAX];
    name_file(path, directory, files.numbers[i], suffix);
    unlink(path);
  }
  free(files.numbers);
}

void snapshot_file_remove_older(const char *directory, uint64_t index) {
  remove_below(directory, "", index);
  snapshot_file_remove_unfinished(directory);
}

void snapshot_file_remove_unfinished(const char *directory) {
  remove_below(directory, UNFINISHED, UINT64_MAX);
}
