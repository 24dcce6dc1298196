/* Where the bytes of a snapshot go.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_SNAPSHOT_WRITER_H
#define HF_ENGINE_SNAPSHOT_WRITER_H

#include "proto/base/bytes.h"

#include <stdbool.h>

/* In pieces. false: they could not be written. */
struct snapshot_writer {
  void *ctx;
  bool (*write)(void *ctx, struct bytes bytes);
};

#endif
