/* A stream of bytes becomes messages.
 *
 * layer   dispatch; called by net and local
 */
#ifndef HF_DISPATCH_SPLIT_H
#define HF_DISPATCH_SPLIT_H

#include "server/dispatch/dispatch.h"

/* Messages handed over at once: at first, before the size of their replies is known, and at most.
 */
#define SPLIT_COUNT_FIRST 16
#define SPLIT_COUNT_MAX 256

struct split {
  enum sp_transport transport;
  bool one_way;
  uint32_t count_max; /* messages at once; see split_adapt */
  /* What the last split found. */
  size_t missing_bytes; /* of the incomplete frame behind the messages; 0: no frame has begun */
  const char *why;      /* the rest can't be read: close; static. NULL: it can */
};

/* The next frames at the start of input, up to count_max. Their bytes are borrowed.
 * out  used  bytes they take */
size_t split_messages(struct split *split, struct bytes input,
                      struct dispatch_message messages[SPLIT_COUNT_MAX], size_t *used);
/* Large replies make the next chunk smaller, small ones larger: the replies to one chunk are all
 * written before the first can leave. */
void split_adapt(struct split *split, size_t count, size_t reply_bytes);

#endif
