#include "server/server.h"

#include "proto/base/log.h"
#include "proto/base/socket_path.h"
#include "proto/limits.h"
#include "server/cells/shared_cells.h"
#include "server/connection/connections.h"
#include "server/credentials.h"
#include "server/durability.h"
#include "server/loading.h"
#include "server/ports_file.h"
#include "server/process.h"
#include "server/reload.h"
#include "server/transport/rings.h"
#include "server/transport/sockets.h"
#include "server/transport/tls_gate.h"
#include "server/users/users.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FLUSH_MS 2000
#define LOG_FLUSH_MS 500
/* Descriptors: the process's own, a few clients', and those that are kept (proto/base/descriptors.h). */
#define DESCRIPTORS_MIN 60
#define DESCRIPTORS_OF_ADDRESS 2

struct server {
  struct segments *segments; /* NULL: there is no shared memory */
  struct shared_cells cells; /* over the segments, if there are some */
  struct connections *connections;
  struct sockets *sockets;
  struct rings *rings;
  struct tls_gate *gate; /* NULL: no keys, no certificate */
  struct dispatch *dispatch;
  struct durability durability;
  struct users *users; /* until the state is loaded */
  struct reload reload;
  char bound[SETTINGS_LISTEN_MAX][LISTEN_URL_BYTES_MAX];
  size_t bound_count;
  bool has_private; /* the directories of these may be its own; see listen_privately */
  char handshake[RINGS_PATH_BYTES_MAX]; /* the first */
};

/* ---------------------------------------------------------------------------------- signals */

static void exit_at_once(int signal_number) {
  _exit(128 + signal_number);
}

static void wait_for_end(struct server *server, const sigset_t *signals, int watch) {
  int signal_number;
  while ((signal_number = process_wait(signals, watch, RELOAD_WATCH_MS)) == SIGHUP ||
         signal_number == PROCESS_TIMED_OUT) {
    if (signal_number == SIGHUP) {
      reload_now(&server->reload);
    } else {
      reload_if_changed(&server->reload);
    }
  }
  if (signal_number != 0) {
    log_line(LOG_INFO, "stopping signal=%s", strsignal(signal_number));
  } else {
    log_line(LOG_INFO, "stopping reason=\"the process of --exit-with has ended\"");
  }
  struct sigaction action = {.sa_handler = exit_at_once};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  signal(SIGHUP, SIG_IGN);
  pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

/* ------------------------------------------------------------------------------- starting */

static int open_segment(void *ctx, uint64_t segment, size_t *bytes) {
  return segments_duplicate(ctx, segment, bytes);
}

static bool start_parts(struct server *server, const struct settings *settings,
                        struct users *users) {
  bool is_durable = durability_is_on(&server->durability);
  server->segments = segments_new(); /* its life is this thread's */
  if (server->segments == NULL) {
    log_line(LOG_WARN, "no shared memory reason=\"%s\"", strerror(errno));
  }
  server->connections = connections_new(HF_CONNECTIONS_MAX, users);
  const struct segment_opener opener = {server->segments,
                                        server->segments != NULL ? open_segment : NULL};
  server->rings = rings_new(&opener);
  if (server->connections == NULL || server->rings == NULL) {
    return false;
  }
  struct dispatch_config config = {.memory_bytes_max = settings->memory_bytes_max,
                                   .version = HF_VERSION,
                                   .is_loading = is_durable};
  if (server->segments != NULL) {
    const struct segment_source source = segments_source(server->segments);
    shared_cells_init(&server->cells, &source, &cell_kernel);
    config.cell_host = &server->cells.host;
  }
  server->dispatch = dispatch_start(&config, connections_sink(server->connections));
  if (server->dispatch == NULL || !dispatch_set_users(server->dispatch, users_settings(users))) {
    return false;
  }
  server->reload.connections = server->connections;
  server->reload.dispatch = server->dispatch;
  const struct transport_acceptor *acceptor =
      connections_acceptor(server->connections, server->dispatch);
  server->sockets = sockets_new(acceptor);
  return server->sockets != NULL && rings_start(server->rings, acceptor);
}

static uint64_t served_ns(void *dispatch) {
  return dispatch_served_ns(dispatch);
}

static void set_crowded(void *dispatch, bool is_crowded) {
  dispatch_set_crowded(dispatch, is_crowded);
}

/* For tls+tcp addresses, if there is something to open it with. The context is shared. */
static bool start_gate(struct server *server, struct tls_context *context) {
  const struct tls_gate_host host = {server->dispatch, served_ns, set_crowded};
  if (context == NULL) {
    return true;
  }
  server->gate = tls_gate_new(connections_acceptor(server->connections, server->dispatch),
                              &dispatch_budget(server->dispatch)->buffers, &host);
  if (server->gate == NULL) {
    return false;
  }
  tls_gate_use(server->gate, tls_context_share(context));
  sockets_set_tls(server->sockets, tls_gate_acceptor(server->gate));
  server->reload.gate = server->gate;
  return true;
}

/* Beside an ipc socket; clients over tcp get the first path. */
static void open_handshake(struct server *server, const char *url) {
  char path[RINGS_PATH_BYTES_MAX];
  const char *socket = socket_path_of(url);
  if (socket != NULL && rings_listen(server->rings, socket, path) && server->handshake[0] == '\0') {
    memcpy(server->handshake, path, sizeof path);
    dispatch_set_local_handshake(server->dispatch, server->handshake);
  }
}

/* Of an ipc address; a directory that is not empty, or not ours, stays. */
static void remove_directory(const char *url) {
  char path[LISTEN_URL_BYTES_MAX];
  if (socket_path_of(url) != NULL) {
    snprintf(path, sizeof path, "%s", socket_path_of(url));
    *strrchr(path, '/') = '\0';
    (void)rmdir(path);
  }
}

static void remove_private_directories(const struct server *server) {
  for (size_t i = 0; server->has_private && i < server->bound_count; i++) {
    remove_directory(server->bound[i]);
  }
}

/* Whether its directory's name ends with XXXXXX, which are to become others. The client of a private server
 * can be killed at any moment: it leaves nothing, since it makes nothing. */
static bool is_private(const char *url) {
  const char *path = socket_path_of(url), *end = strrchr(url, '/');
  return path != NULL && end - path >= 6 && memcmp(end - 6, "XXXXXX", 6) == 0;
}

/* false: errno is set */
static bool make_directory(char *url) {
  char *end = strrchr(url, '/');
  *end = '\0';
  bool is_made = mkdtemp(url + strlen(IPC_SCHEME)) != NULL;
  *end = '/';
  return is_made;
}

static int listen_on(struct server *server, const char *url) {
  char *bound = server->bound[server->bound_count];
  enum listen_result result = sockets_listen(server->sockets, url, bound);
  if (result != LISTEN_OK) {
    log_line(LOG_ERROR, "can't listen url=%s reason=\"%s\"", url, listen_result_sentence(result));
    bool is_usage = result == LISTEN_BAD_ADDRESS || result == LISTEN_NO_TLS;
    return is_usage ? CONFIG_EXIT_USAGE : EXIT_FAILURE;
  }
  server->bound_count++;
  open_handshake(server, bound);
  log_line(LOG_INFO, "listening url=%s", bound);
  return EXIT_SUCCESS;
}

/* In a directory of its own. */
static int listen_privately(struct server *server, const char *address) {
  char url[LISTEN_URL_BYTES_MAX];
  snprintf(url, sizeof url, "%s", address);
  if (!make_directory(url)) {
    log_line(LOG_ERROR, "can't make a directory url=%s reason=\"%s\"", url, strerror(errno));
    return EXIT_FAILURE;
  }
  int status = listen_on(server, url);
  if (status != EXIT_SUCCESS) {
    remove_directory(url);
  }
  return status;
}

static int listen_on_all(struct server *server, const struct settings *settings) {
  int status = EXIT_SUCCESS;
  for (size_t i = 0; i < settings->listen_count && status == EXIT_SUCCESS; i++) {
    const char *url = settings->listen[i];
    bool makes_directory = settings->exit_with != 0 && is_private(url);
    status = makes_directory ? listen_privately(server, url) : listen_on(server, url);
  }
  return status;
}

static bool write_ports_file(const struct server *server, const char *path) {
  char text[SETTINGS_LISTEN_MAX * LISTEN_URL_BYTES_MAX + 1];
  size_t len = 0;
  for (size_t i = 0; i < server->bound_count; i++) {
    len += (size_t)snprintf(text + len, sizeof text - len, "%s\n", server->bound[i]);
  }
  if (!ports_file_write(path, text, len)) {
    log_line(LOG_ERROR, "can't write --ports-file path=%s reason=\"%s\"", path, strerror(errno));
    return false;
  }
  return true;
}

/* -------------------------------------------------------------------------------- stopping */

static void stop_parts(struct server *server) {
  if (server->rings != NULL) {
    rings_stop_accepting(server->rings);
  }
  if (server->sockets != NULL) {
    sockets_stop_accepting(server->sockets);
  }
  if (server->gate != NULL) {
    tls_gate_stop(server->gate);
  }
  if (server->dispatch != NULL) {
    if (!durability_is_on(&server->durability)) { /* else what waits goes on after the next start */
      dispatch_drain(server->dispatch);
    }
    connections_close(server->connections, FLUSH_MS);
    rings_stop(server->rings);
    dispatch_stop(server->dispatch);
  }
  durability_stop(&server->durability);
  if (server->dispatch != NULL) {
    dispatch_free(server->dispatch);
  }
  if (server->rings != NULL) {
    rings_free(server->rings);
  }
  if (server->sockets != NULL) {
    sockets_free(server->sockets);
  }
  if (server->gate != NULL) { /* which threads of the sockets may be in until then */
    tls_gate_free(server->gate);
  }
  if (server->connections != NULL) {
    connections_free(server->connections);
  }
  if (server->users != NULL) {
    users_release(server->users);
  }
  if (server->segments != NULL) {
    shared_cells_deinit(&server->cells);
    segments_free(server->segments);
  }
}

/* See loading.h: what the next start, or a client, would find. */
static void abandon(void *ctx) {
  struct server *server = ctx;
  if (server->rings != NULL) {
    rings_stop_accepting(server->rings);
  }
  sockets_stop_accepting(server->sockets);
  remove_private_directories(server);
}

static bool load(struct server *server, const struct settings *settings) {
  struct loading loading = {.abandon = abandon, .ctx = server};
  if (!loading_begin(&loading)) {
    log_line(LOG_ERROR, "can't start reason=\"%s\"", strerror(errno));
    return false;
  }
  bool is_loaded = durability_load(
      &server->durability, settings, server->segments != NULL ? &server->cells.host : NULL,
      server->dispatch, server->connections, users_settings(server->users));
  loading_end(&loading);
  return is_loaded;
}

/* What the settings' files say is wrong is an error of the configuration. */
static int start(struct server *server, const struct settings *settings) {
  char error[CONFIG_ERROR_BYTES];
  struct credentials credentials;
  if (!credentials_load(&credentials, settings, settings->insecure_no_auth, error)) {
    log_line(LOG_ERROR, "can't start reason=\"%s\"", error);
    return CONFIG_EXIT_USAGE;
  }
  credentials_warn(&credentials, settings);
  bool is_started =
      start_parts(server, settings, credentials.users) && start_gate(server, credentials.tls);
  server->users = users_share(credentials.users);
  credentials_release(&credentials);
  if (!is_started) {
    log_line(LOG_ERROR, "can't start reason=\"out of memory\"");
  }
  return is_started ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_parts(struct server *server, const struct settings *settings,
                     const sigset_t *signals, int watch) {
  if (!durability_lock(&server->durability, settings)) {
    return EXIT_FAILURE;
  }
  int status = start(server, settings);
  if (status != EXIT_SUCCESS) {
    return status;
  }
  if (settings->warning != NULL) {
    log_line(LOG_WARN, "no ipc address reason=\"%s; name one by --listen\"", settings->warning);
  }
  status = listen_on_all(server, settings);
  if (status != EXIT_SUCCESS) {
    return status;
  }
  if (settings->ports_file != NULL && !write_ports_file(server, settings->ports_file)) {
    return EXIT_FAILURE;
  }
  if (durability_is_on(&server->durability) && !load(server, settings)) {
    return EXIT_FAILURE;
  }
  log_line(LOG_INFO, "ready version=%s", HF_VERSION);
  wait_for_end(server, signals, watch);
  return EXIT_SUCCESS;
}

static bool has_descriptors(const struct settings *settings) {
  uint64_t max = process_descriptors_max();
  uint64_t wanted = DESCRIPTORS_MIN + DESCRIPTORS_OF_ADDRESS * settings->listen_count;
  if (max < wanted) {
    log_line(LOG_ERROR,
             "can't start reason=\"only %llu files may be open; raise the limit to %llu or more "
             "(ulimit -n, LimitNOFILE)\"",
             (unsigned long long)max, (unsigned long long)wanted);
  }
  return max >= wanted;
}

static int run_in_process(struct config *config, int argc, char **argv, const sigset_t *signals) {
  const struct settings *settings = config_settings(config);
  struct server server = {
      .durability = {.lock = {-1, -1}},
      .reload = {.argc = argc, .argv = argv, .started = config, .config = config}};
  if (!process_has_room()) {
    log_line(LOG_ERROR,
             "can't start reason=\"no room for the server's threads: %s; raise the limits on "
             "address space (ulimit -v) and on processes (ulimit -u, TasksMax)\"",
             strerror(errno));
    return EXIT_FAILURE;
  }
  if (!has_descriptors(settings)) {
    return EXIT_FAILURE;
  }
  int watch = -1;
  if (settings->exit_with != 0 && (watch = process_watch(settings->exit_with)) < 0) {
    log_line(LOG_ERROR, "can't watch the process of --exit-with pid=%d reason=\"%s\"",
             (int)settings->exit_with, strerror(errno));
    return EXIT_FAILURE;
  }
  server.has_private = watch >= 0;
  int status = run_parts(&server, settings, signals, watch);
  stop_parts(&server);
  reload_deinit(&server.reload);
  remove_private_directories(&server);
  if (watch >= 0) {
    close(watch);
  }
  return status;
}

int server_run(struct config *config, int argc, char **argv) {
  sigset_t signals;
  process_block_signals(&signals);
  umask(0077); /* protects an ipc socket before its mode is set */
  log_set_level(config_settings(config)->log_level);
  if (!log_start()) {
    log_line(LOG_ERROR, "can't start reason=\"no thread for the log: %s\"", strerror(errno));
    return EXIT_FAILURE;
  }
  int status = run_in_process(config, argc, argv, &signals);
  if (status == EXIT_SUCCESS) {
    log_line(LOG_INFO, "stopped");
  }
  log_stop(LOG_FLUSH_MS);
  return status;
}
