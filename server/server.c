#include "server/server.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/limits.h"
#include "server/dispatch/dispatch.h"
#include "server/local/local.h"
#include "server/memory/segments.h"
#include "server/net/net.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLUSH_MS 2000

struct server {
  struct segments *segments; /* NULL: there is no shared memory */
  struct net *net;
  struct local *local;
  struct dispatch_sink sink; /* to either */
  struct dispatch *dispatch;
  char bound[OPTIONS_LISTEN_MAX][NET_URL_BYTES_MAX];
  size_t bound_count;
  char door[LOCAL_PATH_BYTES_MAX]; /* the first */
};

/* ---------------------------------------------------------------------------------- signals */

/* Blocked before the first thread starts, so that all inherit it and only sigwait sees them. */
static void block_signals(sigset_t *ends) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  sigemptyset(ends);
  sigaddset(ends, SIGTERM);
  sigaddset(ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, ends, NULL);
}

static void exit_at_once(int signal_number) {
  _exit(128 + signal_number);
}

static void wait_for_end(const sigset_t *ends) {
  int signal_number = 0;
  while (sigwait(ends, &signal_number) != 0) {
  }
  log_line(LOG_INFO, "stopping signal=%s", strsignal(signal_number));
  struct sigaction action = {.sa_handler = exit_at_once};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  pthread_sigmask(SIG_UNBLOCK, ends, NULL);
}

/* ------------------------------------------------------------------------------- starting */

/* The numbers of connections tell whose they are. */
static const struct dispatch_sink *sink_of(const struct server *server, uint64_t connection) {
  return connection & LOCAL_CONNECTION ? local_sink(server->local) : net_sink(server->net);
}

static uint8_t *begin_reply(void *ctx, void *self, uint64_t connection,
                            const struct sp_route *route, size_t body_len) {
  const struct dispatch_sink *sink = sink_of(ctx, connection);
  return sink->begin(sink->ctx, self, connection, route, body_len);
}

static void commit_reply(void *ctx, void *self, uint64_t connection) {
  const struct dispatch_sink *sink = sink_of(ctx, connection);
  sink->commit(sink->ctx, self, connection);
}

static void close_connection(void *ctx, uint64_t connection) {
  const struct dispatch_sink *sink = sink_of(ctx, connection);
  sink->close(sink->ctx, connection);
}

static int lend_segment(void *ctx, uint64_t segment, size_t *bytes) {
  return segments_lend(ctx, segment, bytes);
}

static bool start_parts(struct server *server, const struct options *options) {
  server->segments = segments_new(); /* its life is this thread's */
  if (server->segments == NULL) {
    log_line(LOG_WARN, "no shared memory reason=\"%s\"", strerror(errno));
  }
  server->net = net_new(HF_CONNECTIONS_MAX);
  const struct segment_lender lender = {server->segments,
                                        server->segments != NULL ? lend_segment : NULL};
  server->local = local_new(&lender);
  if (server->net == NULL || server->local == NULL) {
    return false;
  }
  server->sink = (struct dispatch_sink){server, begin_reply, commit_reply, close_connection};
  struct dispatch_config config = {.memory_bytes_max = options->memory_bytes_max,
                                   .version = HF_VERSION};
  if (server->segments != NULL) {
    config.segments = segments_source(server->segments);
  }
  server->dispatch = dispatch_start(&config, &server->sink);
  return server->dispatch != NULL && local_start(server->local, server->dispatch);
}

/* Beside an ipc socket; the first is told to clients that come over tcp. */
static void open_door(struct server *server, const char *url) {
  char path[LOCAL_PATH_BYTES_MAX];
  bool is_ipc = strncmp(url, "ipc://", 6) == 0;
  if (is_ipc && local_listen(server->local, url + 6, path) && server->door[0] == '\0') {
    memcpy(server->door, path, sizeof path);
    dispatch_set_door(server->dispatch, server->door);
  }
}

static int listen_on_all(struct server *server, const struct options *options) {
  for (size_t i = 0; i < options->listen_count; i++) {
    char *bound = server->bound[server->bound_count];
    enum net_result result = net_listen(server->net, server->dispatch, options->listen[i], bound);
    if (result != NET_OK) {
      log_line(LOG_ERROR, "can't listen url=%s reason=\"%s\"", options->listen[i],
               net_result_sentence(result));
      return result == NET_BAD_ADDRESS ? OPTIONS_EXIT_USAGE : EXIT_FAILURE;
    }
    server->bound_count++;
    open_door(server, bound);
    log_line(LOG_INFO, "listening url=%s", bound);
  }
  return EXIT_SUCCESS;
}

/* Readers see the whole file or none: it is written beside its place and renamed. */
static bool write_ports_file(const struct server *server, const char *path) {
  char temporary[4096];
  int len = snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
  FILE *file = len > 0 && (size_t)len < sizeof temporary ? fopen(temporary, "we") : NULL;
  bool written = file != NULL;
  for (size_t i = 0; written && i < server->bound_count; i++) {
    written = fprintf(file, "%s\n", server->bound[i]) > 0;
  }
  if (file != NULL) {
    written = fclose(file) == 0 && written;
    written = written && rename(temporary, path) == 0;
  }
  if (!written) {
    log_line(LOG_ERROR, "can't write --ports-file path=%s reason=\"%s\"", path, strerror(errno));
    if (file != NULL) {
      unlink(temporary);
    }
  }
  return written;
}

/* -------------------------------------------------------------------------------- stopping */

static uint32_t left_ms(uint64_t deadline_ns) {
  uint64_t now_ns = clock_now_ns();
  return now_ns < deadline_ns ? (uint32_t)((deadline_ns - now_ns) / CLOCK_NS_PER_MS) : 0;
}

static void stop_parts(struct server *server) {
  if (server->local != NULL) {
    local_stop_accepting(server->local);
  }
  if (server->net != NULL) {
    net_stop_accepting(server->net);
  }
  if (server->dispatch != NULL) {
    uint64_t deadline_ns = clock_deadline_ns(clock_now_ns(), FLUSH_MS);
    dispatch_drain(server->dispatch);
    net_close(server->net, FLUSH_MS);
    local_close(server->local, left_ms(deadline_ns));
    dispatch_stop(server->dispatch);
  }
  if (server->local != NULL) {
    local_free(server->local);
  }
  if (server->net != NULL) {
    net_free(server->net);
  }
  if (server->segments != NULL) {
    segments_free(server->segments);
  }
}

int server_run(const struct options *options) {
  sigset_t ends;
  block_signals(&ends);
  umask(0077); /* an ipc socket is nobody else's business even before its mode is set */
  log_set_level(options->log_level);
  struct server server = {0};
  int status = EXIT_FAILURE;
  if (!start_parts(&server, options)) {
    log_line(LOG_ERROR, "can't start reason=\"out of memory\"");
  } else {
    status = listen_on_all(&server, options);
    if (status == EXIT_SUCCESS && options->ports_file != NULL &&
        !write_ports_file(&server, options->ports_file)) {
      status = EXIT_FAILURE;
    }
  }
  if (status == EXIT_SUCCESS) {
    log_line(LOG_INFO, "ready version=%s", HF_VERSION);
    wait_for_end(&ends);
  }
  stop_parts(&server);
  if (status == EXIT_SUCCESS) {
    log_line(LOG_INFO, "stopped");
  }
  return status;
}
