/* The path of calls: shared memory where possible, a socket otherwise, with the same results. */
#define _GNU_SOURCE /* for prlimit */
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/limits.h"
#include "proto/local_handshake.h"
#include "proto/sp.h"
#include "tests/integration/world.h"

#define SHARED "shared memory"
#define IDLE_CLIENTS 100
#define IDLE_MS 2000
/* A clock tick, which is what /proc counts in, and what asking costs. */
#define IDLE_TICKS_MAX 1
#define PAUSE_MS 1500 /* longer than it leaves the local handshakes alone */
#define PAUSE_TICKS_MAX 20
#define CROWD 24
#define CROWD_CALLS 3000
#define FEW 4
#define PHASES 4
#define PHASE_MS 400
#define GAP_US_MAX 1500
#define CALL_MS_MAX 1000 /* a thread that is never woken waits longer, for another call */

static void expect_path(hf_conn *conn, const char *path) {
  if (strcmp(hf_conn_path(conn), path) != 0) {
    print_error("path %s instead of %s: %s\n", hf_conn_path(conn), path, hf_conn_path_reason(conn));
    fail();
  }
  assert_int_equal(*hf_conn_path_reason(conn) == '\0', strcmp(path, SHARED) == 0);
}

static hf_conn *connect_to(const char *url) {
  const struct hf_options options = {.call_timeout_ms = 3000};
  hf_conn *conn = NULL;
  expect_ok(hf_connect(url, &options, &conn));
  return conn;
}

static void handshake_path(char path[256]) {
  snprintf(path, 256, "%s.shm", world.daemon.ipc_url + strlen("ipc://"));
}

static uint64_t connection_count(void) {
  struct hf_server_info info;
  expect_ok(hf_server_info(world.conn, &info));
  return info.connections;
}

/* Soon: the end of a connection is noticed a little later than it happens. */
static void expect_connection_count(uint64_t count) {
  uint64_t until_ms = now_ms() + 2000;
  while (connection_count() != count && now_ms() < until_ms) {
    sleep_ms(2);
  }
  assert_int_equal(connection_count(), count);
}

static void test_local_is_taken_over_ipc_and_tcp(void **state) {
  const char *urls[] = {world.daemon.ipc_url, world.daemon.tcp_url};
  uint64_t before = connection_count();
  (void)state;
  for (int i = 0; i < 2; i++) {
    hf_conn *conn = connect_to(urls[i]);
    expect_path(conn, SHARED);
    expect_ok(hf_ping(conn, NULL));
    expect_connection_count(before + 1); /* the tcp connection it came by closes */
    hf_close(conn);
    expect_connection_count(before);
  }
}

static void test_local_off_stays_on_sockets(void **state) {
  (void)state;
  setenv("HOLDFAST_LOCAL", "off", 1);
  hf_conn *tcp = connect_to(world.daemon.tcp_url), *ipc = connect_to(world.daemon.ipc_url);
  setenv("HOLDFAST_LOCAL", "on", 1);
  expect_path(tcp, "tcp");
  expect_path(ipc, "ipc");
  assert_non_null(strstr(hf_conn_path_reason(ipc), "HOLDFAST_LOCAL"));
  hf_close(tcp);
  hf_close(ipc);
}

static void test_local_without_a_handshake_falls_back(void **state) {
  char path[256], aside[300];
  const char *urls[] = {world.daemon.ipc_url, world.daemon.tcp_url};
  const char *paths[] = {"ipc", "tcp"};
  (void)state;
  handshake_path(path);
  snprintf(aside, sizeof aside, "%s.aside", path);
  assert_int_equal(rename(path, aside), 0);
  for (int i = 0; i < 2; i++) {
    hf_conn *conn = connect_to(urls[i]);
    expect_path(conn, paths[i]);
    assert_non_null(strstr(hf_conn_path_reason(conn), "local handshake"));
    expect_ok(hf_ping(conn, NULL));
    hf_close(conn);
  }
  assert_int_equal(rename(aside, path), 0);
}

static void test_local_handshake_is_its_owners(void **state) {
  char path[256];
  struct stat status;
  (void)state;
  handshake_path(path);
  assert_int_equal(stat(path, &status), 0);
  assert_int_equal(status.st_mode & 0777, 0600);
}

static struct sockaddr_un address_of(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%.107s", path);
  return address;
}

static int listen_at(const char *path) {
  const struct sockaddr_un address = address_of(path);
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(listen(fd, 8), 0);
  return fd;
}

/* Both directions fill up and drain many times over. */
static void test_local_carries_more_than_a_ring_holds(void **state) {
  const size_t size = 5 << 20;
  hf_conn *conn = connect_to(world.daemon.ipc_url);
  hf_dict *dict;
  hf_value value;
  uint8_t *bytes = malloc(size);
  (void)state;
  assert_non_null(bytes);
  for (size_t i = 0; i < size; i++) {
    bytes[i] = (uint8_t)(i * 2654435761u >> 13);
  }
  expect_ok(hf_dict_open(conn, "large", &dict));
  for (int i = 0; i < 3; i++) {
    expect_ok(hf_dict_set(dict, hf_int(i), hf_bytes(bytes, size)));
    expect_ok(hf_dict_get(dict, hf_int(i), &value));
    assert_int_equal(value.size, size);
    assert_memory_equal(value.bytes, bytes, size);
    hf_value_clear(&value);
  }
  expect_ok(hf_dict_clear(dict));
  hf_dict_close(dict);
  free(bytes);
  hf_close(conn);
}

/* Rings of clients that have just left may still be unmapped. */
static void expect_rings(unsigned count) {
  uint64_t until_ms = now_ms() + 2000;
  while (daemon_rings(&world.daemon) != count && now_ms() < until_ms) {
    sleep_ms(2);
  }
  assert_int_equal(daemon_rings(&world.daemon), count);
}

static int use_in_child(void *argument) {
  hf_dict *dict = argument;
  hf_conn *conn = hf_object_conn(argument);
  unsigned rings = daemon_rings(&world.daemon); /* the parent calls on, and makes none */
  hf_value value;
  if (hf_ping(conn, NULL) != HF_OK || strcmp(hf_conn_path(conn), SHARED) != 0 ||
      daemon_rings(&world.daemon) != rings + 1) {
    return 2;
  }
  for (int i = 0; i < 1000; i++) {
    if (hf_dict_add(dict, hf_text("child"), hf_int(1), &value) != HF_OK || value.integer != i + 1) {
      return 1;
    }
  }
  return 0;
}

static void test_local_forked_child_has_its_own(void **state) {
  hf_conn *conn = connect_to(world.daemon.ipc_url);
  hf_dict *dict;
  hf_value value;
  (void)state;
  expect_ok(hf_dict_open(conn, "forked", &dict));
  expect_ok(hf_dict_set(dict, hf_text("child"), hf_int(0)));
  expect_rings(2); /* the world's, and this one's */
  pid_t child = child_start(use_in_child, dict);
  for (int i = 0; i < 1000; i++) {
    expect_ok(hf_dict_add(dict, hf_text("parent"), hf_int(1), &value));
    assert_int_equal(value.integer, i + 1);
  }
  assert_int_equal(child_end(child), 0);
  expect_path(conn, SHARED);
  hf_dict_close(dict);
  hf_close(conn);
}

/* What is sent one way falls back to a socket without a word, so it is the server that knows. */
static void test_local_one_way_has_rings_too(void **state) {
  hf_conn *conn = connect_to(world.daemon.ipc_url);
  struct hf_flush_result result;
  hf_list *list;
  (void)state;
  expect_ok(hf_list_open(conn, NULL, &list));
  expect_rings(2);
  expect_ok(hf_oneway_begin(conn));
  expect_ok(hf_list_append(list, hf_int(1)));
  expect_ok(hf_oneway_end(conn));
  expect_ok(hf_flush(conn, 3000, &result));
  assert_int_equal(result.sent, 1);
  expect_rings(3);
  hf_list_close(list);
  hf_close(conn);
}

/* The listener at the local handshake accepts every client, and answers nothing. */
static void test_local_one_way_does_without_a_silent_handshake(void **state) {
  hf_conn *conn = connect_to(world.daemon.ipc_url);
  char path[256], aside[300];
  struct hf_flush_result result;
  hf_list *list;
  (void)state;
  expect_ok(hf_list_open(conn, NULL, &list));
  handshake_path(path);
  snprintf(aside, sizeof aside, "%s.aside", path);
  assert_int_equal(rename(path, aside), 0);
  int silent = listen_at(path);
  expect_ok(hf_oneway_begin(conn));
  expect_ok(hf_list_append(list, hf_int(1)));
  expect_ok(hf_oneway_end(conn));
  expect_ok(hf_flush(conn, 5000, &result));
  assert_int_equal(result.sent, 1);
  assert_int_equal(result.failed, 0);
  close(silent);
  assert_int_equal(rename(aside, path), 0);
  hf_list_close(list);
  hf_close(conn);
}

static int connect_unheard(void *unused) {
  int ends[2];
  hf_conn *conn = NULL;
  (void)unused;
  if (pipe(ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0) {
    return 1;
  }
  close(ends[0]);
  close(ends[1]);
  signal(SIGPIPE, SIG_DFL);
  setenv("HOLDFAST_LOG", "connect", 1);
  return hf_connect(world.daemon.ipc_url, NULL, &conn) == HF_OK ? 0 : 2;
}

/* As of `worker 2>&1 | head`. */
static void test_local_nobody_has_to_read_the_log(void **state) {
  (void)state;
  assert_int_equal(child_end(child_start(connect_unheard, NULL)), 0);
}

/* ---------------------------------------------------------------- all are taken */

static bool may_have_descriptors(rlim_t count) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < count) {
    return false;
  }
  limit.rlim_cur = limit.rlim_cur < count ? count : limit.rlim_cur;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static int dial_handshake(void) {
  char path[256];
  handshake_path(path);
  const struct sockaddr_un address = address_of(path);
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

/* A client that does nothing but have rings. */
static int take_rings(void) {
  const struct handshake_hello hello = {
      .magic = HANDSHAKE_MAGIC, .protocol = SP_REQ, .framing = SP_IPC};
  struct handshake_answer answer = {.status = HANDSHAKE_BAD_HELLO};
  int fd = dial_handshake();
  assert_int_equal(send(fd, &hello, sizeof hello, 0), sizeof hello);
  assert_int_equal(recv(fd, &answer, sizeof answer, 0), sizeof answer);
  assert_int_equal(answer.status, HANDSHAKE_WELCOME);
  return fd;
}

/* What the server answers to a hello that begins so. */
static enum handshake_status ask_with(uint64_t magic) {
  const struct handshake_hello hello = {.magic = magic, .protocol = SP_REQ, .framing = SP_IPC};
  struct handshake_answer answer = {.status = HANDSHAKE_WELCOME};
  int fd = dial_handshake();
  assert_int_equal(send(fd, &hello, sizeof hello, 0), sizeof hello);
  assert_int_equal(recv(fd, &answer, sizeof answer, 0), sizeof answer);
  assert_int_equal(answer.magic, HANDSHAKE_MAGIC);
  close(fd);
  return answer.status;
}

static void test_local_hello_of_another_version_is_refused(void **state) {
  const uint64_t magics[] = {HANDSHAKE_MAGIC, HANDSHAKE_SEGMENT};
  const uint64_t next_version = UINT64_C(1) << 56;
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(ask_with(magics[i] + next_version), HANDSHAKE_OTHER_VERSION);
    assert_int_equal(ask_with(magics[i] - next_version), HANDSHAKE_OTHER_VERSION);
    assert_int_equal(ask_with(magics[i] ^ 1), HANDSHAKE_BAD_HELLO);
  }
  assert_int_equal(ask_with(HANDSHAKE_MAGIC), HANDSHAKE_WELCOME);
}

static void test_local_all_rings_taken_leaves_sockets_and_cells(void **state) {
  static int handshakes[HF_RINGS_MAX];
  size_t count = 0;
  hf_cell *cell;
  (void)state;
  if (!may_have_descriptors(2 * HF_RINGS_MAX)) {
    skip();
  }
  expect_rings(1); /* the world's */
  while (count < HF_RINGS_MAX - 2) {
    handshakes[count++] = take_rings();
  }
  hf_conn *last = connect_to(world.daemon.ipc_url);
  expect_path(last, SHARED);
  hf_conn *ipc = connect_to(world.daemon.ipc_url), *tcp = connect_to(world.daemon.tcp_url);
  expect_path(ipc, "ipc");
  expect_path(tcp, "tcp");
  assert_non_null(strstr(hf_conn_path_reason(ipc), "as many as it may"));
  expect_ok(hf_cell_open(ipc, NULL, 'q', hf_int(0), &cell));
  assert_non_null(hf_cell_data(cell));
  hf_cell_close(cell);
  close(handshakes[--count]);
  expect_rings(HF_RINGS_MAX - 1);
  hf_conn *next = connect_to(world.daemon.ipc_url);
  expect_path(next, SHARED);
  hf_close(next);
  hf_close(tcp);
  hf_close(ipc);
  hf_close(last);
  while (count > 0) {
    close(handshakes[--count]);
  }
  expect_rings(1);
}

static uint64_t server_ticks(void) {
  char path[64];
  unsigned long user = 0, system = 0;
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)world.daemon.pid);
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  assert_int_equal(
      fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system),
      2);
  fclose(file);
  return user + system;
}

static void test_local_idle_clients_cost_no_time(void **state) {
  hf_conn *conns[IDLE_CLIENTS];
  (void)state;
  for (int i = 0; i < IDLE_CLIENTS; i++) {
    conns[i] = connect_to(world.daemon.ipc_url);
    expect_path(conns[i], SHARED);
  }
  sleep_ms(50); /* the last of them goes quiet */
  uint64_t before = server_ticks();
  sleep_ms(IDLE_MS);
  uint64_t used = server_ticks() - before;
  print_message("%d idle clients: %llu ticks in %d ms\n", IDLE_CLIENTS, (unsigned long long)used,
                IDLE_MS);
  assert_true(used <= IDLE_TICKS_MAX);
  for (int i = 0; i < IDLE_CLIENTS; i++) {
    expect_ok(hf_ping(conns[i], NULL));
    hf_close(conns[i]);
  }
}

/* ---------------------------------------------------------------- no descriptors */

static rlim_t lowest_free_descriptor(void) {
  char path[64];
  rlim_t fd = 0;
  do {
    snprintf(path, sizeof path, "/proc/%ld/fd/%llu", (long)world.daemon.pid,
             (unsigned long long)fd++);
  } while (access(path, F_OK) == 0);
  return fd - 1;
}

/* Of the server; answers what it was. */
static struct rlimit limit_descriptors(rlim_t count) {
  struct rlimit before, limit;
  assert_int_equal(prlimit(world.daemon.pid, RLIMIT_NOFILE, NULL, &before), 0);
  limit = before;
  limit.rlim_cur = count;
  assert_int_equal(prlimit(world.daemon.pid, RLIMIT_NOFILE, &limit, NULL), 0);
  return before;
}

static int dial_at_handshake(void) {
  const struct handshake_hello hello = {.magic = HANDSHAKE_SEGMENT, .segment = UINT64_MAX};
  int fd = dial_handshake();
  assert_int_equal(send(fd, &hello, sizeof hello, 0), sizeof hello);
  return fd;
}

/* A client that can't be accepted yet waits without keeping the thread busy, and is accepted
 * afterwards. */
static void test_local_handshake_opens_again_when_there_are_descriptors(void **state) {
  (void)state;
  struct rlimit before = limit_descriptors(lowest_free_descriptor());
  struct pollfd handshake = {.fd = dial_at_handshake(), .events = POLLIN};
  uint64_t ticks = server_ticks();
  assert_int_equal(poll(&handshake, 1, PAUSE_MS), 0);
  ticks = server_ticks() - ticks;
  limit_descriptors(before.rlim_cur);
  assert_int_equal(poll(&handshake, 1, 3000), 1);
  print_message("%llu ticks in %d ms without descriptors\n", (unsigned long long)ticks, PAUSE_MS);
  assert_true(ticks <= PAUSE_TICKS_MAX);
  close(handshake.fd);
}

/* ---------------------------------------------------------------- a crowd */

static void connect_crowd(hf_conn *conns[CROWD]) {
  for (int i = 0; i < CROWD; i++) {
    conns[i] = connect_to(world.daemon.ipc_url);
    expect_path(conns[i], SHARED);
  }
}

static void close_crowd(hf_conn *conns[CROWD]) {
  for (int i = 0; i < CROWD; i++) {
    hf_close(conns[i]);
  }
}

static uint64_t sleeps_of(const char *thread) {
  static const char word[] = "voluntary_ctxt_switches:";
  char path[300], line[256];
  uint64_t sleeps = 0;
  snprintf(path, sizeof path, "/proc/%ld/task/%s/status", (long)world.daemon.pid, thread);
  FILE *file = fopen(path, "re");
  while (file && fgets(line, sizeof line, file)) {
    if (strncmp(line, word, sizeof word - 1) == 0) {
      sleeps = strtoull(line + sizeof word - 1, NULL, 10);
    }
  }
  if (file) {
    fclose(file);
  }
  return sleeps;
}

/* How often threads of the server have gone to sleep. */
static uint64_t server_sleeps(void) {
  char path[64];
  uint64_t sleeps = 0;
  struct dirent *entry;
  snprintf(path, sizeof path, "/proc/%ld/task", (long)world.daemon.pid);
  DIR *directory = opendir(path);
  assert_non_null(directory);
  while ((entry = readdir(directory))) {
    sleeps += sleeps_of(entry->d_name);
  }
  closedir(directory);
  return sleeps;
}

/* Not two: each would have to be woken for the other. */
static void test_local_crowd_wakes_one_thread_a_call(void **state) {
  hf_conn *conns[CROWD];
  (void)state;
  connect_crowd(conns);
  uint64_t before = server_sleeps();
  for (int i = 0; i < CROWD_CALLS; i++) {
    expect_ok(hf_ping(conns[i % CROWD], NULL));
  }
  uint64_t sleeps = server_sleeps() - before;
  print_message("%d calls: the server's threads slept %llu times\n", CROWD_CALLS,
                (unsigned long long)sleeps);
  assert_true(sleeps < CROWD_CALLS + CROWD_CALLS / 2);
  close_crowd(conns);
}

static struct {
  hf_conn *conns[CROWD];
  uint64_t calls[CROWD], ms_max[CROWD], failures[CROWD];
  atomic_int calling; /* the first so many */
  atomic_bool goes_on;
} crowd;

static void *call_now_and_then(void *argument) {
  size_t own = (size_t)argument;
  unsigned seed = (unsigned)own + 1;
  while (atomic_load(&crowd.goes_on)) {
    if (own >= (size_t)atomic_load(&crowd.calling)) {
      sleep_ms(1);
      continue;
    }
    uint64_t began_ms = now_ms();
    crowd.failures[own] += hf_ping(crowd.conns[own], NULL) != HF_OK;
    uint64_t took_ms = now_ms() - began_ms;
    crowd.ms_max[own] = took_ms > crowd.ms_max[own] ? took_ms : crowd.ms_max[own];
    crowd.calls[own]++;
    usleep((useconds_t)rand_r(&seed) % GAP_US_MAX);
  }
  return NULL;
}

static void check_crowd(void) {
  uint64_t calls = 0, ms_max = 0, failures = 0;
  for (int i = 0; i < CROWD; i++) {
    calls += crowd.calls[i];
    failures += crowd.failures[i];
    ms_max = crowd.ms_max[i] > ms_max ? crowd.ms_max[i] : ms_max;
  }
  print_message("%llu calls, the longest %llu ms\n", (unsigned long long)calls,
                (unsigned long long)ms_max);
  assert_int_equal(failures, 0);
  assert_true(ms_max < CALL_MS_MAX);
}

/* Alternately many and few. At last one alone: no other call would wake the server. */
static void test_local_crowd_loses_no_wake_up(void **state) {
  pthread_t threads[CROWD];
  (void)state;
  connect_crowd(crowd.conns);
  atomic_store(&crowd.goes_on, true);
  for (size_t i = 0; i < CROWD; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, call_now_and_then, (void *)i), 0);
  }
  for (int phase = 0; phase < PHASES; phase++) {
    atomic_store(&crowd.calling, phase % 2 == 0 ? CROWD : FEW);
    sleep_ms(PHASE_MS);
  }
  atomic_store(&crowd.calling, 1);
  sleep_ms(PHASE_MS);
  atomic_store(&crowd.goes_on, false);
  for (int i = 0; i < CROWD; i++) {
    pthread_join(threads[i], NULL);
  }
  check_crowd();
  close_crowd(crowd.conns);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_local_is_taken_over_ipc_and_tcp),
    cmocka_unit_test(test_local_off_stays_on_sockets),
    cmocka_unit_test(test_local_without_a_handshake_falls_back),
    cmocka_unit_test(test_local_handshake_is_its_owners),
    cmocka_unit_test(test_local_carries_more_than_a_ring_holds),
    cmocka_unit_test(test_local_forked_child_has_its_own),
    cmocka_unit_test(test_local_one_way_has_rings_too),
    cmocka_unit_test(test_local_hello_of_another_version_is_refused),
    cmocka_unit_test(test_local_all_rings_taken_leaves_sockets_and_cells),
    cmocka_unit_test(test_local_one_way_does_without_a_silent_handshake),
    cmocka_unit_test(test_local_nobody_has_to_read_the_log),
    cmocka_unit_test(test_local_idle_clients_cost_no_time),
    cmocka_unit_test(test_local_handshake_opens_again_when_there_are_descriptors),
    cmocka_unit_test(test_local_crowd_wakes_one_thread_a_call),
    cmocka_unit_test(test_local_crowd_loses_no_wake_up),
};
WORLD_MAIN("integration.local", tests)
