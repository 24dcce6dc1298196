#include "client/src/connection/conn_open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/src/connection/attempt.h"
#include "client/src/connection/cancel.h"
#include "client/src/connection/fork.h"
#include "client/src/connection/leader.h"
#include "client/src/connection/session.h"
#include "client/src/transport/credentials.h"
#include "proto/base/clock.h"
#include "proto/local_handshake.h"
#include "proto/text.h"

#define INPUT_BYTES_FIRST (64u << 10)

/* Frees what only an open connection needs; the struct stays for values that refer to it. */
static void free_parts(hf_conn *conn) {
  link_close(&conn->link);
  if (conn->attempt != NULL) {
    attempt_end(conn);
  }
  free(conn->attempt);
  credentials_free(conn->dialling.credentials);
  conn->dialling.credentials = NULL;
  cancel_deinit(conn);
  window_deinit(&conn->window);
  arena_deinit(&conn->reply_arena);
  conn->above->free(conn);
  free(conn->input);
  free(conn->url);
  free(conn->client);
  conn->input = NULL;
  conn->url = conn->client = NULL;
  conn->state = CONN_ENDED;
  conn_release(conn);
}

static char *default_client(void) {
  char host[65] = "?", clean_host[sizeof host], program[151], text[HF_NAME_BYTES_MAX + 1];
  gethostname(host, sizeof host - 1);
  text_make_name(bytes_of_text(host), clean_host, sizeof clean_host);
  text_make_name(bytes_of_text(program_invocation_short_name), program, sizeof program);
  snprintf(text, sizeof text, "%s@%s:%ld", program, clean_host, (long)getpid());
  return strdup(text);
}

/* The local handshake of an ipc address has a path derived from it; of a tcp address, with or without TLS, the
 * server sends the path. */
static void choose_local(hf_conn *conn) {
  char path[CONN_LOCAL_PATH_BYTES_MAX + sizeof HANDSHAKE_SUFFIX];
  bool is_ipc = conn->transport == &transport_ipc;
  /* The reason if no path becomes known. */
  atomic_init(&conn->no_local,
              !conn->wants_local ? "HOLDFAST_LOCAL is off"
              : is_ipc ? "the ipc socket's path is too long for a local handshake beside it"
                       : "the server runs on another machine, or has no ipc address");
  if (is_ipc) {
    int len = snprintf(path, sizeof path, "%s" HANDSHAKE_SUFFIX, conn->address);
    conn_set_local_path(conn, bytes_of(path, (size_t)len));
    conn->is_local_path_proven = true;
  }
}

static hf_conn *conn_new(const char *url, const struct hf_options *options, bool wants_local,
                         struct credentials *credentials, const struct conn_above *above) {
  hf_conn *conn = calloc(1, sizeof *conn);
  if (conn == NULL) {
    credentials_free(credentials);
    return NULL;
  }
  pthread_mutex_init(&conn->mutex, NULL);
  conn->above = above;
  conn->dialling.credentials = credentials;
  atomic_init(&conn->references, 1);
  conn->link.fd = -1;
  conn->session_missing = 1;
  atomic_init(&conn->frame_bytes_max, HF_FRAME_BYTES_MAX);
  conn->lost_since_ns = clock_now_ns();
  conn->call_timeout_ms =
      options->call_timeout_ms > 0 ? options->call_timeout_ms : HF_CALL_TIMEOUT_MS_DEFAULT;
  conn->grace_ms = options->grace_ms;
  conn->cancel_fd = -1;
  conn->attempt = calloc(1, sizeof *conn->attempt);
  arena_init(&conn->reply_arena, reply_unpack_bytes_max(0));
  conn->url = strdup(url);
  conn->client = options->client != NULL ? strdup(options->client) : default_client();
  bool is_complete = conn->attempt != NULL && window_init(&conn->window) && cancel_init(conn) &&
                     conn_input_reserve(conn, INPUT_BYTES_FIRST);
  if (!is_complete || conn->url == NULL || conn->client == NULL) {
    free_parts(conn);
    return NULL;
  }
  conn->transport = transport_find(conn->url, &conn->address);
  conn->wants_local = wants_local;
  choose_local(conn);
  return conn;
}

/* Waits until the session is open, or was refused. */
static hf_status await_session(hf_conn *conn) {
  conn_lock(conn);
  enum wait_end end = conn_wait(conn, &conn->session_missing, 0, clock_now_ns(), 0);
  hf_status status = HF_OK;
  if (end != WAIT_REACHED) {
    status = conn_error_wait(conn, end);
  } else if (conn->state == CONN_ENDED) {
    status = conn->ended == NULL ? HF_UNKNOWN : conn->ended->status;
    status = error_take(status, failure_copy(conn->ended));
  }
  conn_unlock(conn);
  return status;
}

hf_status conn_open(const char *url, const struct hf_options *options, bool wants_local,
                    struct credentials *credentials, const struct conn_above *above,
                    hf_conn **conn) {
  hf_conn *made = conn_new(url, options, wants_local, credentials, above);
  if (made == NULL) {
    return error_reason(HF_REASON_NO_MEMORY);
  }
  /* Forks of other threads have to wait while this one shakes hands. */
  hf_status status = fork_prepare() ? await_session(made) : HF_OK;
  if (status == HF_OK && !fork_watch(made)) {
    status = error_reason(HF_REASON_NO_MEMORY);
  }
  if (status != HF_OK) {
    free_parts(made);
    return status;
  }
  *conn = made;
  return HF_OK;
}

void conn_close(hf_conn *conn) {
  fork_unwatch(conn);
  conn_lock(conn); /* other threads may have call modes open */
  session_end(conn, failure_new(HF_FAILED_PRECONDITION,
                                bytes_of_text(hf_reason_name(HF_REASON_SESSION_ENDED)),
                                bytes_of_text("the connection was closed")));
  conn->is_closed = true;
  conn_unlock(conn);
  free_parts(conn);
}
