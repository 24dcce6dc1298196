/* Locks.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_LOCK_H
#define HOLDFAST_LOCK_H

#include <holdfast/object.h>

HF_BEGIN_DECLARATIONS

struct hf_grant {
  uint64_t token;  /* the fencing token: rises with every grant, also across a restart of the server
                      whose clock was not set back; hand it to what the lock protects */
  bool owner_died; /* the previous owner was killed or unplugged while it owned the lock */
};

/* hf_lock_open: multiprocessing's Lock, which anyone may release. hf_rlock_open: RLock, owned by a
 * thread of a process and counted. */
HF_CHECKED hf_status hf_lock_open(hf_conn *conn, const char *name, hf_lock **lock);
HF_CHECKED hf_status hf_rlock_open(hf_conn *conn, const char *name, hf_lock **lock);
HF_API void hf_lock_close(hf_lock *lock);

/* `grant` may be NULL. DEADLINE_EXCEEDED LOCK_HELD, also with timeout 0 */
HF_CHECKED hf_status hf_lock_acquire(hf_lock *lock, int64_t timeout_ms, struct hf_grant *grant);
struct hf_lock_options {
  bool robust;       /* the server also releases the lock when this session says goodbye */
  uint64_t lease_ms; /* so it does with a lease, and when this process makes no call for that long,
                           because it is stopped, say: the token is stale then. 0: no lease */
  bool refuse_deadlock; /* a wait that would close a cycle of waits is ABORTED DEADLOCK */
};
HF_CHECKED hf_status hf_lock_acquire_with_sized(hf_lock *lock,
                                                const struct hf_lock_options *options,
                                                size_t options_size, int64_t timeout_ms,
                                                struct hf_grant *grant);
HF_INLINE hf_status hf_lock_acquire_with(hf_lock *lock, const struct hf_lock_options *options,
                                         int64_t timeout_ms, struct hf_grant *grant) {
  return hf_lock_acquire_with_sized(lock, options, sizeof *options, timeout_ms, grant);
}
/* FAILED_PRECONDITION NOT_LOCKED the lock is free | NOT_OWNER the rlock is free, or owned by
 * another thread | TOKEN_STALE this thread's lease was over; once, then as for any other */
HF_CHECKED hf_status hf_lock_release(hf_lock *lock);
/* Releases the lock if `token` is that of the current grant. FAILED_PRECONDITION TOKEN_STALE */
HF_CHECKED hf_status hf_lock_release_token(hf_lock *lock, uint64_t token);

/* A thread of a client. */
struct hf_party {
  char client[256];
  uint64_t session; /* distinguishes clients of one name; 0: none */
  uint64_t thread;
  uint64_t waited_ms;
};
/* A lock that is owned or waited for. */
struct hf_lock_info {
  uint64_t id;
  hf_kind kind;
  char name[256];
  bool owned;
  /* Session 0: the lock is free, or its owner said goodbye and left it locked. */
  struct hf_party owner;
  uint64_t token, depth, lease_ms;
  struct hf_party *waiters; /* first come, first served */
  size_t waiters_count;
  bool deadlocked;       /* its owner waits, directly or through other owners, for this lock */
  uint64_t more_waiters; /* beyond `waiters`, which has at most 1,000 */
};
/* Lists all locks that are owned or waited for, ordered by id, in several requests. Free the result
 * with hf_locks_free. */
HF_CHECKED hf_status hf_list_locks_sized(hf_conn *conn, struct hf_lock_info **locks,
                                         size_t lock_size, size_t *count);
HF_API void hf_locks_free_sized(struct hf_lock_info *locks, size_t lock_size, size_t count);
HF_INLINE hf_status hf_list_locks(hf_conn *conn, struct hf_lock_info **locks, size_t *count) {
  return hf_list_locks_sized(conn, locks, sizeof **locks, count);
}
static inline void hf_locks_free(struct hf_lock_info *locks, size_t count) {
  hf_locks_free_sized(locks, sizeof *locks, count);
}
/* Conditions of a transaction. owned: `token` is that of the current grant, else
 * FAILED_PRECONDITION TOKEN_STALE. free: the lock has no owner. */
HF_CHECKED hf_status hf_require_owned(hf_lock *lock, uint64_t token);
HF_CHECKED hf_status hf_require_free(hf_lock *lock);

HF_END_DECLARATIONS

#endif
