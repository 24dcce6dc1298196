#include "server/transport/listener.h"

#include "proto/base/clock.h"
#include "proto/base/descriptors.h"
#include "proto/base/log.h"
#include "proto/base/socket_path.h"
#include "server/transport/listen_socket.h"
#include "server/transport/socket_mode.h"
#include "server/transport/socket_stream.h"

#include <nng/nng.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACCEPT_PAUSE_MS 100
#define FULL_PAUSE_MS 10
/* Between two log lines about failed accepts. */
#define LOG_PAUSE_MS 60000

struct listener {
  const struct transport_acceptor *acceptor; /* borrowed */
  nng_stream_listener *stream_listener;
  nng_aio *accept;
  enum sp_transport transport;
  bool is_tls;
  char url[LISTEN_URL_BYTES_MAX];
  struct socket_file file; /* of an ipc address */
  atomic_bool stopping;
  /* Of the accept callback alone. */
  bool pausing; /* the operation under way is a pause */
  uint64_t silent_until_ns;
};

static enum listen_result result_of(int rv) {
  switch (rv) {
    case 0:
      return LISTEN_OK;
    case NNG_EADDRINUSE:
      return LISTEN_IN_USE;
    case NNG_EPERM:
      return LISTEN_NOT_ALLOWED;
    case NNG_EADDRINVAL:
    case NNG_ENOTSUP:
    case NNG_EINVAL:
      return LISTEN_BAD_ADDRESS;
    case NNG_ENOENT:
      return LISTEN_NO_DIRECTORY;
    default:
      log_line(LOG_ERROR, "listen failed reason=\"%s\"", nng_strerror(rv));
      return LISTEN_FAILED;
  }
}

/* Out of descriptors or memory: accepting again at once would fail again. */
static void pause_accepting(struct listener *listener, int rv) {
  uint64_t now_ns = clock_now_ns();
  if (now_ns >= listener->silent_until_ns) {
    listener->silent_until_ns = clock_deadline_ns(now_ns, LOG_PAUSE_MS);
    log_line(LOG_WARN, "accept failed, trying on url=%s reason=\"%s\"", listener->url,
             nng_strerror(rv));
  }
  listener->pausing = true;
  nng_sleep_aio(ACCEPT_PAUSE_MS, listener->accept);
}

/* Whether peers have to wait in the socket's queue for a moment. */
static bool pause_full(struct listener *listener) {
  const struct transport_acceptor *acceptor = listener->acceptor;
  if (!descriptors_are_left()) {
    pause_accepting(listener, NNG_ENOFILES);
    return true;
  }
  if (acceptor->is_full == NULL || !acceptor->is_full(acceptor->ctx)) {
    return false;
  }
  listener->pausing = true;
  nng_sleep_aio(FULL_PAUSE_MS, listener->accept);
  return true;
}

static void accepted(void *arg) {
  struct listener *listener = arg;
  int rv = nng_aio_result(listener->accept);
  bool stopping = atomic_load(&listener->stopping);
  if (rv == 0 && !listener->pausing) {
    nng_stream *stream = nng_aio_get_output(listener->accept, 0);
    if (stopping || !descriptors_are_kept()) { /* others were faster since that was asked */
      nng_stream_free(stream);
    } else {
      socket_stream_start(stream, listener->transport, listener->acceptor);
    }
  }
  if (stopping || rv == NNG_ECLOSED || rv == NNG_ECANCELED) {
    return;
  }
  if (rv != 0 && !listener->pausing) {
    pause_accepting(listener, rv);
    return;
  }
  if (!pause_full(listener)) {
    listener->pausing = false;
    nng_stream_listener_accept(listener->stream_listener, listener->accept);
  }
}

static int listen_tcp(struct listener *listener) {
  nng_stream_listener *handle = listener->stream_listener;
  int rv = nng_stream_listener_set_bool(handle, NNG_OPT_TCP_NODELAY, true);
  rv = rv != 0 ? rv : nng_stream_listener_set_bool(handle, NNG_OPT_TCP_KEEPALIVE, true);
  rv = rv != 0 ? rv : nng_stream_listener_listen(handle);
  nng_sockaddr address;
  rv = rv != 0 ? rv : nng_stream_listener_get_addr(handle, NNG_OPT_LOCADDR, &address);
  if (rv != 0) {
    return rv;
  }
  listen_socket_tune_tcp(&address);
  char url[LISTEN_URL_BYTES_MAX];
  listen_socket_url(&address, url);
  snprintf(listener->url, sizeof listener->url, "%s%.*s", listener->is_tls ? LISTENER_TLS : "",
           (int)(sizeof listener->url - sizeof LISTENER_TLS), url);
  return 0;
}

static enum listen_result alloc_stream(struct listener *listener, const char *url) {
  int rv = nng_stream_listener_alloc(&listener->stream_listener, url);
  rv = rv != 0 ? rv : nng_aio_alloc(&listener->accept, accepted, listener);
  return result_of(rv);
}

/* nng binds a name beside the path and unlinks that name at the end without a check. The socket is
 * renamed to the path once it listens: clients find only a socket that listens, and nng removes no
 * socket of another server. */
static enum listen_result listen_beside(struct listener *listener, const char *path) {
  char beside[SOCKET_PATH_BYTES_MAX], url[LISTEN_URL_BYTES_MAX];
  socket_path_beside(path, beside);
  snprintf(url, sizeof url, IPC_SCHEME "%s", beside);
  enum listen_result result = alloc_stream(listener, url);
  if (result != LISTEN_OK) {
    return result;
  }
  int rv = nng_stream_listener_set_int(listener->stream_listener, NNG_OPT_IPC_PERMISSIONS,
                                       (int)socket_mode(path));
  rv = rv != 0 ? rv : nng_stream_listener_listen(listener->stream_listener);
  if (rv != 0) {
    return result_of(rv);
  }
  if (!socket_file_record(&listener->file, beside) || !socket_path_publish(beside, path)) {
    result = listen_socket_result();
    listener->file.path[0] = '\0';
    return result;
  }
  snprintf(listener->file.path, sizeof listener->file.path, "%s", path);
  return LISTEN_OK;
}

static enum listen_result listen_ipc(struct listener *listener, const char *url) {
  const char *path = socket_path_of(url);
  size_t len = strlen(path);
  if (path[0] != '/' || path[len - 1] == '/') {
    return LISTEN_BAD_ADDRESS;
  }
  if (len >= SOCKET_PATH_BYTES_MAX) {
    log_line(LOG_ERROR, "path too long path=%s bytes=%zu bytes_max=%d", path, len,
             SOCKET_PATH_BYTES_MAX - 1);
    return LISTEN_PATH_TOO_LONG;
  }
  int directory = socket_path_lock(path);
  if (directory < 0) {
    return listen_socket_result();
  }
  enum listen_result result =
      socket_path_clear(path) ? listen_beside(listener, path) : listen_socket_result();
  close(directory);
  snprintf(listener->url, sizeof listener->url, "%s", url);
  return result;
}

static enum listen_result start_listening(struct listener *listener, const char *url) {
  listener->is_tls = strncmp(url, LISTENER_TLS, strlen(LISTENER_TLS)) == 0;
  url += listener->is_tls ? strlen(LISTENER_TLS) : 0;
  bool ipc = !listener->is_tls && socket_path_of(url) != NULL;
  if (!ipc && strncmp(url, "tcp://", 6) != 0) {
    return LISTEN_BAD_ADDRESS;
  }
  listener->transport = ipc ? SP_IPC : SP_TCP;
  if (ipc) {
    return listen_ipc(listener, url);
  }
  enum listen_result result = alloc_stream(listener, url);
  return result == LISTEN_OK ? result_of(listen_tcp(listener)) : result;
}

enum listen_result listener_open(const struct transport_acceptor *acceptor, const char *url,
                                 char bound_url[LISTEN_URL_BYTES_MAX], struct listener **listener) {
  struct listener *opened = calloc(1, sizeof *opened);
  if (opened == NULL) {
    return LISTEN_FAILED;
  }
  opened->acceptor = acceptor;
  enum listen_result result = start_listening(opened, url);
  if (result != LISTEN_OK) {
    listener_free(opened);
    return result;
  }
  memcpy(bound_url, opened->url, LISTEN_URL_BYTES_MAX);
  nng_stream_listener_accept(opened->stream_listener, opened->accept);
  *listener = opened;
  return LISTEN_OK;
}

void listener_stop(struct listener *listener) {
  atomic_store(&listener->stopping, true);
  socket_file_remove(&listener->file); /* while it is open */
  nng_stream_listener_close(listener->stream_listener);
  nng_aio_stop(listener->accept);
}

void listener_free(struct listener *listener) {
  socket_file_remove(&listener->file);
  if (listener->accept != NULL) {
    nng_aio_free(listener->accept);
  }
  if (listener->stream_listener != NULL) {
    nng_stream_listener_free(listener->stream_listener);
  }
  free(listener);
}
