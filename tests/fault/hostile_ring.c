/* A client that shares memory with the server and means ill: it writes anything anywhere, or says
 * nonsense at the local handshake, or dies at the worst moment. The server neither crashes nor
 * hangs, answers its other clients rightly, and keeps nothing of clients that are gone.
 *
 * usage: hostile_ring [SEED [ROUNDS]]; a round is one connection of the attacker, 900 by default
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <holdfast/holdfast.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/limits.h"
#include "proto/local_handshake.h"
#include "proto/ring.h"
#include "proto/sp.h"
#include "tests/fault/attacker.h"
#include "tests/fault/crowd.h"
#include "tests/support/daemon.h"
#include "tests/support/random.h"

#define CALL_TIMEOUT_MS 10000
#define HONEST_MS_MAX 3000
#define WRITES_PER_ROUND 3000
#define WORKERS_COUNT 6
#define LEFT_WITHIN_MS 5000

static struct daemon server;
static struct random randomness;
static int rounds_count = 900;

/* ---------------------------------------------------------------- an attacker's segment */

struct intruder {
  int handshake;
  int doorbell;
  struct segment *segment;
  size_t size;
  struct ring_end requests;
};

static int dial_handshake(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%.80s/holdfast.sock" HANDSHAKE_SUFFIX,
           server.dir);
  int handshake = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  assert_true(handshake >= 0);
  assert_int_equal(connect(handshake, (const struct sockaddr *)&address, sizeof address), 0);
  return handshake;
}

/* How many descriptors came along: none, or all. */
static size_t receive_answer(int handshake, struct handshake_answer *answer, int *descriptors) {
  struct iovec part = {answer, sizeof *answer};
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(HANDSHAKE_DESCRIPTORS * sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  assert_int_equal(recvmsg(handshake, &message, MSG_CMSG_CLOEXEC), sizeof *answer);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header == NULL) {
    return 0;
  }
  assert_int_equal(header->cmsg_len, CMSG_LEN(HANDSHAKE_DESCRIPTORS * sizeof(int)));
  memcpy(descriptors, CMSG_DATA(header), HANDSHAKE_DESCRIPTORS * sizeof(int));
  return HANDSHAKE_DESCRIPTORS;
}

static void intrude(struct intruder *intruder, enum sp_protocol protocol) {
  const struct handshake_hello hello = {
      .magic = HANDSHAKE_MAGIC, .protocol = (uint32_t)protocol, .framing = SP_TCP};
  struct handshake_answer answer;
  int descriptors[HANDSHAKE_DESCRIPTORS] = {-1, -1};
  intruder->handshake = dial_handshake();
  assert_int_equal(send(intruder->handshake, &hello, sizeof hello, 0), sizeof hello);
  assert_int_equal(receive_answer(intruder->handshake, &answer, descriptors),
                   HANDSHAKE_DESCRIPTORS);
  int fd = descriptors[HANDSHAKE_MEMORY];
  intruder->doorbell = descriptors[HANDSHAKE_DOORBELL];
  assert_int_equal(answer.status, HANDSHAKE_WELCOME);
  intruder->size = segment_bytes(answer.ring_bytes);
  assert_int_not_equal(ftruncate(fd, 0), 0); /* sealed */
  intruder->segment = mmap(NULL, intruder->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  assert_true(intruder->segment != MAP_FAILED);
  close(fd);
  ring_init_writer(&intruder->requests, &intruder->segment->requests,
                   (uint8_t *)intruder->segment + SEGMENT_DATA_OFFSET, answer.ring_bytes);
}

static void leave(struct intruder *intruder) {
  munmap(intruder->segment, intruder->size);
  close(intruder->doorbell);
  close(intruder->handshake);
}

static bool is_thrown_out(const struct intruder *intruder) {
  char byte;
  return recv(intruder->handshake, &byte, sizeof byte, MSG_DONTWAIT) == 0;
}

static void notify(const struct intruder *intruder) {
  const uint64_t one = 1;
  ssize_t written = write(intruder->doorbell, &one, sizeof one);
  (void)written;
}

/* Takes its count, leaves room for no more, sets its flags, or speaks at the local handshake
 * instead. */
static void abuse_doorbell(const struct intruder *intruder) {
  uint64_t count = UINT64_MAX - 1;
  ssize_t done = 0;
  switch (random_below(&randomness, 4)) {
    case 0:
      done = read(intruder->doorbell, &count, sizeof count);
      break;
    case 1:
      done = write(intruder->doorbell, &count, sizeof count);
      break;
    case 2:
      fcntl(intruder->doorbell, F_SETFL, O_NONBLOCK | O_ASYNC);
      break;
    default:
      done = send(intruder->handshake, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  (void)done;
}

/* A ping, whole, so that the attacker gets past the framing too. */
static void write_ping(struct intruder *intruder) {
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__Ping ping = HOLDFAST__PING__INIT;
  uint8_t frame[64];
  request.operation_case = HOLDFAST__REQUEST__OPERATION_PING;
  request.ping = &ping;
  struct sp_route route = sp_route_of(7);
  size_t len = route.len + holdfast__request__get_packed_size(&request);
  size_t prefix_len = sp_prefix_write(SP_TCP, frame, len);
  memcpy(frame + prefix_len, route.words, route.len);
  holdfast__request__pack(&request, frame + prefix_len + route.len);
  (void)ring_write(&intruder->requests, frame, prefix_len + len);
}

/* Somewhere between a little and anything: words, flags, a number near the right one, bytes. */
static void scribble_once(struct intruder *intruder) {
  struct segment_ring *rings[] = {&intruder->segment->requests, &intruder->segment->replies};
  struct segment_ring *ring = rings[random_below(&randomness, 2)];
  uint64_t number = random_next(&randomness);
  switch (random_below(&randomness, 8)) {
    case 0:
      atomic_fetch_add(&ring->head, number % 4096);
      break;
    case 1:
      atomic_fetch_add(&ring->tail, number % 4096);
      break;
    case 2:
      atomic_store(random_below(&randomness, 2) ? &ring->reader_sleeps : &ring->writer_waits,
                   (uint32_t)number);
      break;
    case 3:
      atomic_store(random_below(&randomness, 2) ? &ring->head : &ring->tail, number);
      break;
    case 4:
      ((uint8_t *)intruder->segment)[number % intruder->size] = (uint8_t)(number >> 56);
      break;
    case 5:
      write_ping(intruder);
      break;
    case 6:
      abuse_doorbell(intruder);
      break;
    default:
      notify(intruder);
  }
}

/* ---------------------------------------------------------------- the honest ones */

/* Adds as long as the flag in shared memory says; every sum must be the one expected. */
static int add_honestly(const char *url, int idx, void *arg) {
  const atomic_bool *goes_on = arg;
  hf_conn *conn = crowd_connect(url, 0, CALL_TIMEOUT_MS);
  hf_dict *dict;
  int64_t count = 0;
  if (hf_dict_open(conn, "sums", &dict) != HF_OK) {
    return crowd_fail("open", idx);
  }
  while (atomic_load(goes_on)) {
    hf_value sum;
    int64_t began_ms = attacker_now_ms();
    if (hf_dict_add(dict, hf_int(idx), hf_int(1), &sum) != HF_OK) {
      return crowd_fail("add", idx);
    }
    if (sum.integer != ++count || attacker_now_ms() - began_ms > HONEST_MS_MAX) {
      fprintf(stderr, "worker %d: sum %lld instead of %lld, in %lld ms\n", idx,
              (long long)sum.integer, (long long)count, (long long)(attacker_now_ms() - began_ms));
      return CROWD_FAILED;
    }
  }
  fprintf(stderr, "  worker %d over %s: %lld calls\n", idx, hf_conn_path(conn), (long long)count);
  hf_dict_close(dict);
  hf_close(conn);
  return count > 0 ? CROWD_DONE : CROWD_FAILED;
}

static int add_over_socket(const char *url, int idx, void *arg) {
  setenv("HOLDFAST_LOCAL", "off", 1);
  return add_honestly(url, idx, arg);
}

static void expect_healthy(void) {
  hf_conn *conn = NULL;
  crowd_expect_ok(hf_connect(server.ipc_url, NULL, &conn), "connect");
  assert_string_equal(hf_conn_path(conn), "shared memory");
  crowd_expect_ok(hf_ping(conn, NULL), "ping");
  hf_close(conn);
}

/* ---------------------------------------------------------------- what the server keeps */

static int count_descriptors(void) {
  char path[64];
  int count = 0;
  snprintf(path, sizeof path, "/proc/%ld/fd", (long)server.pid);
  DIR *directory = opendir(path);
  assert_non_null(directory);
  while (readdir(directory) != NULL) {
    count++;
  }
  closedir(directory);
  return count;
}

static int count_segments(void) {
  char path[64], line[512];
  int count = 0;
  snprintf(path, sizeof path, "/proc/%ld/maps", (long)server.pid);
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  while (fgets(line, sizeof line, file) != NULL) {
    count += strstr(line, "memfd:holdfast") != NULL;
  }
  fclose(file);
  return count;
}

static void expect_left(int descriptors, int segments) {
  int64_t until_ms = attacker_now_ms() + LEFT_WITHIN_MS;
  while ((count_descriptors() > descriptors || count_segments() > segments) &&
         attacker_now_ms() < until_ms) {
    usleep(10000);
  }
  print_message("  descriptors %d of %d, segments %d of %d\n", count_descriptors(), descriptors,
                count_segments(), segments);
  assert_true(count_descriptors() <= descriptors);
  assert_true(count_segments() <= segments);
}

/* ---------------------------------------------------------------- tests */

static void test_ring_overwritten_harms_nobody_else(void **state) {
  int thrown_out = 0;
  uint64_t writes = 0;
  (void)state;
  atomic_bool *goes_on =
      mmap(NULL, sizeof *goes_on, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(goes_on != MAP_FAILED);
  expect_healthy();
  usleep(100000);
  int descriptors = count_descriptors(), segments = count_segments();
  atomic_store(goes_on, true);
  pid_t ring = crowd_start(add_honestly, server.ipc_url, 1, goes_on);
  pid_t socket = crowd_start(add_over_socket, server.tcp_url, 2, goes_on);
  for (int i = 0; i < rounds_count; i++) {
    struct intruder intruder;
    intrude(&intruder, random_below(&randomness, 4) ? SP_REQ : SP_PUSH);
    bool is_out = false;
    for (int w = 0; w < WRITES_PER_ROUND && !is_out; w++) {
      scribble_once(&intruder);
      writes++;
      is_out = w % 16 == 0 && is_thrown_out(&intruder);
    }
    thrown_out += is_out;
    leave(&intruder);
  }
  atomic_store(goes_on, false);
  assert_int_equal(crowd_wait(ring, CALL_TIMEOUT_MS), CROWD_DONE);
  assert_int_equal(crowd_wait(socket, CALL_TIMEOUT_MS), CROWD_DONE);
  print_message("  %d intruders, %llu acts, %d thrown out\n", rounds_count,
                (unsigned long long)writes, thrown_out);
  assert_true(thrown_out > 0);
  expect_left(descriptors, segments);
  expect_healthy();
  munmap(goes_on, sizeof *goes_on);
}

/* Before it has sent anything: there is no room to read into yet. */
static void test_ring_broken_from_the_start_is_thrown_out(void **state) {
  struct intruder intruder;
  (void)state;
  intrude(&intruder, SP_REQ);
  usleep(100000); /* the server sleeps */
  atomic_store(&intruder.segment->requests.head, UINT64_C(1) << 40);
  notify(&intruder);
  int64_t until_ms = attacker_now_ms() + CALL_TIMEOUT_MS;
  while (!is_thrown_out(&intruder) && attacker_now_ms() < until_ms) {
    usleep(1000);
  }
  assert_true(attacker_now_ms() < until_ms);
  leave(&intruder);
}

/* Requests in, replies never out: it stops being served, and the rest is not. */
static void test_ring_never_read_blocks_nobody(void **state) {
  struct intruder intruder;
  (void)state;
  intrude(&intruder, SP_REQ);
  int64_t until_ms = attacker_now_ms() + 1000;
  uint64_t count = 0;
  while (attacker_now_ms() < until_ms) {
    uint64_t before = intruder.requests.position;
    write_ping(&intruder);
    notify(&intruder);
    count += intruder.requests.position != before;
  }
  print_message("  %llu pings unread, resident %llu KiB\n", (unsigned long long)count,
                (unsigned long long)daemon_resident_bytes(&server) >> 10);
  expect_healthy();
  leave(&intruder);
}

static void test_handshake_nonsense_is_refused(void **state) {
  (void)state;
  for (int i = 0; i < rounds_count; i++) {
    uint8_t bytes[256];
    struct handshake_answer answer = {.status = HANDSHAKE_WELCOME};
    size_t len = 1 + random_below(&randomness, sizeof bytes);
    for (size_t b = 0; b < sizeof bytes; b++) {
      bytes[b] = (uint8_t)random_next(&randomness);
    }
    int handshake = dial_handshake();
    if (i % 4 != 0) { /* else: comes and goes */
      assert_int_equal(send(handshake, bytes, len, 0), len);
      assert_int_equal(receive_answer(handshake, &answer, NULL), 0);
      assert_int_equal(answer.status, HANDSHAKE_BAD_HELLO);
    }
    close(handshake);
  }
  expect_healthy();
}

static int call_for_ever(const char *url, int idx, void *arg) {
  hf_conn *conn = crowd_connect(url, 50, CALL_TIMEOUT_MS);
  hf_dict *dict;
  hf_queue *queue;
  uint8_t bytes[3000] = {1};
  (void)arg;
  if (hf_dict_open(conn, "killed", &dict) != HF_OK ||
      hf_queue_open(conn, "never", 0, &queue) != HF_OK) {
    return crowd_fail("open", idx);
  }
  for (int64_t i = 0; idx % 3 != 0; i++) {
    hf_value value;
    if (hf_dict_set(dict, hf_int(i % 100), hf_bytes(bytes, sizeof bytes)) != HF_OK ||
        hf_dict_get(dict, hf_int(i % 100), &value) != HF_OK) {
      return crowd_fail("call", idx);
    }
    hf_value_clear(&value);
  }
  hf_value item;
  return hf_queue_get(queue, HF_FOREVER, &item) == HF_OK ? CROWD_DONE : CROWD_FAILED;
}

static void test_ring_killed_clients_leave_nothing(void **state) {
  pid_t workers[WORKERS_COUNT];
  (void)state;
  usleep(200000);
  int descriptors = count_descriptors(), segments = count_segments();
  for (int i = 0; i < WORKERS_COUNT; i++) {
    workers[i] = crowd_start(call_for_ever, server.ipc_url, i, NULL);
  }
  for (int i = 0; i < rounds_count / 3; i++) {
    int idx = (int)random_below(&randomness, WORKERS_COUNT);
    usleep((useconds_t)random_below(&randomness, 20000));
    crowd_kill(workers[idx]);
    workers[idx] = crowd_start(call_for_ever, server.ipc_url, idx, NULL);
  }
  for (int i = 0; i < WORKERS_COUNT; i++) {
    crowd_kill(workers[i]);
  }
  print_message("  %d killed\n", rounds_count / 3 + WORKERS_COUNT);
  expect_left(descriptors, segments);
  expect_healthy();
}

static int start_server(void **state) {
  (void)state;
  daemon_start(&server, NULL);
  return 0;
}

static int stop_server(void **state) {
  (void)state;
  daemon_stop(&server);
  return 0;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ring_overwritten_harms_nobody_else),
      cmocka_unit_test(test_ring_broken_from_the_start_is_thrown_out),
      cmocka_unit_test(test_ring_never_read_blocks_nobody),
      cmocka_unit_test(test_handshake_nonsense_is_refused),
      cmocka_unit_test(test_ring_killed_clients_leave_nothing),
  };
  randomness.state = random_seed(argc, argv);
  if (argc > 2) {
    rounds_count = (int)strtol(argv[2], NULL, 10);
  }
  return cmocka_run_group_tests_name("fault.ring", tests, start_server, stop_server);
}
