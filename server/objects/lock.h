/* The lock: its owner, its depth and its fencing token.
 *
 *          acquire by anyone                acquire again by the owner (recursive)
 *   free ---------------------> owned by O ---.
 *    ^                           |   ^________|  depth + 1
 *    |  release, depth 0;        |
 *    |  owner died: flagged      |
 *    '---------------------------'
 *
 * layer   objects
 * source  Python's threading.Lock (anyone may release) and RLock (owned by a thread, counted). The
 *         token and owner_died are Holdfast's.
 */
#ifndef HF_OBJECTS_LOCK_H
#define HF_OBJECTS_LOCK_H

#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

/* A thread of a session; session 0: no owner. */
struct lock_owner {
  uint64_t session;
  uint64_t thread;
};

struct lock {
  struct lock_owner owner; /* session 0 with a depth: the owner said goodbye and left it locked */
  uint64_t token;          /* of the last grant; 0: never granted */
  uint64_t depth;          /* 0: free */
  bool recursive;
  /* Of the current grant: it ends when its session is silent that long; 0: none. */
  uint64_t lease_ms;
  bool robust;     /* the current grant ends with a clean goodbye too */
  bool owner_died; /* since the last grant */
  /* In a transaction: the operation has reported a death that its shared mutex had recorded. */
  bool took_death;
};

/* Whether acquire would succeed now. */
static inline bool lock_is_free_for(const struct lock *lock, struct lock_owner owner) {
  return lock->depth == 0 ||
         (lock->recursive && owner.session != 0 && lock->owner.session == owner.session &&
          lock->owner.thread == owner.thread);
}

/* What a first grant gets. */
struct lock_terms {
  uint64_t token;
  uint64_t lease_ms;
  bool robust;
};

/* Takes it; it must be free for the owner. out owner_died: the previous owner did. */
void lock_take(struct lock *lock, struct lock_owner owner, const struct lock_terms *terms,
               bool *owner_died);
/* So many levels, as far as there are. HF_REASON_NONE, *freed: it was the last | NOT_LOCKED NOT_OWNER */
hf_reason lock_give_back(struct lock *lock, struct lock_owner owner, uint64_t levels, bool *freed);
/* The owner is gone: frees the lock; if the owner died, the next one is notified. */
void lock_abandon(struct lock *lock, bool died);

#endif
