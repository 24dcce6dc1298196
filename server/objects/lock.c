#include "server/objects/lock.h"

#include <assert.h>

void lock_take(struct lock *lock, struct lock_owner owner, const struct lock_terms *terms,
               bool *owner_died) {
  assert(lock_is_free_for(lock, owner));
  *owner_died = lock->owner_died;
  if (lock->depth++ == 0) {
    lock->owner = owner;
    lock->token = terms->token;
    lock->robust = terms->robust;
    lock->lease_ms = terms->lease_ms;
    lock->owner_died = false;
  }
}

static bool may_release(const struct lock *lock, struct lock_owner owner) {
  return !lock->recursive || lock_is_free_for(lock, owner);
}

hf_reason lock_give_back(struct lock *lock, struct lock_owner owner, uint64_t levels, bool *freed) {
  *freed = false;
  if (lock->depth == 0) {
    return lock->recursive ? HF_REASON_NOT_OWNER : HF_REASON_NOT_LOCKED;
  }
  if (!may_release(lock, owner)) {
    return HF_REASON_NOT_OWNER;
  }
  lock->depth -= levels < lock->depth ? levels : lock->depth;
  *freed = lock->depth == 0;
  if (*freed) {
    lock->owner = (struct lock_owner){0};
  }
  return HF_REASON_NONE;
}

void lock_abandon(struct lock *lock, bool died) {
  lock->depth = 0;
  lock->owner = (struct lock_owner){0};
  lock->owner_died = died;
}
