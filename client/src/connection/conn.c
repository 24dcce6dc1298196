/* The life of a connection: making it, losing it, freeing it. */
#include "client/src/connection/conn.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/src/call/call.h"
#include "client/src/call/gather.h"
#include "client/src/call/oneway.h"
#include "client/src/call/pipeline.h"
#include "client/src/connection/cancel.h"
#include "client/src/connection/cancellation.h"
#include "client/src/connection/fork.h"
#include "client/src/connection/inherit.h"
#include "client/src/mapped/segments.h"
#include "client/src/transport/dial_error.h"
#include "proto/base/clock.h"
#include "proto/door.h"
#include "proto/text.h"

#define INPUT_BYTES_FIRST (64u << 10)
#define GOODBYE_TIMEOUT_MS 1000

void conn_lock(hf_conn *conn) {
  pthread_mutex_lock(&conn->mutex);
}

void conn_unlock(hf_conn *conn) {
  pthread_mutex_unlock(&conn->mutex);
}

uint64_t conn_caller(void) {
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
  free(conn->releases.items);
  pthread_mutex_destroy(&conn->mutex);
  free(conn);
}

/* Frees what only an open connection needs; the struct stays for values that still name it. */
static void free_parts(hf_conn *conn) {
  link_close(&conn->link);
  cancel_deinit(conn);
  window_deinit(&conn->window);
  arena_deinit(&conn->reply_arena);
  pipeline_free_all(conn);
  oneway_free(conn);
  gather_forget(conn);
  segments_free_all(conn);
  free(conn->ended);
  free(conn->input);
  free(conn->url);
  free(conn->client);
  conn->ended = NULL;
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

void conn_set_door(hf_conn *conn, struct bytes path) {
  bool fits = path.len < sizeof conn->door;
  conn_lock(conn);
  snprintf(conn->door, sizeof conn->door, "%.*s", fits ? (int)path.len : 0,
           (const char *)path.data);
  conn_unlock(conn);
}

/* HOLDFAST_LOCAL: what is neither on nor off may have been meant as either. */
static hf_status read_wish(bool *wants_local) {
  const char *wish = getenv("HOLDFAST_LOCAL");
  bool is_off = wish != NULL && strcmp(wish, "off") == 0;
  if (wish != NULL && *wish != '\0' && strcmp(wish, "on") != 0 && !is_off) {
    return error_format(HF_REASON_BAD_ARGUMENT, "HOLDFAST_LOCAL is \"%s\"; it may be on or off",
                        wish);
  }
  *wants_local = !is_off;
  return HF_OK;
}

/* The door of an ipc address is beside it; over tcp the server tells. */
static void choose_local(hf_conn *conn) {
  char path[CONN_DOOR_BYTES_MAX + sizeof DOOR_SUFFIX];
  bool is_ipc = conn->transport == &transport_ipc;
  /* Why not, if no door comes to be known. */
  atomic_init(&conn->no_local, !conn->wants_local ? "HOLDFAST_LOCAL is off"
                               : is_ipc
                                   ? "the ipc socket's path is too long for a door beside it"
                                   : "the server runs on another machine, or has no ipc address");
  if (is_ipc) {
    int len = snprintf(path, sizeof path, "%s" DOOR_SUFFIX, conn->address);
    conn_set_door(conn, bytes_of(path, (size_t)len));
    conn->is_door_proven = true;
  }
}

const char *hf_conn_path(hf_conn *conn) {
  conn_lock(conn);
  const struct transport *transport = conn->link.fd >= 0 ? conn->link.transport : conn->transport;
  conn_unlock(conn);
  return transport->name;
}

const char *hf_conn_path_reason(hf_conn *conn) {
  const char *reason = atomic_load(&conn->no_local);
  return reason == NULL ? "" : reason;
}

static hf_conn *conn_new(const char *url, const struct hf_options *options, bool wants_local) {
  hf_conn *conn = calloc(1, sizeof *conn);
  if (conn == NULL) {
    return NULL;
  }
  pthread_mutex_init(&conn->mutex, NULL);
  atomic_init(&conn->references, 1);
  conn->link.fd = -1;
  conn->session_missing = 1;
  conn->frame_bytes_max = HF_FRAME_BYTES_MAX;
  conn->lost_since_ns = clock_now_ns();
  conn->call_timeout_ms =
      options->call_timeout_ms > 0 ? options->call_timeout_ms : HF_CALL_TIMEOUT_MS_DEFAULT;
  conn->grace_ms = options->grace_ms;
  conn->cancel_fd = -1;
  arena_init(&conn->reply_arena, reply_unpack_bytes_max(0));
  conn->url = strdup(url);
  conn->client = options->client != NULL ? strdup(options->client) : default_client();
  bool is_complete = window_init(&conn->window) && cancel_init(conn) &&
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

/* Waits until there is a session, or why there is none. */
static hf_status await_session(hf_conn *conn) {
  conn_lock(conn);
  bool is_answered = conn_wait(conn, &conn->session_missing, 0, clock_now_ns(), 0);
  hf_status status = HF_OK;
  if (!is_answered) {
    status = conn_error_unanswered(conn);
  } else if (conn->state == CONN_ENDED) {
    status = conn->ended == NULL ? HF_UNKNOWN : conn->ended->status;
    status = error_take(status, failure_copy(conn->ended));
  }
  conn_unlock(conn);
  return status;
}

static hf_status connect_with(const char *url, const struct hf_options *options, bool wants_local,
                              hf_conn **conn) {
  hf_conn *made = conn_new(url, options, wants_local);
  if (made == NULL) {
    return error_reason(HF_REASON_NO_MEMORY);
  }
  hf_status status = await_session(made);
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

#define IPC_SCHEME "ipc://"
#define CONN_IPC_URL_BYTES (sizeof IPC_SCHEME + sizeof((struct sockaddr_un *)NULL)->sun_path)

/* A relative path is of the directory this process is in now, wherever it goes later.
 * out  absolute  sizeof: what a socket's path has room for, and the scheme */
static hf_status make_absolute(const char **url, char absolute[CONN_IPC_URL_BYTES]) {
  const char *path = *url + strlen(IPC_SCHEME);
  char directory[PATH_MAX] = "";
  if (strncmp(*url, IPC_SCHEME, strlen(IPC_SCHEME)) != 0 || *path == '\0') {
    return HF_OK;
  }
  if (*path != '/' && getcwd(directory, sizeof directory - 1) == NULL) {
    return error_format(HF_REASON_BAD_ADDRESS, "\"%s\" is relative to no directory: %s", *url,
                        strerror(errno));
  }
  size_t directory_len = strlen(directory);
  if (*path != '/') {
    memcpy(directory + directory_len++, "/", sizeof "/");
  }
  size_t len = directory_len + strlen(path);
  if (len >= sizeof((struct sockaddr_un *)NULL)->sun_path) {
    return error_format(
        HF_REASON_BAD_ADDRESS,
        "the socket path %s%s has %zu bytes, and may have %zu: choose a shorter one", directory,
        path, len, sizeof((struct sockaddr_un *)NULL)->sun_path - 1);
  }
  stpcpy(stpcpy(stpcpy(absolute, IPC_SCHEME), directory), path);
  *url = absolute;
  return HF_OK;
}

hf_status hf_connect(const char *url, const struct hf_options *options, hf_conn **conn) {
  static const struct hf_options defaults;
  const char *address;
  char default_url[32], absolute[CONN_IPC_URL_BYTES];
  if (url == NULL) {
    url = getenv("HOLDFAST_URL");
  }
  if (url == NULL || *url == '\0') {
    snprintf(default_url, sizeof default_url, "tcp://127.0.0.1:%d", HF_PORT);
    url = default_url;
  }
  hf_status status = make_absolute(&url, absolute);
  if (status != HF_OK) {
    return status;
  }
  if (transport_find(url, &address) == NULL) {
    return error_format(HF_REASON_BAD_ADDRESS,
                        "\"%s\" is no address: tcp://HOST:PORT or ipc:///PATH", url);
  }
  if (options == NULL) {
    options = &defaults;
  }
  if (options->call_timeout_ms < 0) {
    return error_reason(HF_REASON_NEGATIVE_TIMEOUT);
  }
  if (options->client != NULL && *options->client != '\0' &&
      !text_is_name(bytes_of_text(options->client))) {
    return error_reason(HF_REASON_BAD_NAME);
  }
  bool wants_local = true;
  status = read_wish(&wants_local);
  if (status != HF_OK) {
    return status;
  }
  int cancellation = cancellation_disable();
  status = connect_with(url, options, wants_local, conn);
  cancellation_restore(cancellation);
  return status;
}

/* A server that was told goodbye gives the places of the session's cells to others. Those that the
 * C library may still write to must not be: that session is lost, like a dead client's. */
static void say_goodbye(hf_conn *conn) {
  Holdfast__CloseSession arm = HOLDFAST__CLOSE_SESSION__INIT;
  struct request request;
  bool has_session = conn->has_session || conn->is_forked;
  if (conn->state == CONN_ENDED || !has_session || segments_has_kept(conn)) {
    return;
  }
  request_of_conn(&request, conn, OPERATION(CLOSE_SESSION));
  request.is_internal = true;
  (void)request_send(&request, &arm.base);
}

void hf_close(hf_conn *conn) {
  if (conn == NULL) {
    return;
  }
  int cancellation = cancellation_disable();
  if (conn->call_timeout_ms > GOODBYE_TIMEOUT_MS) {
    conn->call_timeout_ms = GOODBYE_TIMEOUT_MS;
  }
  (void)oneway_write_out(conn);
  say_goodbye(conn);
  fork_unwatch(conn);
  free_parts(conn);
  cancellation_restore(cancellation);
}

/* ---------------------------------------------------------------- ends */

void conn_end(hf_conn *conn, struct failure *failure) {
  free(conn->ended);
  conn->ended = failure;
  conn->state = CONN_ENDED;
  conn->session_missing = 0;
  conn->is_broken = false;
  /* Not closed here: another thread may be about to send on it. Closed with the connection. */
  if (conn->link.fd >= 0) {
    link_cut(&conn->link);
  }
  while (conn->window.oldest != NULL) {
    call_finish(conn, conn->window.oldest, NULL, failure_copy(failure));
  }
  conn_wake(conn, true);
}

hf_status conn_error_unanswered(const hf_conn *conn) {
  if (conn->state == CONN_UP && (conn->has_answered || conn->flap_count == 0)) {
    return error_format(HF_REASON_NOT_CONNECTED,
                        "the server at %s is connected but did not answer in time; what became of "
                        "the call is not known",
                        conn->url);
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

void conn_become_child(hf_conn *conn) {
  link_close(&conn->link);
  conn->waiters = NULL;
  conn->is_driven = false;
  conn->is_broken = false;
  conn->room_count = 0;
  conn->owes_acknowledgement = conn->has_acknowledged = false;
  cancel_deinit(conn); /* the parent's descriptor would wake the parent */
  conn->input_start = conn->input_end = 0;
  pipeline_become_child(conn);
  oneway_become_child(conn);
  if (conn->state != CONN_ENDED) {
    conn->state = CONN_DOWN;
    conn->has_session = false;
    conn->session_missing = 1;
    conn->resume_attempt = 0;
    conn->retry_count = conn->flap_count = 0;
    conn->retry_at_ns = 0;
    conn->lost_since_ns = 0;
    conn->has_answered = false;
    conn->window.used_count_max = HF_WINDOW_COUNT_MAX;
    conn->window.parked_count_max = HF_IN_FLIGHT_MAX;
  }
  window_reset(&conn->window);
  inherit_become_child(conn);
  segments_become_child(conn);
  holds_become_child(conn);
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
