/* The connections that got replies while the messages of one were served: each of them is flushed
 * once, at the end.
 *
 * layer   connection, internal
 * threads one; lives on its stack, handed through dispatch_messages
 * memory  a reference to each connection in it
 */
#ifndef HF_CONNECTION_BATCH_H
#define HF_CONNECTION_BATCH_H

#include <stddef.h>
#include <stdint.h>

struct connection;

#define BATCH_COUNT_MAX 64

struct batch {
  struct connection *served; /* flushed by who serves it; borrowed */
  uint64_t served_id;
  size_t count;
  struct connection *connections[BATCH_COUNT_MAX];
};

void batch_begin(struct batch *batch, struct connection *served);
/* Flushes all of them, and lets them go. */
void batch_end(struct batch *batch);

#endif
