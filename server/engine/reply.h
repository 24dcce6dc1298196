/* The outcome of a request: what the engine decided, not yet bytes.
 *
 * layer   engine
 * memory  Counted: one count for the session's window, one for whoever encodes it. Its values are
 * its own; once completed it never changes, so it may be encoded outside the engine's lock.
 */
#ifndef HF_ENGINE_REPLY_H
#define HF_ENGINE_REPLY_H

#include "proto/limits.h"
#include "proto/status.h"
#include "proto/value.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reply_shape {
  REPLY_NOTHING,
  REPLY_VALUE,
  REPLY_VALUES,
  REPLY_ENTRIES, /* values: key, value, key, value ... */
  REPLY_FLAG,
  REPLY_COUNT,
  REPLY_SESSION,
  REPLY_OBJECTS,
  REPLY_OBJECT, /* objects[0] */
  REPLY_GRANT,
  REPLY_PAGE, /* values as in entries */
  REPLY_FLUSHED,
  REPLY_SERVER,
  REPLY_PAYLOAD, /* value: bytes */
  REPLY_EXCHANGE,
  REPLY_ARRIVAL,
};

struct reply_object {
  uint64_t id;
  int kind;
  struct value name, holder; /* text, or VALUE_ABSENT */
  bool created, locked;
  char typecode;
  int64_t maxsize;
  uint64_t length, waiting, holds, token, unfinished, value, parties, arrived;
  bool broken;
};

struct reply_failure {
  uint64_t sequence;
  hf_reason reason;
  bool late;
};

struct reply_flushed {
  uint64_t received, finished, failed;
  size_t failures_count;
  struct reply_failure failures[HF_FAILURES_MAX];
};

struct reply_server {
  uint64_t uptime_ms, sessions, objects, waiting, requests, duplicates, connections, memory_bytes;
};

struct waiter;

struct reply {
  atomic_uint refs;
  hf_reason reason;
  bool late; /* the deadline passed: the status is DEADLINE_EXCEEDED whatever the reason */
  enum reply_shape shape; /* REPLY_NOTHING unless reason is none */
  uint32_t operation;     /* its arm, for logs; 0: it did not come to one */
  uint64_t sequence;
  struct waiter *pending; /* the operation still runs; owned by the engine */
  union {
    struct value value;
    bool flag;
    int64_t count;
    struct {
      struct value *values; /* malloc */
      size_t values_count;
      uint64_t cursor, length; /* of a page */
    };
    struct {
      uint8_t session[HF_SESSION_BYTES];
      uint32_t grace_ms;
    };
    struct {
      struct reply_object *objects; /* malloc */
      size_t objects_count;
      bool more;
    };
    struct {
      uint64_t token;
      bool owner_died;
    };
    struct {
      bool swapped;
      struct value found; /* VALUE_ABSENT: nothing */
    };
    struct {
      uint64_t index;
      bool acts;
    };
    struct reply_flushed *flushed; /* malloc */
    struct reply_server *server;   /* malloc */
  };
};

/* One count, the caller's. NULL: out of memory. */
struct reply *reply_new(uint64_t sequence);
void reply_acquire(struct reply *reply);
void reply_release(struct reply *reply);
/* Drops the result and becomes an error. */
void reply_fail(struct reply *reply, hf_reason reason, bool late);
hf_status reply_status(const struct reply *reply);
size_t reply_memory_bytes(const struct reply *reply);
/* Without what its values share with their containers. O(1). */
size_t reply_array_bytes(const struct reply *reply);
/* Calls visit for each reference in the result. */
void reply_each_reference(const struct reply *reply, void (*visit)(void *ctx, uint64_t object),
                          void *ctx);

#endif
