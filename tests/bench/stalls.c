/* bench_stalls: how long requests on the largest objects delay all other clients.
 *
 * usage: bench_stalls [SCALE [GROUP]...]   SCALE 1: objects at their limits (20 GiB are needed), 0.001: a
 *        quick look; GROUP: only these
 *
 * A table: operation, size, the request's own time, what another client's pings took meanwhile, and
 * what the machine's floor took in the same time: a byte over tcp to a process that only echoes, and
 * back.
 */
#include "tests/bench/stalls.h"

#include "proto/base/clock.h"
#include "proto/limits.h"
#include "tests/bench/pings.h"
#include "tests/bench/process.h"
#include "tests/support/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECTIONS_MAX 1024
#define CHUNK_COUNT 500
#define ANSWER_TIMEOUT_MS 1800000
#define MARGIN_MS 100 /* pings before and after the request */

struct attacker stalls_client;
static struct attacker parked[CONNECTIONS_MAX];
static size_t parked_count;
static struct daemon server;
static pid_t prober;
static double scale = 1;
static uint64_t begun_ns;

uint64_t stalls_scaled(uint64_t size) {
  double scaled = (double)size * scale;
  return scaled < 1 ? 1 : (uint64_t)scaled;
}

static void pause_ms(long ms) {
  nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

void stalls_begin(void) {
  pings_begin();
  pause_ms(MARGIN_MS);
  begun_ns = clock_now_ns();
}

void stalls_end(const char *what, uint64_t size) {
  struct pings pings, echo;
  double own_ms = (double)(clock_now_ns() - begun_ns) / 1e6;
  pause_ms(MARGIN_MS);
  pings_end(&pings, &echo);
  printf("%-58s %12llu %12.1f %9.2f %9.2f %9.2f %9.2f\n", what, (unsigned long long)size, own_ms,
         pings.max_ms, pings.p99_ms, echo.max_ms, echo.p99_ms);
  fflush(stdout);
}

/* ---- requests */

static Holdfast__Response *receive(struct attacker *attacker) {
  Holdfast__Response *response;
  uint32_t id;
  if (!attacker_receive(attacker, ANSWER_TIMEOUT_MS, &id, &response)) {
    bench_fail("no answer");
  }
  return response;
}

static void expect_ok(const Holdfast__Response *response) {
  if (response->status != HF_OK) {
    bench_fail("refused: %.*s", (int)response->message.len, (const char *)response->message.data);
  }
}

static void call(struct attacker *attacker, Holdfast__Request *request) {
  attacker_send_request(attacker, request);
  Holdfast__Response *response = receive(attacker);
  expect_ok(response);
  holdfast__response__free_unpacked(response, NULL);
}

void stalls_call(Holdfast__Request *request) {
  call(&stalls_client, request);
}

static void open_session(struct attacker *attacker, uint32_t grace_ms) {
  call(attacker, REQUEST(OPEN_SESSION, OpenSession, open_session, .grace_ms = grace_ms));
}

void stalls_open_session(uint32_t grace_ms) {
  open_session(&stalls_client, grace_ms);
}

void stalls_call_many(uint64_t count, Holdfast__Request *(*make)(uint64_t idx)) {
  for (uint64_t done = 0; done < count;) {
    uint64_t chunk = count - done < CHUNK_COUNT ? count - done : CHUNK_COUNT;
    for (uint64_t i = 0; i < chunk; i++) {
      attacker_send_request(&stalls_client, make(done + i));
    }
    for (uint64_t i = 0; i < chunk; i++) {
      Holdfast__Response *response = receive(&stalls_client);
      expect_ok(response);
      holdfast__response__free_unpacked(response, NULL);
    }
    done += chunk;
  }
}

static uint64_t waiting(void) {
  attacker_send_request(&stalls_client, REQUEST(SERVER_INFO, ServerInfo, server_info));
  Holdfast__Response *response = receive(&stalls_client);
  expect_ok(response);
  uint64_t count = response->server->waiting;
  holdfast__response__free_unpacked(response, NULL);
  return count;
}

void stalls_park(uint64_t count, Holdfast__Request *request) {
  const uint64_t before = waiting();
  for (uint64_t done = 0; done < count; parked_count++) {
    if (parked_count == CONNECTIONS_MAX ||
        !attacker_open(&parked[parked_count], server.tcp_port, 0x30)) {
      bench_fail("the server takes no more connections");
    }
    open_session(&parked[parked_count], 0);
    for (uint64_t i = 0; i < HF_IN_FLIGHT_MAX / 2 && done < count; i++, done++) {
      attacker_send_request(&parked[parked_count], request);
    }
  }
  while (waiting() < before + count) {
    pause_ms(10);
  }
}

uint64_t stalls_object(const char *name) {
  Holdfast__Request *request =
      MESSAGE(Request, request, .target_case = HOLDFAST__REQUEST__TARGET_NAME, .name = DATA(name),
              .operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_INFO,
              .object_info = MESSAGE(ObjectInfo, object_info));
  attacker_send_request(&stalls_client, request);
  Holdfast__Response *response = receive(&stalls_client);
  expect_ok(response);
  uint64_t id = response->object->id;
  holdfast__response__free_unpacked(response, NULL);
  return id;
}

void stalls_measure(const char *what, uint64_t size, Holdfast__Request *request) {
  char title[128];
  stalls_begin();
  attacker_send_request(&stalls_client, request);
  Holdfast__Response *response = receive(&stalls_client);
  snprintf(title, sizeof title, "%s%s%.*s", what, response->status ? ": " : "",
           (int)response->reason.len, (const char *)response->reason.data);
  holdfast__response__free_unpacked(response, NULL);
  stalls_end(title, size);
}

/* ---- groups */

void stalls_idle(void) {
  stalls_begin();
  pause_ms(2000);
  stalls_end("nothing", 0);
}

static void run_group(void (*group)(void)) {
  static const char *const arguments[] = {"--memory-max", "13G", "--log-level", "error", NULL};
  daemon_start(&server, arguments);
  prober = pings_start(server.tcp_port);
  if (!attacker_open(&stalls_client, server.tcp_port, 0x30)) {
    bench_fail("the server refuses a client");
  }
  pause_ms(100);
  group();
  process_stop(prober);
  attacker_close(&stalls_client);
  while (parked_count > 0) {
    attacker_close(&parked[--parked_count]);
  }
  daemon_discard(&server); /* freeing it all would take its time, and measure nothing */
}

static bool is_chosen(const char *name, int argc, char **argv) {
  bool chosen = argc <= 2;
  for (int i = 2; i < argc; i++) {
    chosen |= strcmp(name, argv[i]) == 0;
  }
  return chosen;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(void);
  } groups[] = {
      {"idle", stalls_idle},
      {"lists", stalls_lists},
      {"changes", stalls_list_changes},
      {"slices", stalls_slices},
      {"references", stalls_references},
      {"tuples", stalls_tuples},
      {"replies", stalls_replies},
      {"arrays", stalls_arrays},
      {"names", stalls_names},
      {"sessions", stalls_sessions},
      {"chain", stalls_chain},
      {"watchers", stalls_watchers},
      {"known", stalls_known},
      {"events", stalls_events},
      {"locks", stalls_locks},
      {"queues", stalls_queues},
      {"delayed", stalls_delayed},
      {"acknowledgements", stalls_acknowledgements},
  };
  char dir[64];
  scale = argc > 1 ? strtod(argv[1], NULL) : 1;
  if (scale <= 0) {
    bench_fail("usage: bench_stalls [SCALE [GROUP]...]");
  }
  directory_make(dir);
  pings_init(dir);
  printf("%-58s %12s %12s %9s %9s %9s %9s\n", "", "size", "own ms", "ping max", "p99 ms",
         "floor max", "p99 ms");
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
    if (is_chosen(groups[i].name, argc, argv)) {
      run_group(groups[i].run);
    }
  }
  return EXIT_SUCCESS;
}
