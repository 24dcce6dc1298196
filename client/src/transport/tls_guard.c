#include "client/src/transport/tls_guard.h"

#include <pthread.h>

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
  guard = unlocked;
}
