/* A large request, decoded once: dispatch decodes it outside the engine's lock, and the engine takes
 * the decoded request when it waits. No wake decodes it again, no value is copied under the lock.
 *
 *   body --decoded_read--> message, in the arena; bytes fields copied there
 *                          its Values, also in its parts: each a struct value, made once, with its
 *                          hash if the engine will need that
 *
 * layer   engine
 * memory  A decoded request owns its arena and one count of each value. The message is borrowed from
 *         it and needs the body only if it is not whole.
 * threads decoded_read and decoded_free: any; nothing changes in between.
 */
#ifndef HF_ENGINE_DECODED_H
#define HF_ENGINE_DECODED_H

#include "proto/base/arena.h"
#include "proto/base/bytes.h"
#include "proto/holdfast.pb-c.h"
#include "proto/value.h"

/* Smaller requests keep their bytes while they wait: to decode those again takes some microseconds. */
#define DECODED_BODY_BYTES_MIN 4096

struct decoded_value;

struct decoded {
  struct decoded *next; /* in a list to be freed */
  struct arena arena;
  Holdfast__Request *message;
  struct decoded_value *values; /* newest first, in the arena */
  size_t memory_bytes;
  bool is_whole; /* every value could be made */
};

/* *decoded is NULL unless HF_REASON_NONE | BAD_REQUEST TOO_DEEP TOO_MANY_FIELDS REQUEST_TOO_BIG |
 * NO_MEMORY */
hf_reason decoded_read(struct bytes body, const struct value_hash_key *hash_key,
                       struct decoded **decoded);
/* All of the list; NULL is harmless. Takes its time. */
void decoded_free(struct decoded *list);

/* As value_from_message; O(1) for a Value of a decoded request. */
hf_reason decoded_value(const Holdfast__Value *message, struct value *out);

#endif
