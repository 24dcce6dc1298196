#include "tests/integration/world.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct world world;

void world_expect(hf_status got, hf_status status, const char *reason, const char *call,
                  const char *file, int line) {
  const struct hf_error *error = hf_last_error();
  bool is_reason = got == HF_OK || strcmp(error->reason, reason) == 0;
  if (got == status && is_reason) {
    return;
  }
  print_error("%s\n  expected %s %s, got %s %s: %s\n", call, hf_status_name(status), reason,
              hf_status_name(got), got == HF_OK ? "" : error->reason,
              got == HF_OK ? "" : error->message);
  _fail(file, line);
}

void expect_equal(hf_value got, hf_value expected) {
  if (!hf_value_equal(got, expected)) {
    print_error("values differ: type %d, expected type %d; as integers %lld, expected %lld\n",
                (int)got.type, (int)expected.type, (long long)got.integer,
                (long long)expected.integer);
    fail();
  }
  assert_int_equal(got.type, expected.type);
  hf_value_clear(&got);
}

void expect_ints(hf_value *values, size_t count, const int64_t *expected, size_t expected_count) {
  assert_int_equal(count, expected_count);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(values[i].type, HF_TYPE_INT);
    assert_int_equal(values[i].integer, expected[i]);
  }
  hf_values_free(values, count);
}

/* So that nothing passes over a socket that is to be tested over shared memory. */
static bool is_over_transport(hf_conn *conn) {
  bool is_path = strcmp(hf_conn_path(conn), world.path) == 0;
  if (!is_path) {
    print_error("the path is %s, not %s: %s\n", hf_conn_path(conn), world.path,
                hf_conn_path_reason(conn));
  }
  return is_path;
}

hf_conn *connect_again(int64_t call_timeout_ms) {
  const struct hf_options options = {.call_timeout_ms = call_timeout_ms, .client = "again"};
  hf_conn *conn = NULL;
  expect_ok(hf_connect(world.url, &options, &conn));
  assert_true(is_over_transport(conn));
  return conn;
}

void server_stop(void) {
  int status;
  assert_int_equal(kill(world.daemon.pid, SIGSTOP), 0);
  assert_int_equal(waitpid(world.daemon.pid, &status, WUNTRACED), world.daemon.pid);
  assert_true(WIFSTOPPED(status));
}

void server_continue(void) {
  assert_int_equal(kill(world.daemon.pid, SIGCONT), 0);
}

pid_t child_start(int (*work)(void *), void *argument) {
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    _exit(work(argument));
  }
  return child;
}

int child_end(pid_t child) {
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void child_kill(pid_t child) {
  assert_int_equal(kill(child, SIGKILL), 0);
  assert_int_equal(child_end(child), -1);
}

hf_conn *child_connect(void) {
  const struct hf_options options = {.grace_ms = 100, .client = "child"};
  hf_conn *conn;
  if (hf_connect(world.url, &options, &conn) != HF_OK || !is_over_transport(conn)) {
    _exit(100);
  }
  return conn;
}

uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void sleep_ms(long ms) {
  struct timespec span = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&span, NULL);
}

uint64_t object_count(void) {
  struct hf_server_info info;
  expect_ok(hf_server_info(world.conn, &info));
  return info.objects;
}

uint64_t waiting_count(void) {
  struct hf_server_info info;
  expect_ok(hf_server_info(world.conn, &info));
  return info.waiting;
}

void await_waiting(uint64_t count) {
  uint64_t until_ms = now_ms() + 5000;
  while (waiting_count() != count) {
    assert_true(now_ms() < until_ms);
    sleep_ms(2);
  }
}

void await_objects(uint64_t count) {
  uint64_t until_ms = now_ms() + 5000;
  while (object_count() != count) {
    assert_true(now_ms() < until_ms);
    sleep_ms(2);
  }
}

static int start(void **state) {
  (void)state;
  daemon_start(&world.daemon, NULL);
  if (hf_connect(world.url, NULL, &world.conn) != HF_OK) {
    return -1;
  }
  return is_over_transport(world.conn) ? 0 : -1;
}

/* Of the server's memory, when all connections are closed. */
static bool has_nothing_mapped(void) {
  char line[512];
  bool has_nothing = true;
  FILE *file = fopen("/proc/self/maps", "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (strstr(line, "memfd:holdfast") != NULL) {
      print_error("left mapped: %s", line);
      has_nothing = false;
    }
  }
  if (file != NULL) {
    fclose(file);
  }
  return has_nothing;
}

static int stop(void **state) {
  (void)state;
  bool is_still = world.daemon.pid == 0 || is_over_transport(world.conn);
  hf_close(world.conn);
  daemon_stop(&world.daemon);
  return is_still && has_nothing_mapped() ? 0 : -1;
}

bool world_choose(const char *transport) {
  bool is_local = strcmp(transport, "local") == 0;
  bool is_ipc = strcmp(transport, "ipc") == 0;
  if (strcmp(transport, "tls") == 0) {
    daemon_use_tls();
  }
  world.url = is_local || is_ipc ? world.daemon.ipc_url : world.daemon.tcp_url;
  world.path = is_local ? "shared memory" : transport;
  setenv("HOLDFAST_LOCAL", is_local ? "on" : "off", 1);
  return is_local || is_ipc || strcmp(transport, "tcp") == 0 || strcmp(transport, "tls") == 0;
}

int world_main(int argc, char **argv, const char *name, const struct CMUnitTest *tests,
               size_t count) {
  if (!world_choose(argc > 1 ? argv[1] : "tcp")) {
    fprintf(stderr, "usage: %s [tcp|tls|ipc|local]\n", argv[0]);
    return EXIT_FAILURE;
  }
  return _cmocka_run_group_tests(name, tests, count, start, stop);
}
