#include "server/journal/data_directory.h"

#include "server/journal/openings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define LEFT_MS_MAX 5000 /* of a lock whose owner is gone */
#define LEFT_PAUSE_MS 20
#define BOTH_MS_MAX 200 /* between the ends of a process's two locks */

/* ---- the lock */

/* Its parent has to be there: a name that was mistyped is not filled with directories. */
static bool make(const char *path) {
  if (mkdir(path, 0700) == 0) {
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%s/..", path);
    return data_directory_sync(parent);
  }
  return errno == EEXIST;
}

/* 0: unknown. */
static long read_owner(int lock) {
  char text[32] = "";
  ssize_t len = pread(lock, text, sizeof text - 1, 0);
  return len > 0 ? strtol(text, NULL, 10) : 0;
}

static void describe_owner(int lock, const char *path, char error[DATA_ERROR_BYTES]) {
  long process = read_owner(lock);
  if (process > 0) {
    snprintf(error, DATA_ERROR_BYTES, "%.400s is in use by another server, process %ld", path,
             process);
  } else {
    snprintf(error, DATA_ERROR_BYTES, "%.400s is in use by another server", path);
  }
}

/* Over what is there, which takes no room. On a full disk the owner has no name. */
static bool write_owner(int lock) {
  char text[32];
  int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
  bool is_written = pwrite(lock, text, (size_t)len, 0) == len;
  return (is_written || data_directory_is_full(errno)) &&
         ftruncate(lock, is_written ? len : 0) == 0;
}

static bool has_owner(int lock) {
  long owner = read_owner(lock);
  return owner <= 0 || kill((pid_t)owner, 0) == 0 || errno != ESRCH;
}

/* A server that was killed just when it made a process leaves the lock to that process, until it has begun its
 * program. false: errno, EWOULDBLOCK of another server. */
static bool take(int lock) {
  for (int left_ms = LEFT_MS_MAX; flock(lock, LOCK_EX | LOCK_NB) != 0; left_ms -= LEFT_PAUSE_MS) {
    if (errno != EWOULDBLOCK) {
      return false;
    }
    if (left_ms <= 0 || has_owner(lock)) {
      errno = EWOULDBLOCK;
      return false;
    }
    nanosleep(&(struct timespec){.tv_nsec = LEFT_PAUSE_MS * 1000000L}, NULL);
  }
  return true;
}

static bool lock_file(int lock, const char *path, char error[DATA_ERROR_BYTES]) {
  if (take(lock) && write_owner(lock)) {
    return true;
  }
  if (errno == EWOULDBLOCK) {
    describe_owner(lock, path, error);
  } else {
    snprintf(error, DATA_ERROR_BYTES, "%.400s/lock: %s", path, strerror(errno));
  }
  return false;
}

static bool may_write(const char *path) {
  return faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) == 0;
}

/* number: why its file `lock` can't be opened, or made. */
static void describe_unusable(const char *path, int number, char error[DATA_ERROR_BYTES]) {
  const char *why = strerror(number);
  unsigned uid = geteuid();
  if (number == EACCES && may_write(path)) { /* as after a restore or a start by another user */
    snprintf(error, DATA_ERROR_BYTES,
             "%.300s/lock: %s; all files there have to be of uid %u: chown -R %u %.100s/", path,
             why, uid, uid, path);
  } else if (number == EACCES || number == EROFS) {
    snprintf(error, DATA_ERROR_BYTES,
             "data directory %.400s: %s; uid %u has to be able to write there", path, why, uid);
  } else if (number == ENOENT) {
    snprintf(error, DATA_ERROR_BYTES,
             "data directory %.400s: %s; it is made, but the directory that it is to be in has to "
             "be there",
             path, why);
  } else {
    snprintf(error, DATA_ERROR_BYTES, "data directory %.400s: %s", path, why);
  }
}

/* Whether no restore into it was left half done. */
static bool is_whole(const char *path, char error[DATA_ERROR_BYTES]) {
  bool is = !data_directory_is_unfinished(path);
  if (!is) {
    snprintf(error, DATA_ERROR_BYTES,
             "%.400s: a restore into it was not finished; empty it, and restore once more", path);
  }
  return is;
}

/* A directory can't be locked for one alone, which takes a descriptor that writes: it is locked as by readers, and then
 * asked whether a writer would be kept out by others. The lock of the whole file is another one than flock's, which
 * readers beside the server have. */
static bool is_kept_by_others(int directory) {
  struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  return fcntl(directory, F_OFD_GETLK, &all) == 0 && all.l_type != F_UNLCK;
}

/* With the lock of its file. A file system that has no such locks has the file's. */
static bool lock_itself(int directory, const char *path, char error[DATA_ERROR_BYTES]) {
  struct flock all = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
  if (fcntl(directory, F_OFD_SETLK, &all) != 0) {
    return true;
  }
  for (int left_ms = BOTH_MS_MAX; is_kept_by_others(directory); left_ms -= LEFT_PAUSE_MS) {
    if (left_ms <= 0) {
      snprintf(error, DATA_ERROR_BYTES,
               "%.400s is in use by another server, though its file lock was removed", path);
      return false;
    }
    nanosleep(&(struct timespec){.tv_nsec = LEFT_PAUSE_MS * 1000000L}, NULL);
  }
  return true;
}

/* false: errno. */
static bool open_both(const char *path, struct data_lock *lock) {
  char file[PATH_MAX];
  int len = snprintf(file, sizeof file, "%s/lock", path);
  if (len < 0 || (size_t)len >= sizeof file) {
    errno = ENAMETOOLONG;
    return false;
  }
  if (make(path)) {
    lock->file = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  }
  if (lock->file >= 0) {
    lock->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  return lock->directory >= 0;
}

bool data_directory_lock(const char *path, struct data_lock *lock, char error[DATA_ERROR_BYTES]) {
  *lock = (struct data_lock){-1, -1};
  bool is_locked = open_both(path, lock);
  if (!is_locked) {
    describe_unusable(path, errno, error);
  }
  is_locked = is_locked && lock_file(lock->file, path, error) &&
              lock_itself(lock->directory, path, error) && is_whole(path, error);
  if (!is_locked) {
    data_directory_unlock(lock);
  }
  return is_locked;
}

void data_directory_unlock(const struct data_lock *lock) {
  if (lock->file >= 0) {
    close(lock->file);
  }
  if (lock->directory >= 0) {
    close(lock->directory);
  }
}

/* errno of what data_directory_lock would do in it. 0: nothing is wrong. */
static int try_to_use(const char *path) {
  char other[PATH_MAX];
  struct stat status;
  int len = snprintf(other, sizeof other, "%s/lock", path);
  if (len < 0 || (size_t)len >= sizeof other) {
    return ENAMETOOLONG;
  }
  bool is_right = stat(path, &status) == 0;
  if (is_right && !S_ISDIR(status.st_mode)) {
    return ENOTDIR;
  }
  if (is_right) {
    is_right = may_write(path) &&
               (faccessat(AT_FDCWD, other, R_OK | W_OK, AT_EACCESS) == 0 || errno == ENOENT);
  } else if (errno == ENOENT) {
    snprintf(other, sizeof other, "%s", path);
    is_right = may_write(dirname(other));
  }
  return is_right ? 0 : errno;
}

bool data_directory_check(const char *path, char error[DATA_ERROR_BYTES]) {
  int number = try_to_use(path);
  if (number != 0) {
    describe_unusable(path, number, error);
  }
  return number == 0 && is_whole(path, error);
}

/* ---- readers beside the server */

static int lock_directory(const char *path, int operation) {
  int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0 && flock(directory, operation) != 0 && errno == EWOULDBLOCK) {
    close(directory);
    directory = -1;
  }
  return directory;
}

int data_directory_keep(const char *path) {
  return lock_directory(path, LOCK_SH);
}

int data_directory_begin_removal(const char *path) {
  return lock_directory(path, LOCK_EX | LOCK_NB);
}

/* ---- restoring */

#define UNFINISHED_FILE "unfinished-restore"

static void name_unfinished(char file[PATH_MAX], const char *path) {
  snprintf(file, PATH_MAX, "%s/" UNFINISHED_FILE, path);
}

bool data_directory_is_unfinished(const char *path) {
  char file[PATH_MAX];
  name_unfinished(file, path);
  return access(file, F_OK) == 0;
}

bool data_directory_begin_filling(const char *path) {
  char file[PATH_MAX];
  name_unfinished(file, path);
  int made = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  return made >= 0 && close(made) == 0 && data_directory_sync(path);
}

/* A file of root that is nowhere else: one that the owner of the directory has linked there is not given away. */
static bool give_file(int directory, const char *name, const struct stat *owner) {
  struct stat status;
  int file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  bool is_given = file >= 0 && fstat(file, &status) == 0;
  if (is_given && S_ISREG(status.st_mode) && status.st_uid == 0 && status.st_nlink == 1) {
    is_given = fchown(file, owner->st_uid, owner->st_gid) == 0 && fsync(file) == 0;
  }
  int error = errno;
  if (file >= 0) {
    close(file);
  }
  errno = error;
  return is_given;
}

/* What root has made is its owner's: a server of that user has to open it. false: errno. */
static bool give_to_owner(const char *path) {
  struct stat owner;
  DIR *directory = opendir(path);
  const struct dirent *entry;
  bool is_given = directory != NULL && fstat(dirfd(directory), &owner) == 0;
  if (is_given && geteuid() == 0 && owner.st_uid != 0) {
    while (is_given && (entry = readdir(directory)) != NULL) {
      is_given = entry->d_type == DT_DIR || give_file(dirfd(directory), entry->d_name, &owner);
    }
  }
  int error = errno;
  if (directory != NULL) {
    closedir(directory);
  }
  errno = error;
  return is_given;
}

bool data_directory_end_filling(const char *path) {
  char file[PATH_MAX];
  name_unfinished(file, path);
  return give_to_owner(path) && data_directory_sync(path) && unlink(file) == 0 &&
         data_directory_sync(path);
}

/* Of every directory, of one that is locked, of a new file system. */
static bool is_nothing(const char *name) {
  static const char *const names[] = {".", "..", "lock", "lost+found"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(name, names[i]) == 0) {
      return true;
    }
  }
  return false;
}

bool data_directory_is_empty(const char *path) {
  DIR *directory = opendir(path);
  bool is_empty = directory != NULL;
  const struct dirent *entry;
  while (is_empty && (entry = readdir(directory)) != NULL) {
    is_empty = is_nothing(entry->d_name);
  }
  if (directory != NULL) {
    closedir(directory);
  }
  return is_empty;
}

void data_directory_empty(const char *path, bool stays) {
  DIR *directory = opendir(path);
  const struct dirent *entry;
  while (directory != NULL && (entry = readdir(directory)) != NULL) {
    if (strcmp(entry->d_name, UNFINISHED_FILE) != 0) {
      (void)unlinkat(dirfd(directory), entry->d_name, 0); /* directories stay */
    }
  }
  if (directory != NULL) {
    (void)unlinkat(dirfd(directory), UNFINISHED_FILE,
                   0); /* last: until then no server starts on it */
    closedir(directory);
  }
  if (!stays) {
    (void)rmdir(path);
  }
}

uint64_t data_directory_free_bytes(const char *path) {
  struct statvfs disk;
  return statvfs(path, &disk) == 0 ? (uint64_t)disk.f_bavail * disk.f_frsize : UINT64_MAX;
}

bool data_directory_sync(const char *path) {
  int directory = openings_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (directory < 0) {
    return false;
  }
  bool is_synced = fsync(directory) == 0;
  int error = errno;
  close(directory);
  errno = error;
  return is_synced;
}

/* ---- its files */

/* The number of PREFIXnumberSUFFIX as this program writes it. */
static bool read_number(const char *name, const char *prefix, const char *suffix,
                        uint64_t *number) {
  size_t prefix_len = strlen(prefix);
  const char *digits = name + prefix_len;
  if (strncmp(name, prefix, prefix_len) != 0 || *digits < '1' || *digits > '9') {
    return false;
  }
  char *end;
  errno = 0;
  *number = strtoull(digits, &end, 10);
  return errno == 0 && strcmp(end, suffix) == 0;
}

static bool add(struct data_files *files, size_t *capacity, uint64_t number) {
  if (files->count == *capacity) {
    size_t wanted = *capacity ? *capacity * 2 : 16;
    uint64_t *numbers = realloc(files->numbers, wanted * sizeof *numbers);
    if (!numbers) {
      return false;
    }
    files->numbers = numbers;
    *capacity = wanted;
  }
  files->numbers[files->count++] = number;
  return true;
}

static int compare(const void *a, const void *b) {
  uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
  return (one > other) - (one < other);
}

bool data_directory_list(const char *path, const char *prefix, const char *suffix,
                         struct data_files *files) {
  *files = (struct data_files){0};
  DIR *directory;
  do {
    directory = opendir(path);
  } while (!directory && openings_await());
  if (!directory) {
    return false;
  }
  size_t capacity = 0;
  bool is_read = true;
  struct dirent *entry;
  errno = 0;
  while (is_read && (entry = readdir(directory)) != NULL) {
    uint64_t number;
    is_read = !read_number(entry->d_name, prefix, suffix, &number) || add(files, &capacity, number);
    errno = is_read ? 0 : ENOMEM; /* readdir sets it at an error alone */
  }
  int error = errno;
  closedir(directory);
  errno = error;
  if (error) {
    free(files->numbers);
    *files = (struct data_files){0};
    return false;
  }
  if (files->count > 0) {
    qsort(files->numbers, files->count, sizeof *files->numbers, compare);
  }
  return true;
}
