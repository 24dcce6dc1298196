#include "client/src/connection/conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/src/transport/dial_error.h"

#define SEND_PARTS_MAX 128

void conn_lock(hf_conn *conn) {
  pthread_mutex_lock(&conn->mutex);
}

void conn_unlock(hf_conn *conn) {
  pthread_mutex_unlock(&conn->mutex);
}

uint64_t conn_thread(void) {
  static atomic_uint_least64_t last;
  static _Thread_local uint64_t own;
  if (own == 0) {
    own = atomic_fetch_add(&last, 1) + 1;
  }
  return own;
}

hf_conn *conn_retain(hf_conn *conn) {
  atomic_fetch_add_explicit(&conn->references, 1, memory_order_relaxed);
  return conn;
}

void conn_release(hf_conn *conn) {
  if (atomic_fetch_sub(&conn->references, 1) > 1) {
    return;
  }
  free(conn->ended);
  free(conn->releases.items);
  pthread_mutex_destroy(&conn->mutex);
  free(conn);
}

bool conn_has_ended(hf_conn *conn) {
  conn_lock(conn);
  bool has_ended = conn->state == CONN_ENDED;
  conn_unlock(conn);
  return has_ended;
}

void conn_set_local_path(hf_conn *conn, struct bytes path) {
  bool fits = path.len < sizeof conn->local_path;
  conn_lock(conn);
  conn->is_local_path_proven = false;
  snprintf(conn->local_path, sizeof conn->local_path, "%.*s", fits ? (int)path.len : 0,
           (const char *)path.data);
  conn_unlock(conn);
}

bool conn_input_reserve(hf_conn *conn, size_t size) {
  if (conn->input_start > 0) {
    memmove(conn->input, conn->input + conn->input_start, conn->input_end - conn->input_start);
    conn->input_end -= conn->input_start;
    conn->input_start = 0;
  }
  if (conn->input_capacity >= size) {
    return true;
  }
  uint8_t *input = realloc(conn->input, size);
  if (input == NULL) {
    return false;
  }
  conn->input = input;
  conn->input_capacity = size;
  return true;
}

/* ---------------------------------------------------------------- its link */

void conn_cut_link(hf_conn *conn, int error) {
  conn->dial_error = error;
  conn->is_broken = true;
  link_cut(&conn->link);
}

void conn_write(hf_conn *conn) {
  struct iovec parts[SEND_PARTS_MAX];
  while (conn->state == CONN_UP && !conn->is_broken && conn->window.unsent != NULL) {
    int part_count = window_unsent(&conn->window, parts, SEND_PARTS_MAX);
    ssize_t sent = link_send(&conn->link, parts, part_count);
    if (sent >= 0) {
      window_sent(&conn->window, (size_t)sent);
    } else if (errno == EAGAIN) {
      return;
    } else {
      conn_cut_link(conn, errno);
    }
  }
}

void conn_write_unawaited(hf_conn *conn) {
  if (conn->window.has_unawaited) {
    conn->window.has_unawaited = false;
    conn_write(conn);
  }
}

void conn_wake(hf_conn *conn, bool all) {
  for (struct waiter *waiter = conn->waiters; waiter != NULL; waiter = waiter->next) {
    if (all || *waiter->count <= waiter->limit) {
      pthread_cond_signal(&waiter->cond);
    }
  }
  if (all) {
    conn->above->notify(conn);
  }
}

hf_status conn_error_unanswered(const hf_conn *conn) {
  if (conn->state == CONN_UP && (conn->has_answered || conn->flap_count == 0)) {
    return error_format(HF_REASON_NOT_CONNECTED,
                        "the server at %s is connected but did not answer in time; what became of "
                        "the call is not known",
                        conn->url);
  }
  if (conn->state == CONN_DOWN && conn->dial_error == DIAL_LOADING) {
    return error_format(HF_REASON_LOADING,
                        "the server at %s still loads its state, after %lld ms; try again in a "
                        "moment",
                        conn->url, (long long)conn->call_timeout_ms);
  }
  if (conn->flap_count > 0) {
    return error_format(HF_REASON_NOT_CONNECTED,
                        "the server at %s lets this client in again and again, and ends the "
                        "connection before it answers (%s); what became of the call is not known",
                        conn->url, dial_error_text(conn->dial_error));
  }
  return error_format(
      HF_REASON_NOT_CONNECTED, "no answer from %s within %lld ms (%s); is holdfastd running there?",
      conn->url, (long long)conn->call_timeout_ms, dial_error_text(conn->dial_error));
}

hf_status conn_error_ended(const hf_conn *conn) {
  hf_status status = conn->ended == NULL ? HF_FAILED_PRECONDITION : conn->ended->status;
  return error_take(status, failure_copy(conn->ended));
}
