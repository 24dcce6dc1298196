/* Opens segments of cells for clients, which map them: handed to the rings.
 *
 * layer   transport
 * threads called by the rings' thread
 */
#ifndef HF_TRANSPORT_SEGMENT_OPENER_H
#define HF_TRANSPORT_SEGMENT_OPENER_H

#include <stddef.h>
#include <stdint.h>

struct segment_opener {
  void *ctx;
  /* A descriptor, which the caller closes, and the segment's size; -1: no segment has that id. NULL:
   * there is no shared memory. */
  int (*open)(void *ctx, uint64_t segment, size_t *bytes);
};

#endif
