#include "proto/machine.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INODE_BYTES_MAX 21 /* a colon and 20 digits */

static int read_boot_id(char boot_id[MACHINE_BOOT_ID_BYTES]) {
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return -1;
  }
  ssize_t size = read(fd, boot_id, MACHINE_BOOT_ID_BYTES);
  close(fd);
  return size == MACHINE_BOOT_ID_BYTES ? 0 : -1;
}

size_t machine_id(uint8_t *id, size_t capacity) {
  char text[MACHINE_BOOT_ID_BYTES + INODE_BYTES_MAX + 1];
  struct stat pid_namespace;
  if (read_boot_id(text) != 0 || stat("/proc/self/ns/pid", &pid_namespace) != 0) {
    return 0;
  }
  size_t len =
      MACHINE_BOOT_ID_BYTES + (size_t)snprintf(text + MACHINE_BOOT_ID_BYTES, INODE_BYTES_MAX + 1,
                                               ":%" PRIu64, (uint64_t)pid_namespace.st_ino);
  if (len > capacity) {
    return 0;
  }
  memcpy(id, text, len);
  return len;
}
