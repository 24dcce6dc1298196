#include "client/src/connection/cancel.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/src/connection/cancellation.h"
#include "client/src/connection/reply.h"
#include "client/src/connection/withdraw.h"

/* A cancel requested before the descriptor existed makes it readable. */
bool cancel_init(hf_conn *conn) {
  if (conn->cancel_fd < 0) {
    conn->cancel_fd =
        eventfd(atomic_load(&conn->cancel_requested) ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);
  }
  return conn->cancel_fd >= 0;
}

void cancel_deinit(hf_conn *conn) {
  atomic_store(&conn->cancel_requested, false);
  if (conn->cancel_fd >= 0) {
    close(conn->cancel_fd);
    conn->cancel_fd = -1;
  }
}

void cancel_wake_leader(hf_conn *conn) {
  const uint64_t one = 1;
  ssize_t written = write(conn->cancel_fd, &one, sizeof one);
  (void)written; /* a full counter is readable too */
}

/* May run in a signal handler. */
void hf_cancel(hf_conn *conn) {
  int error = errno;
  atomic_store(&conn->cancel_requested, true);
  atomic_fetch_add(&conn->cancel_count, 1);
  /* Async-signal-safe: in glibc one atomic instruction. */
  int cancellation = cancellation_disable();
  cancel_wake_leader(conn);
  cancellation_restore(cancellation);
  errno = error;
}

/* hf_cancel sets the flag before it writes, so the flag is visible after this read. */
void cancel_drain(hf_conn *conn) {
  uint64_t count;
  ssize_t received = read(conn->cancel_fd, &count, sizeof count);
  (void)received; /* EAGAIN: already consumed */
}

/* The call returns at once. */
static void give_up(hf_conn *conn, struct slot *slot) {
  struct call *call = slot->call;
  withdraw_abandoned(conn, slot);
  call_give_up(call, HF_REASON_CANCELLED);
}

/* A request that the server has, or receives before the Cancel, is answered by the server. */
void cancel_call(hf_conn *conn, struct slot *slot) {
  bool is_reachable = conn->state == CONN_UP && slot->was_sent;
  if (!is_reachable || slot->outlives_call || slot->withdrawal != WITHDRAWAL_NONE) {
    give_up(conn, slot);
  } else {
    slot->call->is_withdrawn = true;
    withdraw_later(conn, slot);
  }
}

bool cancel_apply(hf_conn *conn) {
  struct slot *next, *slot = conn->window.oldest;
  bool found = false;
  if (!atomic_exchange(&conn->cancel_requested, false)) {
    return false;
  }
  for (; slot != NULL; slot = next) {
    next = slot->next;
    /* without a connection every call waits */
    if (slot->call != NULL && (slot->may_wait || conn->state != CONN_UP)) {
      cancel_call(conn, slot);
      found = true;
    }
  }
  withdraw_submit(conn);
  conn_wake(conn, false);
  return !found;
}

bool cancel_calls(hf_conn *conn, const uint32_t *count, bool is_repeated) {
  struct slot *next, *slot = conn->window.oldest;
  bool found = false;
  for (; slot != NULL; slot = next) {
    next = slot->next;
    if (slot->call == NULL || slot->call->pending != count) {
      continue;
    }
    found = true;
    if (is_repeated) {
      give_up(conn, slot);
    } else if (slot->may_wait || conn->state != CONN_UP) {
      cancel_call(conn, slot);
    }
  }
  withdraw_submit(conn);
  conn_wake(conn, false);
  return found;
}

void cancel_apply_or_keep(hf_conn *conn) {
  if (cancel_apply(conn)) {
    atomic_store(&conn->cancel_requested, true);
  }
}
