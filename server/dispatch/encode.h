/* A reply becomes the bytes of a Response.
 *
 * layer   dispatch; outside the engine's lock
 * memory  Nothing is allocated: the length is counted first, or bounded where the reply is small, then
 *         the bytes are written.
 * source  protobuf's wire format, field by field as in holdfast.proto. Building protobuf-c's
 *         structs and packing them takes 135 ns for a small value where this takes 18 and, for a
 *         long list, many times the memory.
 */
#ifndef HF_DISPATCH_ENCODE_H
#define HF_DISPATCH_ENCODE_H

#include "server/engine/reply.h"

/* Bytes of the Response. Beyond HF_REPLY_BYTES_MAX the reply can't be sent: make it an error first.
 */
size_t encode_reply_len(const struct reply *reply, const char *version);
/* No less than encode_reply_len(), without counting. 0: large, or an error; count it. */
size_t encode_reply_small_bytes(const struct reply *reply);
/* Writes them, answers how many; body has room for encode_reply_len(). */
size_t encode_reply(const struct reply *reply, const char *version, uint8_t *body);

/* The bytes that end the reply, as they are in the memory of its value; borrowed. Empty: none. */
struct bytes encode_reply_tail(const struct reply *reply);

/* A reply of which one part after the other is written. All zero: nothing is yet. */
struct encoding {
  size_t done;      /* bytes written */
  size_t array_len; /* of its array, if it has one and that was counted; else 0 */
  size_t item,
      item_at; /* where in the array the last part ended, and at which byte that item begins */
};
/* Writes the next len bytes: no more than are left of encode_reply_len(). The parts of a reply cost
 * together about as much as the whole: only a result within an outcome is counted for each anew. */
void encode_part(const struct reply *reply, const char *version, struct encoding *encoding,
                 uint8_t *body, size_t len);

#endif
