/* The outcome of a request: what the engine decided, not yet bytes.
 *
 * layer   engine
 * memory  Reference counted: the session's window has a reference, the encoder another. A reply owns
 *         its values; once completed it never changes, so it is encoded outside the engine's lock.
 */
#ifndef HF_ENGINE_REPLY_H
#define HF_ENGINE_REPLY_H

#include "proto/base/shared.h"
#include "proto/limits.h"
#include "proto/status.h"
#include "proto/value.h"
#include "server/engine/memory.h"
#include "server/engine/user_settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Snapshots have these numbers: new ones go to the end. */
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
  REPLY_RESERVATION,
  REPLY_FIRST,
  REPLY_RESULTS,
  REPLY_LOCKS,
  REPLY_BACKUP, /* of a server that keeps its state: its log makes it a PAYLOAD, or NOTHING */
};

struct reply_object {
  uint64_t id;
  int kind;
  struct value name, owner; /* text, or VALUE_ABSENT */
  bool created, locked;
  char typecode;
  int64_t maxsize;
  uint64_t length, waiting, references, token, unfinished, value, parties, arrived;
  uint64_t delayed, reserved, buried, lease_ms;
  uint64_t segment, offset, bytes;
  bool broken, shut_down;
};

/* A thread of a client. */
struct reply_party {
  struct value client; /* text, or VALUE_ABSENT */
  uint64_t session, thread, waited_ms;
};

struct reply_lock {
  uint64_t object, token, depth, lease_ms;
  int kind;
  struct value name; /* text, or VALUE_ABSENT */
  bool owned, deadlocked;
  struct reply_party owner;    /* session 0: none */
  struct reply_party *waiters; /* malloc */
  size_t waiters_count;
  uint64_t more_waiters; /* than those */
};

/* Where what a reply carries was taken from, so that it can go back there. */
struct reply_taken {
  uint64_t order, suborder; /* its position among items of the same priority */
  int64_t priority;
  uint64_t tries;
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

struct reply_user {
  char name[USER_NAME_BYTES_MAX];
  size_t name_len;
  bool is_gone;
  uint64_t memory_bytes, objects, sessions, connections, waiting;
};

/* Of a server that keeps its state. */
struct reply_journal {
  uint64_t index, committed; /* of the last batches that were begun and committed */
  uint64_t journal_bytes;    /* on the disk */
  uint64_t snapshot_index, snapshot_bytes;
  uint64_t snapshot_age_ms; /* UINT64_MAX: there is none */
  uint64_t fsync_p99_ns;
  uint64_t
      unsynced_ms; /* how old what may be lost is; 0: nothing may; UINT64_MAX: only the kernel knows */
  bool is_full, is_compacting;
  char fsync[32]; /* as in the settings */
};

struct reply_server {
  uint64_t uptime_ms, sessions, objects, waiting, requests, duplicates, connections, memory_bytes,
      deadlocks, shared_cells, segment_cells, memory_bytes_max, waiters_bytes_max;
  size_t memory_used[MEMORY_USES];
  bool has_journal;
  struct reply_journal journal;
  size_t users_count;
  struct reply_user users[];
};

struct waiter;

struct reply {
  struct shared_count refs;
  hf_reason reason;
  struct value sentence; /* text: says more than the reason's own; VALUE_ABSENT: nothing */
  uint32_t part; /* of a list of operations: which one the reason is about, from 1; 0: the whole */
  bool late;     /* the deadline passed: the status is DEADLINE_EXCEEDED whatever the reason */
  enum reply_shape shape; /* REPLY_NOTHING unless reason is none */
  uint32_t operation;     /* its arm, for logs; 0: it did not come to one */
  uint64_t sequence;
  struct waiter *pending; /* the operation still runs; owned by the engine */
  /* What revoke needs if the reply is never acknowledged. */
  bool revoked;
  bool gave_items;        /* which also go back when the session ends and has not acknowledged it */
  bool is_kept;           /* in the session's window, although it answers a read */
  bool has_no_references; /* as far as known; else they are searched for */
  uint8_t handed;         /* rights, of enum operation_access, to what its references refer to */
  /* Id of the object that gave something away, or serial of a session that was made; 0: nothing to
   * undo. */
  uint64_t source;
  /* The condition whose notification the reply carries; a revoke passes it to another waiter; 0: none. */
  uint64_t notified_by;
  struct reply_taken
      taken; /* the item, the lock's token (as order) and how many levels of it came from shared
                               memory (as suborder), the pipe's end (as order) */
  struct reply_taken *taken_many; /* malloc, REPLY_VALUES: of each value; else NULL */
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
      const char *local_handshake; /* the engine's; NULL: none, or not for this client */
    };
    struct {
      struct reply_object *objects; /* malloc */
      size_t objects_count;
      bool more;
      struct value after; /* where the next page begins: a name, an id; VALUE_ABSENT: nowhere */
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
      uint64_t round; /* of who acts; else 0 */
    };
    struct {
      struct value item;
      uint64_t reservation, tries;
      int64_t priority;
    };
    struct {
      struct reply **outcomes; /* malloc; one count of each. REPLY_FIRST: one */
      size_t outcomes_count;
      uint32_t first; /* REPLY_FIRST: of which operation, from 0 */
    };
    struct {
      struct reply_lock *locks; /* malloc */
      size_t locks_count;
      bool more_locks;
      uint64_t after_lock; /* where the next page begins */
    };
    struct {
      uint64_t backup, backup_offset;
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
/* No less than the value takes in a reply, with what is around it. O(1). */
size_t reply_bytes_of(struct value value);
/* Without what its values share with their containers. O(1). */
size_t reply_array_bytes(const struct reply *reply);
/* Calls visit for each reference in the result. */
void reply_each_reference(const struct reply *reply, void (*visit)(void *ctx, uint64_t object),
                          void *ctx);

#endif
