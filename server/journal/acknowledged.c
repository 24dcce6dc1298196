#include "server/journal/acknowledged.h"

#include "server/journal/checksum.h"
#include "server/journal/data_directory.h"
#include "server/journal/openings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

struct slot {
  uint64_t index;
  uint8_t checksum[CHECKSUM_BYTES];
};

static int open_file(const char *directory, int flags) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/" ACKNOWLEDGED_FILE, directory);
  return openings_open(path, flags | O_CLOEXEC, 0600);
}

static struct slot make(uint64_t index) {
  struct slot slot = {.index = index};
  checksum_write(slot.checksum, bytes_of(&slot.index, sizeof slot.index), 0);
  return slot;
}

bool acknowledged_read(const char *directory, uint64_t *index) {
  static const struct slot nothing = {0};
  struct slot slots[2] = {nothing, nothing};
  *index = 0;
  int file = open_file(directory, O_RDONLY);
  if (file < 0) {
    return errno == ENOENT;
  }
  ssize_t len = pread(file, slots, sizeof slots, 0);
  int error = errno;
  close(file);
  errno = len < 0 ? error : 0;
  bool has_number = false, is_damaged = len < 0;
  for (int i = 0; i < 2; i++) {
    struct slot right = make(slots[i].index);
    if (memcmp(&slots[i], &right, sizeof right) == 0) {
      *index = right.index > *index ? right.index : *index;
      has_number = true;
    } else if (memcmp(&slots[i], &nothing, sizeof nothing) != 0) {
      is_damaged = true;
    } /* else made, and not written yet when the power went */
  }
  return has_number || !is_damaged;
}

int acknowledged_open(const char *directory) {
  return open_file(directory, O_RDWR | O_CREAT);
}

static bool write_slot(int file, size_t at, uint64_t index) {
  struct slot slot = make(index);
  ssize_t len = pwrite(file, &slot, sizeof slot, (off_t)(at * sizeof slot));
  return len >= 0 || data_directory_is_full(errno);
}

bool acknowledged_write(int file, uint64_t index) {
  return write_slot(file, index % 2, index);
}

bool acknowledged_reset(int file, uint64_t index) {
  return write_slot(file, 0, index) && write_slot(file, 1, index) && fsync(file) == 0;
}
