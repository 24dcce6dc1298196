/* Envelopes: encodes a request around its operation's message.
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

/* The field number of the operation's arm. */
#define OPERATION(name) HOLDFAST__REQUEST__OPERATION_##name

/* The bound of an envelope's fields, tags and lengths. */
#define ENVELOPE_BYTES_MAX 128

/* The fields of a request. */
struct envelope {
  const uint8_t *session; /* NULL: the session that the connection is bound to */
  int64_t timeout_ms;     /* negative: absent */
  uint64_t thread;
  uint64_t object;    /* 0: none */
  const char *name;   /* in place of object; NULL: none */
  uint32_t operation; /* the arm's field number */
  const ProtobufCMessage *arm;
  const uint8_t *packed; /* the packed arm, in place of `arm` */
  size_t arm_len;        /* of the packed arm */
};

/* The maximal length of the request's body. */
size_t envelope_body_max(const struct envelope *envelope, uint32_t also_count);
/* Writes the body; returns its length. */
size_t envelope_write(uint8_t *body, const struct envelope *envelope, uint64_t sequence,
                      uint64_t acked, const uint64_t *also, uint32_t also_count);
/* Reads the `also` numbers of a body, up to count_max; returns their count. */
uint32_t envelope_read_also(struct bytes body, uint64_t *also, uint32_t count_max);
/* Writes a Request as field `field` of a list: thread, target, operation. At most
 * envelope_body_max; returns the length. */
size_t envelope_write_nested(uint8_t *to, uint32_t field, const struct envelope *envelope);
/* Writes a message of `len` bytes as a field; at most ENVELOPE_BYTES_MAX more. Returns the length.
 */
size_t envelope_write_message(uint8_t *to, uint32_t field, const ProtobufCMessage *message,
                              size_t len);

#endif
