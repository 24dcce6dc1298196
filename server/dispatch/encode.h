/* A reply becomes the bytes of a Response.
 *
 * layer   dispatch; outside the engine's lock
 * memory  Nothing is allocated: the length is counted first, then the bytes are written.
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
/* Writes them; body has room for encode_reply_len(). */
void encode_reply(const struct reply *reply, const char *version, uint8_t *body);

#endif
