/* hf_connect and hf_close: the only file that uses all layers of a connection. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/src/call/async.h"
#include "client/src/call/batch.h"
#include "client/src/call/oneway.h"
#include "client/src/call/pipeline.h"
#include "client/src/call/plain.h"
#include "client/src/call/sized.h"
#include "client/src/connection/cancellation.h"
#include "client/src/connection/conn_open.h"
#include "client/src/mapped/mapped_cell.h"
#include "client/src/mapped/segments.h"
#include "client/src/transport/credentials.h"
#include "client/src/transport/resolve.h"
#include "proto/base/socket_path.h"
#include "proto/text.h"

#define GOODBYE_TIMEOUT_MS 1000

/* ---------------------------------------------------------------- what the layers keep there */

static void become_child(hf_conn *conn) {
  async_become_child(conn);
  pipeline_become_child(conn);
  oneway_become_child(conn);
  segments_become_child(conn);
  for (hf_object *handle = conn->handles; handle != NULL; handle = handle->next) {
    mapped_cell_become_child(handle);
  }
}

static void free_above(hf_conn *conn) {
  pipeline_free_all(conn);
  oneway_free(conn);
  batch_forget(conn);
  segments_free_all(conn);
}

static const struct conn_above above = {
    .become_child = become_child, .notify = async_notify, .free = free_above};

/* ---------------------------------------------------------------- connecting */

/* HOLDFAST_LOCAL: a value other than on and off is an error. */
static hf_status read_preference(bool *wants_local) {
  const char *preference = getenv("HOLDFAST_LOCAL");
  bool is_off = preference != NULL && strcmp(preference, "off") == 0;
  if (preference != NULL && *preference != '\0' && strcmp(preference, "on") != 0 && !is_off) {
    return error_format(HF_REASON_BAD_ARGUMENT, "HOLDFAST_LOCAL is \"%s\"; it may be on or off",
                        preference);
  }
  *wants_local = !is_off;
  return HF_OK;
}

#define CONN_IPC_URL_BYTES (sizeof IPC_SCHEME + sizeof((struct sockaddr_un *)NULL)->sun_path)

/* A relative path is resolved now, since the process may change its directory. out absolute: has
 * room for a socket's path and the scheme */
static hf_status make_absolute(const char **url, char absolute[CONN_IPC_URL_BYTES]) {
  const char *path = socket_path_of(*url);
  char directory[PATH_MAX] = "";
  if (path == NULL || *path == '\0') {
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

/* ---------------------------------------------------------------- keys and certificates */

/* The option, else the environment variable; NULL: none. */
static const char *file_of(const char *option, const char *variable) {
  const char *path = option != NULL ? option : getenv(variable);
  return path != NULL && *path != '\0' ? path : NULL;
}

static bool is_loopback(const char *address) {
  static const char *const names[] = {"127.0.0.1", "::1", "localhost"};
  char host[RESOLVE_HOST_BYTES_MAX];
  const char *port;
  bool is_found = false;
  for (size_t i = 0; resolve_split(address, host, &port) && i < sizeof names / sizeof *names; i++) {
    is_found |= strcmp(host, names[i]) == 0;
  }
  return is_found;
}

/* out credentials: to be passed on; NULL: the transport needs none */
static hf_status make_credentials(const struct transport *transport, const char *address,
                                  const struct hf_options *options,
                                  struct credentials **credentials) {
  const struct credentials_files files = {
      .key = file_of(options->key_file, "HOLDFAST_KEY_FILE"),
      .ca = file_of(options->ca_file, "HOLDFAST_CA_FILE"),
      .certificate = file_of(options->cert_file, "HOLDFAST_CERT_FILE"),
      .private_key = file_of(options->private_key_file, "HOLDFAST_PRIVATE_KEY_FILE")};
  char error[TLS_ERROR_BYTES];
  *credentials = NULL;
  if (transport == &transport_tcp && files.key != NULL && !is_loopback(address)) {
    return error_format(HF_REASON_BAD_ADDRESS,
                        "a key is set (%s), but tcp:// is not encrypted; use tls+tcp://",
                        options->key_file != NULL ? "key_file" : "HOLDFAST_KEY_FILE");
  }
  if (transport != &transport_tls) {
    return HF_OK;
  }
  *credentials = credentials_new(&files, error);
  return *credentials != NULL ? HF_OK : error_format(HF_REASON_BAD_ARGUMENT, "%s", error);
}

/* ---------------------------------------------------------------- the connection */

hf_status hf_connect_sized(const char *url, const struct hf_options *given, size_t options_size,
                           hf_conn **conn) {
  struct hf_options options = {0};
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
  const struct transport *transport = transport_find(url, &address);
  if (transport == NULL) {
    return error_format(HF_REASON_BAD_ADDRESS,
                        "\"%s\" is no address: tls+tcp://HOST:PORT, tcp://HOST:PORT or ipc:///PATH",
                        url);
  }
  if (!sized_take(&options, sizeof options, given, options_size)) {
    return error_reason(HF_REASON_BAD_ARGUMENT);
  }
  if (options.call_timeout_ms < 0) {
    return error_reason(HF_REASON_NEGATIVE_TIMEOUT);
  }
  if (options.client != NULL && *options.client != '\0' &&
      !text_is_name(bytes_of_text(options.client))) {
    return error_reason(HF_REASON_BAD_NAME);
  }
  bool wants_local = true;
  status = read_preference(&wants_local);
  if (status != HF_OK) {
    return status;
  }
  struct credentials *credentials;
  int cancellation = cancellation_disable();
  status = make_credentials(transport, address, &options, &credentials);
  if (status == HF_OK) {
    status = conn_open(url, &options, wants_local, credentials, &above, conn);
  }
  cancellation_restore(cancellation);
  return status;
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

/* ---------------------------------------------------------------- closing */

/* Says goodbye, unless the C library may still write to a pinned cell: after a goodbye the server
 * reuses the session's cells. Such a session ends as a dead client's does. */
static void say_goodbye(hf_conn *conn) {
  Holdfast__CloseSession arm = HOLDFAST__CLOSE_SESSION__INIT;
  struct request request;
  conn_lock(conn);
  bool has_session = conn->state != CONN_ENDED && (conn->has_session || conn->is_forked);
  conn_unlock(conn);
  if (!has_session || segments_has_pinned(conn)) {
    return;
  }
  request_of_conn(&request, conn, OPERATION(CLOSE_SESSION));
  (void)call_now(&request, &arm.base);
}

void hf_close(hf_conn *conn) {
  if (conn == NULL) {
    return;
  }
  int cancellation = cancellation_disable();
  if (conn->call_timeout_ms > GOODBYE_TIMEOUT_MS) {
    conn->call_timeout_ms = GOODBYE_TIMEOUT_MS;
  }
  async_detach(conn);
  (void)oneway_write_out(conn);
  say_goodbye(conn);
  conn_close(conn);
  cancellation_restore(cancellation);
}
