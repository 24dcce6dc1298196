#include "tests/support/memory_hook.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/types.h>

#define DESCRIPTORS_MAX 4096

int __real_memfd_create(const char *name, unsigned flags);
int __real_ftruncate(int fd, off_t bytes);
void *__real_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t bytes);
int __real_fcntl(int fd, int command, ...);
int __real_close(int fd);
int __wrap_memfd_create(const char *name, unsigned flags);
int __wrap_ftruncate(int fd, off_t bytes);
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *address, size_t bytes);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_close(int fd);

static _Thread_local size_t failing, own_unmappings;
static _Thread_local int has_failed;
static atomic_size_t mapped_bytes, descriptors;
static atomic_bool is_ours[DESCRIPTORS_MAX];

void memory_hook_fail(size_t n) {
  failing = n;
  has_failed = 0;
}

int memory_hook_has_failed(void) {
  return has_failed;
}

size_t memory_hook_mapped_bytes(void) {
  return mapped_bytes;
}

size_t memory_hook_descriptors(void) {
  return descriptors;
}

size_t memory_hook_own_unmappings(void) {
  return own_unmappings;
}

static bool fails(int error) {
  if (failing == 0 || --failing > 0) {
    return false;
  }
  has_failed = 1;
  errno = error;
  return true;
}

static int count_descriptor(int fd) {
  if (fd >= 0 && fd < DESCRIPTORS_MAX) {
    is_ours[fd] = true;
    descriptors++;
  }
  return fd;
}

int __wrap_memfd_create(const char *name, unsigned flags) {
  return fails(EMFILE) ? -1 : count_descriptor(__real_memfd_create(name, flags));
}

int __wrap_ftruncate(int fd, off_t bytes) {
  return fails(ENOSPC) ? -1 : __real_ftruncate(fd, bytes);
}

void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset) {
  if (fails(ENOMEM)) {
    return MAP_FAILED;
  }
  void *mapped = __real_mmap(address, bytes, protection, flags, fd, offset);
  mapped_bytes += mapped != MAP_FAILED ? bytes : 0;
  return mapped;
}

int __wrap_munmap(void *address, size_t bytes) {
  own_unmappings++;
  int result = __real_munmap(address, bytes);
  mapped_bytes -= result == 0 ? bytes : 0;
  return result;
}

int __wrap_fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  int argument = va_arg(arguments, int);
  va_end(arguments);
  if (fails(EMFILE)) {
    return -1;
  }
  int result = __real_fcntl(fd, command, argument);
  return command == F_DUPFD_CLOEXEC ? count_descriptor(result) : result;
}

int __wrap_close(int fd) {
  if (fd >= 0 && fd < DESCRIPTORS_MAX && atomic_exchange(&is_ours[fd], false)) {
    descriptors--;
  }
  return __real_close(fd);
}
