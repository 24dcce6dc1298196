/* The header of every segment of shared memory: which layout follows, and its version.
 *
 * layer   proto; the server writes the header before it shares the segment, clients check it after
 *         mapping
 * shapes  64 bytes, native byte order:
 *
 *   offset  bytes  word     meaning
 *        0  8      magic    SHARED_MAGIC
 *        8  4      content  enum shared_content: what follows
 *       12  4      version  of the content's layout
 *       16  8      bytes    of the segment
 *       24  40     unused, 0
 *
 * Every change of a layout increments its version. A side that knows another version refuses the
 * segment, and calls use the socket. If a hostile client overwrites the header, other clients
 * refuse the segment, and the server neither shares it further nor places another cell in it.
 */
#ifndef HF_PROTO_SHARED_HEADER_H
#define HF_PROTO_SHARED_HEADER_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define SHARED_MAGIC UINT64_C(0x6572616853464800) /* "\0HFShare" */
#define SHARED_HEADER_BYTES 64

enum shared_content {
  SHARED_RINGS = 1,       /* ring_layout.h */
  SHARED_CELLS = 2,       /* cell_layout.h: struct cell_header and elements */
  SHARED_SERVER_LIFE = 3, /* cell_layout.h: struct cell_life */
};

#define SHARED_RINGS_VERSION 1
#define SHARED_CELLS_VERSION 1
#define SHARED_LIFE_VERSION 1

struct shared_header {
  uint64_t magic;
  uint32_t content;
  uint32_t version;
  uint64_t bytes;
  uint8_t nothing[40];
};

static_assert(offsetof(struct shared_header, content) == 8, "layout");
static_assert(offsetof(struct shared_header, version) == 12, "layout");
static_assert(offsetof(struct shared_header, bytes) == 16, "layout");
static_assert(sizeof(struct shared_header) == SHARED_HEADER_BYTES, "layout");

/* `memory` is the first byte of the segment, zeroed. */
void shared_header_write(void *memory, enum shared_content content, uint64_t bytes);
/* NULL: the segment of `bytes` has that content, in the version known here. Else the reason, a
 * sentence; static. */
const char *shared_header_check(const void *memory, enum shared_content content, uint64_t bytes);

#endif
