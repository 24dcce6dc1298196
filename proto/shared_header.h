/* What every segment of shared memory begins with: which layout follows, and its version.
 *
 * layer   proto; the server writes it before anybody else has the segment, clients check it when
 *         they have mapped the segment
 * shapes  64 bytes, native byte order:
 *
 *   offset  bytes  word     meaning
 *        0  8      magic    SHARED_MAGIC
 *        8  4      content  enum shared_content: what follows
 *       12  4      version  of the content's layout
 *       16  8      bytes    of the segment
 *       24  40     nothing
 *
 * A change of a layout counts its version up; a side that knows another version refuses the
 * segment, and calls go through the socket. A hostile client may overwrite the header: then others
 * refuse the segment, and the server neither lends it nor puts another cell into it.
 */
#ifndef HF_PROTO_SHARED_HEADER_H
#define HF_PROTO_SHARED_HEADER_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define SHARED_MAGIC UINT64_C(0x6572616853464800) /* "\0HFShare" */
#define SHARED_HEADER_BYTES 64

enum shared_content {
  SHARED_RINGS = 1, /* segment_layout.h */
  SHARED_CELLS = 2, /* cell_layout.h: cells */
  SHARED_LIFE = 3,  /* the same: the server's life */
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

/* `memory` is the segment's first byte, zeroed. */
void shared_header_write(void *memory, enum shared_content content, uint64_t bytes);
/* NULL: the segment of so many bytes has that content, in the version known here. Else why not, for
 * people; static. */
const char *shared_header_check(const void *memory, enum shared_content content, uint64_t bytes);

#endif
