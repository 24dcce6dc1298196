/* A stream of bytes becomes messages.
 *
 * layer   dispatch; called by connection
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
  size_t missing_bytes;   /* of the incomplete frame behind the messages; 0: no frame has begun */
  const char *why;        /* the input is invalid: close; static. NULL: it is valid */
  uint64_t part_since_ns; /* when the wait for an incomplete frame began; 0: there is none */
};

/* The next frames at the start of input, up to count_max. Their bytes are borrowed. */
size_t split_messages(struct split *split, struct bytes input,
                      struct dispatch_message messages[SPLIT_COUNT_MAX]);
/* Of the messages just found the first `applied` were applied; the others are found again. Answers how
 * many bytes the applied ones take. */
size_t split_take(struct split *split, struct bytes input, const struct dispatch_message *messages,
                  size_t applied, size_t count);
/* Large replies make the next chunk smaller, small ones larger, because all replies to a chunk are
 * encoded before the first is sent. */
void split_adapt(struct split *split, size_t count, size_t reply_bytes);

/* The connection is about to wait, with input_len bytes of input left. Answers when the rest of an
 * incomplete frame must have come; CLOCK_NEVER: no frame has begun. */
uint64_t split_deadline_ns(struct split *split, size_t input_len, uint64_t now_ns);
/* The peer was not read from: the time for an incomplete frame begins anew. */
void split_restart_time(struct split *split);

#endif
