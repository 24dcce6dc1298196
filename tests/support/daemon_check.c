/* Memory that a server has when its clients are gone. Requested in the plain protocol, because the
 * library is what is tested. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "proto/holdfast.pb-c.h"
#include "proto/ring_layout.h"
#include "proto/sp.h"
#include "tests/support/daemon.h"

#define WAIT_MS 1000 /* for the ends of clients to be noticed */
#define POLL_MS 5
#define ANSWER_S 1
#define REPLY_BYTES_MAX 4096
#define LIFE_BYTES 4096

/* What the server has, and for how many clients. */
struct holding {
  uint64_t clients; /* connections, but the one that asks */
  uint64_t sessions;
  uint64_t cells, segment_cells;
  struct mapped {
    unsigned rings;
    unsigned large; /* segments that are a cell's alone */
  } mapped;
};

/* ---------------------------------------------------------------- asking */

static int dial(const struct daemon *daemon) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const struct timeval limit = {.tv_sec = ANSWER_S};
  uint8_t hello[SP_HELLO_BYTES];
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  snprintf(address.sun_path, sizeof address.sun_path, "%s", daemon->ipc_url + strlen("ipc://"));
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sp_hello_write(hello, SP_REQ);
  if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
      send(fd, hello, sizeof hello, MSG_NOSIGNAL) == sizeof hello &&
      recv(fd, hello, sizeof hello, MSG_WAITALL) == sizeof hello) {
    return fd;
  }
  close(fd);
  return -1;
}

static bool send_request(int fd) {
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__ServerInfo info = HOLDFAST__SERVER_INFO__INIT;
  const struct sp_route route = sp_route_of(1);
  uint8_t frame[256];
  request.operation_case = HOLDFAST__REQUEST__OPERATION_SERVER_INFO;
  request.server_info = &info;
  size_t body_len = holdfast__request__get_packed_size(&request);
  size_t len = sp_prefix_write(SP_IPC, frame, route.len + body_len);
  memcpy(frame + len, route.words, route.len);
  len += route.len;
  len += holdfast__request__pack(&request, frame + len);
  return send(fd, frame, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static Holdfast__Response *receive_response(int fd) {
  uint8_t input[REPLY_BYTES_MAX];
  struct bytes body, payload;
  struct sp_route route;
  size_t len = 0, used, needed;
  enum sp_result result = SP_MORE;
  while (result == SP_MORE) {
    ssize_t received = recv(fd, input + len, sizeof input - len, 0);
    if (received <= 0) {
      return NULL;
    }
    len += (size_t)received;
    result = sp_frame_read(SP_IPC, bytes_of(input, len), sizeof input, &body, &used, &needed);
  }
  return result == SP_OK && sp_route_read(body, &route, &payload) == SP_OK
             ? holdfast__response__unpack(NULL, payload.len, payload.data)
             : NULL;
}

static bool ask(int fd, struct holding *holding) {
  Holdfast__Response *response = send_request(fd) ? receive_response(fd) : NULL;
  bool answered = response && response->result_case == HOLDFAST__RESPONSE__RESULT_SERVER;
  if (answered) {
    const Holdfast__Server *server = response->server;
    holding->clients = server->connections - 1;
    holding->sessions = server->sessions;
    holding->cells = server->shared_cells;
    holding->segment_cells = server->segment_cells;
  }
  if (response) {
    holdfast__response__free_unpacked(response, NULL);
  }
  return answered;
}

/* Counts by size: rings have one of their own, and so have arenas and the page of its life. */
static struct mapped count_mapped(const struct daemon *daemon) {
  char path[64], line[512];
  struct mapped mapped = {0};
  snprintf(path, sizeof path, "/proc/%ld/maps", (long)daemon->pid);
  FILE *file = fopen(path, "re");
  while (file && fgets(line, sizeof line, file)) {
    char *end;
    unsigned long from = strtoul(line, &end, 16), to = strtoul(end + 1, NULL, 16);
    bool is_ring = to - from == segment_bytes(HF_RING_BYTES);
    bool is_large = !is_ring && to - from != HF_ARENA_BYTES && to - from != LIFE_BYTES;
    if (strstr(line, "memfd:holdfast")) {
      mapped.rings += is_ring;
      mapped.large += is_large;
    }
  }
  if (file) {
    fclose(file);
  }
  return mapped;
}

unsigned daemon_rings(const struct daemon *daemon) {
  return count_mapped(daemon).rings;
}

/* ---------------------------------------------------------------- judging */

/* A ring is a connection's, a cell in a segment an object's or a session's; a large segment is one
 * cell. */
static bool is_accounted_for(const struct holding *holding) {
  bool is_kept = holding->sessions > 0 || holding->segment_cells == holding->cells;
  return holding->mapped.rings <= holding->clients && holding->segment_cells >= holding->cells &&
         is_kept && holding->mapped.large <= holding->segment_cells;
}

static void describe(const struct holding *holding, const char *what) {
  fprintf(stderr,
          "daemon: %s: %llu connections, %llu sessions; %u rings, %llu cells, %llu in segments, %u "
          "large segments\n",
          what, (unsigned long long)holding->clients, (unsigned long long)holding->sessions,
          holding->mapped.rings, (unsigned long long)holding->cells,
          (unsigned long long)holding->segment_cells, holding->mapped.large);
}

void daemon_check(const struct daemon *daemon) {
  struct holding holding = {0};
  int fd = dial(daemon);
  bool answered = false;
  for (long waited_ms = 0; fd >= 0 && waited_ms <= WAIT_MS; waited_ms += POLL_MS) {
    answered = ask(fd, &holding);
    holding.mapped = count_mapped(daemon);
    bool is_quiet = holding.clients == 0 && holding.sessions == 0;
    if (!answered || (is_quiet && is_accounted_for(&holding))) {
      break;
    }
    nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000}, NULL);
  }
  if (fd >= 0) {
    close(fd);
  }
  if (!answered) {
    fprintf(stderr, "daemon: does not answer; whether it holds anything is not known\n");
  } else if (!is_accounted_for(&holding)) {
    describe(&holding, "memory of clients that are gone is left");
    exit(EXIT_FAILURE);
  } else if (holding.clients > 0 || holding.sessions > 0) {
    describe(&holding, "clients are there yet");
  }
}
