/* The connections that got replies while the messages of one connection were served, or when what they waited
 * for was durable: each is flushed once, at the end.
 *
 * layer   connection, internal
 * threads one; lives on its stack, handed through dispatch_messages
 * memory  a reference to each connection in the list
 */
#ifndef HF_CONNECTION_FLUSH_LIST_H
#define HF_CONNECTION_FLUSH_LIST_H

#include <stddef.h>
#include <stdint.h>

struct connection;

#define FLUSH_LIST_COUNT_MAX 64

struct flush_list {
  struct connection *
      served; /* not in the list: flushed by the thread that serves it; borrowed. NULL: none is served */
  uint64_t served_id;
  size_t count;
  struct connection *connections[FLUSH_LIST_COUNT_MAX];
};

void flush_list_begin(struct flush_list *list, struct connection *served);
/* Flushes and releases the connections. */
void flush_list_end(struct flush_list *list);

#endif
