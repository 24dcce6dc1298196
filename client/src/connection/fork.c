#include "client/src/connection/fork.h"

#include <errno.h>
#include <pthread.h>

#include "client/src/connection/cancellation.h"
#include "client/src/connection/child.h"
#include "client/src/connection/generation.h"
#include "client/src/connection/inherit.h"
#include "client/src/transport/resolve.h"
#include "client/src/transport/tls_guard.h"

static pthread_mutex_t watched_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct hf_conn *watched;
static pthread_once_t installed_once = PTHREAD_ONCE_INIT;
static bool installed;

static bool is_any_announced(void) {
  const struct hf_conn *conn = watched;
  while (conn != NULL && !conn->is_announced) {
    conn = conn->next_watched;
  }
  return conn != NULL;
}

/* The cancellation state from the prepare handler to the others; `mutex` is locked meanwhile. */
static int cancellation;
static pid_t newest_before;

static void before_fork(void) {
  int state = cancellation_disable();
  pthread_mutex_lock(&watched_mutex);
  cancellation = state;
  for (struct hf_conn *conn = watched; conn != NULL; conn = conn->next_watched) {
    conn_lock(conn);
    inherit_announce(conn);
    conn_unlock(conn);
  }
  for (struct hf_conn *conn = watched; conn != NULL; conn = conn->next_watched) {
    conn_lock(conn);
  }
  tls_guard_before_fork();
  newest_before = is_any_announced() ? inherit_newest_child() : 0;
}

static void after_fork_in_parent(void) {
  int error = errno;
  pid_t child = is_any_announced() ? inherit_newest_child() : 0;
  tls_guard_after_fork_in_parent();
  for (struct hf_conn *conn = watched; conn != NULL; conn = conn->next_watched) {
    conn_unlock(conn);
  }
  for (struct hf_conn *conn = watched; conn != NULL; conn = conn->next_watched) {
    conn_lock(conn);
    inherit_locate(conn, child == newest_before ? 0 : child);
    conn_unlock(conn);
  }
  int state = cancellation;
  pthread_mutex_unlock(&watched_mutex);
  cancellation_restore(state);
  errno = error;
}

static void after_fork_in_child(void) {
  fork_generation_next();
  tls_guard_after_fork_in_child();
  for (struct hf_conn *conn = watched; conn != NULL; conn = conn->next_watched) {
    conn_become_child(conn);
    conn_unlock(conn);
  }
  pthread_mutex_unlock(&watched_mutex);
  cancellation_restore(cancellation);
}

static void install_handlers(void) {
  resolve_watch_forks();
  installed = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
}

bool fork_prepare(void) {
  pthread_once(&installed_once, install_handlers);
  return installed;
}

bool fork_watch(struct hf_conn *conn) {
  if (!fork_prepare()) {
    return false;
  }
  pthread_mutex_lock(&watched_mutex);
  conn->next_watched = watched;
  watched = conn;
  pthread_mutex_unlock(&watched_mutex);
  return true;
}

void fork_unwatch(struct hf_conn *conn) {
  pthread_mutex_lock(&watched_mutex);
  struct hf_conn **entry = &watched;
  while (*entry != NULL && *entry != conn) {
    entry = &(*entry)->next_watched;
  }
  if (*entry != NULL) {
    *entry = conn->next_watched;
  }
  pthread_mutex_unlock(&watched_mutex);
}
