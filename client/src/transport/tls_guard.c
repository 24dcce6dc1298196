#include "client/src/transport/tls_guard.h"

#include <pthread.h>
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

/* A fork is not put off while threads keep entering. */
#define FORK_FIRST PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP

static pthread_rwlock_t guard = FORK_FIRST;

void tls_guard_enter(void) {
  pthread_rwlock_rdlock(&guard);
}

void tls_guard_leave(void) {
  pthread_rwlock_unlock(&guard);
}

void tls_guard_before_fork(void) {
  pthread_rwlock_wrlock(&guard);
}

void tls_guard_after_fork_in_parent(void) {
  pthread_rwlock_unlock(&guard);
}

/* The lock knows its owner by the thread's id, which is another one in the child. */
void tls_guard_after_fork_in_child(void) {
  static const pthread_rwlock_t unlocked = FORK_FIRST;
#ifdef __SANITIZE_THREAD__ /* to it the child would own the lock for ever */
  __tsan_mutex_pre_unlock(&guard, 0);
  __tsan_mutex_post_unlock(&guard, 0);
#endif
  guard = unlocked;
}
