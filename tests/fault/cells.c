/* Shared memory, and processes that die in a call on it or overwrite it.
 *
 * usage: cells [SEED [KILLS]]; 200 kills by default
 */
#include <holdfast/holdfast.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/cell_layout.h"
#include "tests/support/daemon.h"
#include "tests/support/random.h"

#define LOCK_WAIT_MS 10000
#define LARGE_COUNT 20000 /* in a segment of its own */
#define SCRIBBLES_MS 3000

static struct daemon server;
static struct random randomness;
static unsigned kills_count = 200;

static uint64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static hf_conn *connect_to(const char *url, const char *local) {
  const struct hf_options options = {.grace_ms = 100};
  hf_conn *conn = NULL;
  setenv("HOLDFAST_LOCAL", local, 1);
  if (hf_connect(url, &options, &conn) != HF_OK) {
    fprintf(stderr, "connect: %s\n", hf_last_error()->message);
    abort();
  }
  return conn;
}

static void check(hf_status status, const char *what) {
  if (status != HF_OK) {
    fprintf(stderr, "%s: %s\n", what, hf_last_error()->message);
    abort();
  }
}

/* ---- kills: of two numbers that are to be equal, a worker that dies may leave the first ahead by
 * one */

static hf_array *open_two(hf_conn *conn) {
  hf_array *two = NULL;
  check(hf_array_open(conn, "two", 'q', 2, NULL, &two), "open");
  return two;
}

static void count_for_ever(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  hf_array *two = open_two(connect_to(server.ipc_url, "on"));
  volatile int64_t *numbers = hf_array_data(two);
  if (numbers == NULL) {
    abort();
  }
  for (;;) {
    check(hf_array_lock(two, HF_FOREVER), "lock");
    numbers[0]++;
    for (volatile int i = 0; i < 100; i++) {
    }
    numbers[1]++;
    check(hf_array_unlock(two), "unlock");
  }
}

static int64_t element(hf_array *two, int64_t index) {
  hf_value value;
  check(hf_array_get(two, index, &value), "get");
  return value.integer;
}

struct kill_counts {
  unsigned reported, halves;
  uint64_t worst_us;
};

static void inspect(hf_array *two, struct kill_counts *counts) {
  struct hf_grant grant;
  uint64_t began_us = now_us();
  check(hf_array_lock_with(two, LOCK_WAIT_MS, &grant), "lock after a kill");
  uint64_t took_us = now_us() - began_us;
  counts->worst_us = took_us > counts->worst_us ? took_us : counts->worst_us;
  int64_t ahead = element(two, 0) - element(two, 1);
  assert_true(ahead == 0 || (ahead == 1 && grant.owner_died));
  counts->reported += grant.owner_died;
  counts->halves += ahead == 1;
  check(hf_array_set(two, 1, hf_int(element(two, 0))), "set");
  check(hf_array_unlock(two), "unlock");
}

static void kill_some(hf_array *two, unsigned count, struct kill_counts *counts) {
  for (unsigned i = 0; i < count; i++) {
    pid_t worker = fork();
    if (worker == 0) {
      count_for_ever();
    }
    usleep((useconds_t)(3000 + random_below(&randomness, 5000)));
    kill(worker, SIGKILL);
    waitpid(worker, NULL, 0);
    inspect(two, counts);
  }
}

static void test_cells_killed_owner_leave_whole_elements(void **state) {
  (void)state;
  hf_conn *mapped = connect_to(server.ipc_url, "on"), *remote = connect_to(server.tcp_url, "off");
  hf_array *mapped_two = open_two(mapped), *remote_two = open_two(remote);
  struct kill_counts mapped_counts = {0}, remote_counts = {0};
  kill_some(mapped_two, (kills_count + 1) / 2, &mapped_counts);
  kill_some(remote_two, kills_count / 2, &remote_counts);
  printf(
      "%u kills, %u reported, %u between the stores; longest wait of the next: %llu us in shared "
      "memory, %llu us over tcp\n",
      kills_count, mapped_counts.reported + remote_counts.reported,
      mapped_counts.halves + remote_counts.halves, (unsigned long long)mapped_counts.worst_us,
      (unsigned long long)remote_counts.worst_us);
  assert_true(mapped_counts.reported > 0 && remote_counts.reported > 0);
  assert_true(mapped_counts.worst_us < 1000000 && remote_counts.worst_us < 1000000);
  hf_array_close(mapped_two);
  hf_array_close(remote_two);
  hf_close(mapped);
  hf_close(remote);
}

/* ---- scribbles */

struct region {
  char *start;
  size_t bytes;
};

static size_t find_shared(struct region *regions, size_t max) {
  char line[512];
  size_t count = 0;
  FILE *file = fopen("/proc/self/maps", "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL && count < max) {
    uintptr_t start, end;
    char rights[5];
    if (strstr(line, "memfd:holdfast") != NULL &&
        sscanf(line, "%lx-%lx %4s", &start, &end, rights) == 3 && rights[1] == 'w') {
      regions[count++] = (struct region){(char *)start, end - start};
    }
  }
  fclose(file);
  return count;
}

static void scribble(const struct region *region) {
  size_t at = random_below(&randomness, region->bytes - 8);
  uint64_t noise = random_next(&randomness);
  switch (random_below(&randomness, 3)) {
    case 0: /* headers most of all */
      at &= ~(size_t)63;
      at += 8 * random_below(&randomness, 8);
      break;
    case 1:
      noise = (uint64_t)0 - random_below(&randomness, 2);
      break;
    default:
      break;
  }
  memcpy(region->start + at, &noise, sizeof noise);
}

static void scribble_for_ever(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct region regions[16];
  hf_conn *conn = connect_to(server.ipc_url, "on");
  hf_cell *cell;
  hf_array *array;
  check(hf_cell_open(conn, "victim", 'i', hf_int(0), &cell), "open");
  check(hf_array_open(conn, "hostile", 'i', LARGE_COUNT, NULL, &array), "open");
  randomness.state += (uint64_t)getpid();
  size_t count = find_shared(regions, 16);
  if (count == 0) {
    _exit(1); /* nothing to scribble over: the parent, which waits for it, will say so */
  }
  struct region victim = {(char *)hf_cell_data(cell) - 64, 128}; /* header and element */
  for (;;) {
    scribble(&victim);
    scribble(&regions[random_below(&randomness, count)]);
  }
}

/* What others have in segments of their own is as they left it; the server answers. */
static void use(hf_conn *conn, hf_array *large, hf_dict *dict, unsigned round) {
  hf_value value;
  int64_t at = (int64_t)random_below(&randomness, LARGE_COUNT);
  check(hf_array_set(large, at, hf_int((int64_t)round)), "set");
  check(hf_array_get(large, at, &value), "get");
  assert_int_equal(value.integer, round);
  check(hf_dict_set(dict, hf_int(at), hf_int((int64_t)round)), "dict");
  check(hf_ping(conn, NULL), "ping");
}

/* Whatever comes of it. */
static unsigned touch_victim(hf_cell *victim) {
  hf_value value;
  unsigned answered = 0;
  answered += hf_cell_lock(victim, 2) == HF_OK && hf_cell_unlock(victim) == HF_OK;
  answered += hf_cell_wait(victim, hf_int(0), 2, &value) == HF_OK;
  return answered;
}

static void test_cells_overwritten_the_server_and_others_go_on(void **state) {
  (void)state;
  pid_t hostile = fork(); /* before there is anything to inherit */
  if (hostile == 0) {
    scribble_for_ever();
  }
  usleep(100000);
  hf_conn *mapped = connect_to(server.ipc_url, "on"), *remote = connect_to(server.tcp_url, "off");
  hf_array *mapped_large, *remote_large;
  hf_dict *dict;
  hf_cell *victim;
  unsigned rounds = 0, answered = 0;
  check(hf_array_open(mapped, "large", 'i', LARGE_COUNT, NULL, &mapped_large), "open");
  check(hf_array_open(remote, "large", 'i', LARGE_COUNT, NULL, &remote_large), "open");
  check(hf_dict_open(remote, "dict", &dict), "open");
  assert_non_null(hf_array_data(mapped_large));
  check(hf_cell_open(remote, "victim", 'i', hf_int(0), &victim), "open");
  for (uint64_t until_us = now_us() + SCRIBBLES_MS * 1000; now_us() < until_us; rounds++) {
    use(remote, remote_large, dict, 2 * rounds);
    use(mapped, mapped_large, dict, 2 * rounds + 1);
    answered += touch_victim(victim);
  }
  int status;
  assert_int_equal(waitpid(hostile, &status, WNOHANG), 0);
  kill(hostile, SIGKILL);
  waitpid(hostile, NULL, 0);
  printf("%u rounds beside one who scribbles; %u calls on its cells were granted\n", rounds,
         answered);
  hf_array_close(mapped_large);
  hf_array_close(remote_large);
  hf_cell_close(victim);
  hf_dict_close(dict);
  hf_close(mapped);
  hf_close(remote);
}

/* ---- a mutex that a dead process scribbled over */

#define SCRIBBLED_LOCKS 60
#define NO_THREAD 0x3ffffff0u /* no machine counts so far */

static void scribble_owner(uint32_t thread) {
  hf_cell *cell;
  check(hf_cell_open(connect_to(server.ipc_url, "on"), "counted", 'q', hf_int(0), &cell), "open");
  struct cell_header *header = (struct cell_header *)hf_cell_data(cell) - 1;
  atomic_store(&header->word, thread);
  _exit(0);
}

static uint64_t count_one(hf_cell *cell) {
  struct hf_grant grant;
  uint64_t began_us = now_us();
  check(hf_cell_lock_with(cell, LOCK_WAIT_MS, &grant), "lock after a scribble");
  uint64_t took_us = now_us() - began_us;
  assert_true(grant.owner_died);
  check(hf_cell_add(cell, hf_int(1), NULL), "add");
  check(hf_cell_unlock(cell), "unlock");
  return took_us;
}

/* Alternately with the id of no thread, of a thread of no client, and of its own. */
static void test_cells_scribbled_mutex_is_nobodys(void **state) {
  (void)state;
  hf_conn *mapped = connect_to(server.ipc_url, "on"), *remote = connect_to(server.tcp_url, "off");
  hf_cell *cells[2];
  hf_value value;
  int status;
  uint64_t worst_us[2] = {0};
  check(hf_cell_open(mapped, "counted", 'q', hf_int(0), &cells[0]), "open");
  check(hf_cell_open(remote, "counted", 'q', hf_int(0), &cells[1]), "open");
  assert_non_null(hf_cell_data(cells[0]));
  for (unsigned i = 0; i < SCRIBBLED_LOCKS; i++) {
    pid_t hostile = fork();
    if (hostile == 0) {
      scribble_owner(i % 3 == 0 ? NO_THREAD : i % 3 == 1 ? 1 : (uint32_t)getpid());
    }
    assert_int_equal(waitpid(hostile, &status, 0), hostile);
    assert_int_equal(status, 0);
    uint64_t took_us = count_one(cells[i & 1]);
    worst_us[i & 1] = took_us > worst_us[i & 1] ? took_us : worst_us[i & 1];
  }
  check(hf_cell_get(cells[1], &value), "get");
  assert_int_equal(value.integer, SCRIBBLED_LOCKS);
  printf(
      "%d scribbled mutexes; longest wait of the next: %llu us in shared memory, %llu us over "
      "tcp\n",
      SCRIBBLED_LOCKS, (unsigned long long)worst_us[0], (unsigned long long)worst_us[1]);
  hf_cell_close(cells[0]);
  hf_cell_close(cells[1]);
  hf_close(mapped);
  hf_close(remote);
}

/* ---- a process that does not know that its session is over */

#define OTHERS_COUNT 9000 /* more than an arena has cells of that size */

/* Cuts its connections, stops, and when it goes on writes where its value was. */
static void write_late(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  hf_conn *conn = connect_to(server.ipc_url, "on");
  hf_cell *stale;
  check(hf_raw_cell_open(conn, "stale", 'q', hf_int(1), &stale), "open");
  volatile int64_t *number = hf_cell_data(stale);
  for (int fd = 3; fd < 100; fd++) {
    shutdown(fd, SHUT_RDWR);
  }
  raise(SIGSTOP);
  *number = 666;
  _exit(0);
}

static void await_sessions(hf_conn *conn, uint64_t count) {
  struct hf_server_info info;
  uint64_t until_us = now_us() + 10000000;
  do {
    usleep(5000);
    check(hf_server_info(conn, &info), "info");
  } while (info.sessions != count && now_us() < until_us);
  assert_int_equal(info.sessions, count);
}

static void test_cells_late_writer_reaches_no_other_cell(void **state) {
  (void)state;
  static hf_cell *others[OTHERS_COUNT];
  int status;
  hf_conn *mapped = connect_to(server.ipc_url, "on");
  await_sessions(mapped, 1);
  pid_t writer = fork();
  if (writer == 0) {
    write_late();
  }
  assert_int_equal(waitpid(writer, &status, WUNTRACED), writer);
  assert_true(WIFSTOPPED(status));
  await_sessions(mapped, 1);
  check(hf_delete(mapped, "stale"), "delete");
  for (int i = 0; i < OTHERS_COUNT; i++) {
    check(hf_raw_cell_open(mapped, NULL, 'q', hf_int(7), &others[i]), "open");
    assert_non_null(hf_cell_data(others[i]));
  }
  kill(writer, SIGCONT);
  assert_int_equal(waitpid(writer, &status, 0), writer);
  assert_true(WIFEXITED(status));
  for (int i = 0; i < OTHERS_COUNT; i++) {
    assert_int_equal(*(volatile int64_t *)hf_cell_data(others[i]), 7);
    hf_cell_close(others[i]);
  }
  hf_close(mapped);
}

/* Cuts its connections while it has the lock, and stays. */
static void hold_on(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  hf_cell *cell;
  check(hf_cell_open(connect_to(server.ipc_url, "on"), "held on", 'q', hf_int(0), &cell), "open");
  check(hf_cell_lock(cell, 0), "lock");
  for (int fd = 3; fd < 100; fd++) {
    shutdown(fd, SHUT_RDWR);
  }
  raise(SIGSTOP);
  _exit(1);
}

/* The C library has the mutex in a list of the owner's thread: if another took it, both would write
 * through pointers into each other's memory. */
static void test_cells_owner_that_lives_keeps_the_mutex(void **state) {
  (void)state;
  const char *const ways[] = {"on", "off"};
  int status;
  hf_conn *conns[2];
  hf_cell *cells[2];
  for (int i = 0; i < 2; i++) {
    conns[i] = connect_to(i == 0 ? server.ipc_url : server.tcp_url, ways[i]);
    check(hf_cell_open(conns[i], "held on", 'q', hf_int(0), &cells[i]), "open");
  }
  await_sessions(conns[0], 2);
  pid_t owner = fork();
  if (owner == 0) {
    hold_on();
  }
  assert_int_equal(waitpid(owner, &status, WUNTRACED), owner);
  assert_true(WIFSTOPPED(status));
  await_sessions(conns[0], 4); /* the stopped child inherits one of each, and its own has ended */
  for (int i = 0; i < 2; i++) {
    assert_int_equal(hf_cell_lock(cells[i], 300), HF_DEADLINE_EXCEEDED);
  }
  kill(owner, SIGKILL);
  waitpid(owner, &status, 0);
  for (int i = 0; i < 2; i++) {
    struct hf_grant grant;
    check(hf_cell_lock_with(cells[i], LOCK_WAIT_MS, &grant), "lock of a dead owner");
    assert_int_equal(grant.owner_died, i == 0);
    check(hf_cell_unlock(cells[i]), "unlock");
  }
  for (int i = 0; i < 2; i++) {
    hf_cell_close(cells[i]);
    hf_close(conns[i]);
  }
}

/* ---- a large one goes */

#define HUGE_BYTES ((size_t)256 << 20)

static atomic_bool is_over;

/* Until it is over; the longest ping, us. */
static void *ping_on(void *longest_us) {
  hf_conn *conn = connect_to(server.tcp_url, "off");
  uint64_t *longest = longest_us;
  while (!atomic_load(&is_over)) {
    uint64_t began_us = now_us();
    check(hf_ping(conn, NULL), "ping");
    uint64_t took_us = now_us() - began_us;
    *longest = took_us > *longest ? took_us : *longest;
  }
  hf_close(conn);
  return NULL;
}

static void fill_huge(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  hf_array *array;
  check(hf_raw_array_open(connect_to(server.ipc_url, "on"), "huge", 'b', HUGE_BYTES, NULL, &array),
        "open");
  memset(hf_array_data(array), 1, HUGE_BYTES);
  raise(SIGSTOP);
  _exit(1);
}

/* The server's mapping is the last when the session of the only user ends. How long a ping takes
 * then depends on the machine's load; unit.segments checks that another thread gives the memory
 * back. */
static void test_cells_huge_one_goes_while_others_are_served(void **state) {
  (void)state;
  pthread_t thread;
  int status;
  uint64_t longest_us = 0;
  hf_conn *mapped = connect_to(server.ipc_url, "on");
  pid_t user = fork();
  if (user == 0) {
    fill_huge();
  }
  assert_int_equal(waitpid(user, &status, WUNTRACED), user);
  assert_true(WIFSTOPPED(status));
  check(hf_delete(mapped, "huge"), "delete");
  atomic_store(&is_over, false);
  pthread_create(&thread, NULL, ping_on, &longest_us);
  usleep(50000);
  kill(user, SIGKILL);
  waitpid(user, &status, 0);
  await_sessions(mapped, 2);
  usleep(200000);
  atomic_store(&is_over, true);
  pthread_join(thread, NULL);
  hf_close(mapped);
  printf("longest ping while 256 MiB went: %llu us\n", (unsigned long long)longest_us);
  assert_in_range(longest_us, 1, 1000000);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cells_killed_owner_leave_whole_elements),
      cmocka_unit_test(test_cells_overwritten_the_server_and_others_go_on),
      cmocka_unit_test(test_cells_scribbled_mutex_is_nobodys),
      cmocka_unit_test(test_cells_late_writer_reaches_no_other_cell),
      cmocka_unit_test(test_cells_owner_that_lives_keeps_the_mutex),
      cmocka_unit_test(test_cells_huge_one_goes_while_others_are_served),
  };
  randomness = (struct random){random_seed(argc, argv)};
  kills_count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : kills_count;
  daemon_start(&server, NULL);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  daemon_stop(&server);
  return failed;
}
