/* Files of keys. */
#include "proto/tls/key.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS_FIRST 4
#define FILE_BYTES_MAX (16 << 20)

/* ---------------------------------------------------------------- keys */

void keys_deinit(struct keys *keys) {
  if (keys->items != NULL) {
    sodium_memzero(keys->items, keys->capacity * sizeof *keys->items);
    free(keys->items);
  }
  *keys = (struct keys){0};
}

/* Without realloc, which leaves a copy behind. */
static bool grow(struct keys *keys) {
  size_t capacity = keys->capacity == 0 ? KEYS_FIRST : 2 * keys->capacity;
  struct keys grown = {
      .items = calloc(capacity, sizeof *grown.items), .count = keys->count, .capacity = capacity};
  if (grown.items == NULL) {
    return false;
  }
  if (keys->count > 0) {
    memcpy(grown.items, keys->items, keys->count * sizeof *keys->items);
  }
  keys_deinit(keys);
  *keys = grown;
  return true;
}

const struct key *keys_find(const struct keys *keys, struct bytes identity) {
  for (size_t i = 0; i < keys->count; i++) {
    if (bytes_equal(identity, bytes_of_text(keys->items[i].identity))) {
      return &keys->items[i];
    }
  }
  return NULL;
}

/* ---------------------------------------------------------------- text */

static bool is_blank(uint8_t c) {
  return c == ' ' || c == '\t' || c == '\r';
}

static struct bytes trim(struct bytes line) {
  while (line.len > 0 && is_blank(line.data[line.len - 1])) {
    line.len--;
  }
  while (line.len > 0 && is_blank(line.data[0])) {
    line.data++;
    line.len--;
  }
  return line;
}

static bool add_line(struct keys *keys, struct bytes line, const char *path, unsigned number,
                     char error[KEY_ERROR_BYTES]) {
  if (keys->count == keys->capacity && !grow(keys)) {
    snprintf(error, KEY_ERROR_BYTES, "%s: out of memory", path);
    return false;
  }
  const char *why = key_read(line, &keys->items[keys->count]);
  if (why != NULL) {
    snprintf(error, KEY_ERROR_BYTES, "%s:%u: not a key of \"holdfast key new\" (%s)", path, number,
             why);
    return false;
  }
  keys->count++;
  return true;
}

static bool add_lines(struct keys *keys, struct bytes text, const char *path,
                      char error[KEY_ERROR_BYTES]) {
  for (unsigned number = 1; text.len > 0; number++) {
    const uint8_t *end = memchr(text.data, '\n', text.len);
    size_t len = end != NULL ? (size_t)(end - text.data) : text.len;
    struct bytes line = trim(bytes_of(text.data, len));
    if (line.len > 0 && line.data[0] != '#' && !add_line(keys, line, path, number, error)) {
      return false;
    }
    len += end != NULL ? 1 : 0;
    text = bytes_of(text.data + len, text.len - len);
  }
  if (keys->count == 0) {
    snprintf(error, KEY_ERROR_BYTES, "%s: there is no key in it; make one: holdfast key new USER",
             path);
  }
  return keys->count > 0;
}

bool keys_parse(struct keys *keys, struct bytes text, const char *path,
                char error[KEY_ERROR_BYTES]) {
  *keys = (struct keys){0};
  if (add_lines(keys, text, path, error)) {
    return true;
  }
  keys_deinit(keys);
  return false;
}

/* ---------------------------------------------------------------- files */

static bool is_below(const char *path, const char *folder) {
  size_t len = folder != NULL ? strlen(folder) : 0;
  return len > 0 && folder[0] == '/' && strncmp(path, folder, len) == 0 &&
         (path[len] == '/' || folder[len - 1] == '/') && strstr(path, "/../") == NULL;
}

/* Only the container or service sees these, though the modes of files there say otherwise. */
static bool is_secret_place(const char *path) {
  return is_below(path, "/run/secrets") || is_below(path, "/var/run/secrets") ||
         is_below(path, getenv("CREDENTIALS_DIRECTORY"));
}

static bool check_mode(const char *path, const struct stat *file, char error[KEY_ERROR_BYTES]) {
  unsigned mode = file->st_mode & 07777u, others = mode & 066u;
  if (others == 0 || is_secret_place(path)) {
    return true;
  }
  snprintf(error, KEY_ERROR_BYTES, "%s: mode %04o lets others %s it; chmod 600", path, mode,
           (others & 044u) != 0 ? "read" : "change");
  return false;
}

bool key_file_is_private(const char *path, char error[KEY_ERROR_BYTES]) {
  struct stat file;
  return stat(path, &file) != 0 || !S_ISREG(file.st_mode) || check_mode(path, &file, error);
}

static bool check(const char *path, const struct stat *file, char error[KEY_ERROR_BYTES]) {
  if (!S_ISREG(file->st_mode)) {
    snprintf(error, KEY_ERROR_BYTES, "%s: is not a regular file", path);
  } else if (file->st_size > FILE_BYTES_MAX) {
    snprintf(error, KEY_ERROR_BYTES, "%s: is larger than %d bytes", path, FILE_BYTES_MAX);
  } else {
    return check_mode(path, file, error);
  }
  return false;
}

/* As much as there is, up to capacity. -1: errno */
static ssize_t read_all(int fd, uint8_t *data, size_t capacity) {
  size_t len = 0;
  while (len < capacity) {
    ssize_t got = read(fd, data + len, capacity - len);
    if (got < 0 && errno != EINTR) {
      return -1;
    }
    if (got == 0) {
      break;
    }
    len += got > 0 ? (size_t)got : 0;
  }
  return (ssize_t)len;
}

/* The owner is who has to be able to read the file: with another mode than 0600 it is refused. */
static void describe_unreadable(const char *path, int number, char error[KEY_ERROR_BYTES]) {
  char next[96] = "";
  if (number == ENOENT) {
    snprintf(next, sizeof next, "; a line of \"holdfast key new USER\" belongs there");
  } else if (number == EACCES) {
    snprintf(next, sizeof next, "; this program's user, uid %u, has to own it",
             (unsigned)geteuid());
  }
  snprintf(error, KEY_ERROR_BYTES, "key file %s: %s%s", path, strerror(number), next);
}

static bool read_open(struct keys *keys, int fd, const char *path, char error[KEY_ERROR_BYTES]) {
  struct stat file;
  if (fstat(fd, &file) != 0) {
    describe_unreadable(path, errno, error);
    return false;
  }
  if (!check(path, &file, error)) {
    return false;
  }
  size_t capacity = (size_t)file.st_size;
  uint8_t *text = malloc(capacity + 1);
  ssize_t len = text != NULL ? read_all(fd, text, capacity) : -1;
  bool is_read = len >= 0 && keys_parse(keys, bytes_of(text, (size_t)len), path, error);
  if (len < 0) {
    describe_unreadable(path, text != NULL ? errno : ENOMEM, error);
  }
  if (text != NULL) {
    sodium_memzero(text, capacity + 1);
    free(text);
  }
  return is_read;
}

bool keys_read(struct keys *keys, const char *path, char error[KEY_ERROR_BYTES]) {
  *keys = (struct keys){0};
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer would wait */
  if (fd < 0) {
    describe_unreadable(path, errno, error);
    return false;
  }
  bool is_read = read_open(keys, fd, path, error);
  close(fd);
  return is_read;
}
