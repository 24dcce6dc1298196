#include "proto/shared_header.h"

#include <string.h>

static uint32_t version_of(enum shared_content content) {
  switch (content) {
    case SHARED_RINGS:
      return SHARED_RINGS_VERSION;
    case SHARED_CELLS:
      return SHARED_CELLS_VERSION;
    default:
      return SHARED_LIFE_VERSION;
  }
}

void shared_header_write(void *memory, enum shared_content content, uint64_t bytes) {
  const struct shared_header header = {
      .magic = SHARED_MAGIC, .content = content, .version = version_of(content), .bytes = bytes};
  memcpy(memory, &header, sizeof header);
}

const char *shared_header_check(const void *memory, enum shared_content content, uint64_t bytes) {
  struct shared_header header; /* copied, since the peer may write during the check */
  memcpy(&header, memory, sizeof header);
  if (header.magic != SHARED_MAGIC) {
    return "the shared memory is not holdfast's: its magic number is wrong";
  }
  if (header.content != content || header.bytes != bytes) {
    return "the shared memory is another segment than was asked for";
  }
  return header.version == version_of(content) ? NULL
                                               : "the shared memory has another version of its "
                                                 "layout; holdfastd and libholdfast must "
                                                 "be of the same version";
}
