/* Envelopes: a request as bytes, without building the message around it.
 *
 * layer   client, connection
 * threads any
 */
#ifndef HF_CLIENT_ENVELOPE_H
#define HF_CLIENT_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/holdfast.pb-c.h"
#include "proto/limits.h"

/* The number of the operation's arm. */
#define OPERATION(name) HOLDFAST__REQUEST__OPERATION_##name

/* What an envelope adds at most: fields of fixed size, tags and lengths. */
#define ENVELOPE_BYTES_MAX 128

/* What the envelope of a request says. */
struct envelope {
  const uint8_t *session; /* NULL: the connection is bound to it */
  int64_t timeout_ms;     /* negative: left out */
  uint64_t thread;
  uint64_t object;    /* 0: none */
  const char *name;   /* NULL: none; instead of object */
  uint32_t operation; /* the arm's number */
  const ProtobufCMessage *arm;
  const uint8_t *packed; /* instead of arm */
  size_t arm_len;        /* packed */
};

/* Bytes the body of a request takes at most. */
size_t envelope_body_max(const struct envelope *envelope, uint32_t also_count);
/* Writes the body; answers its length. */
size_t envelope_write(uint8_t *body, const struct envelope *envelope, uint64_t sequence,
                      uint64_t acked, const uint64_t *also, uint32_t also_count);
/* The numbers of `also` in a body, as far as there is room; answers how many. */
uint32_t envelope_read_also(struct bytes body, uint64_t *also, uint32_t count_max);
/* Writes the field of a message that is a Request in a list of them: caller, target, operation.
 * Takes at most envelope_body_max; answers the length. */
size_t envelope_write_nested(uint8_t *to, uint32_t field, const struct envelope *envelope);
/* Writes a field that is a message of `len` bytes, and ENVELOPE_BYTES_MAX more at most. */
size_t envelope_write_message(uint8_t *to, uint32_t field, const ProtobufCMessage *message,
                              size_t len);

#endif
