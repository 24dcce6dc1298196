/* See cutter.h. */
#include "tests/fault/cutter.h"

#include <err.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/random.h"

#define DESCRIPTORS_MAX 64 /* more than a client with one connection has */
#define HARD_CUTS_EVERY 50

static struct {
  struct cutter_options options;
  struct random randomness;
  pthread_t thread;
  atomic_bool is_stopping;
} cutter;

static int socket_option(int fd, int name) {
  int value = -1;
  socklen_t len = sizeof value;
  return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

/* Whether the descriptor is what it was the last time; remembered for the next. */
static bool is_known(int fd) {
  static ino_t known[DESCRIPTORS_MAX];
  struct stat status;
  ino_t before = known[fd];
  known[fd] = fstat(fd, &status) == 0 ? status.st_ino : 0;
  return known[fd] != 0 && known[fd] == before;
}

/* The descriptor may be another socket's by now, which is cut then: any of them may be. */
static void cut_all(void) {
  static const int hows[] = {SHUT_RDWR, SHUT_RDWR, SHUT_RD, SHUT_WR};
  int how = hows[random_below(&cutter.randomness, sizeof hows / sizeof hows[0])];
  bool spares_new = random_below(&cutter.randomness, HARD_CUTS_EVERY) > 0;
  for (int fd = 3; fd < DESCRIPTORS_MAX; fd++) {
    bool is_spared = !is_known(fd) && spares_new;
    bool is_handshake = socket_option(fd, SO_TYPE) == SOCK_SEQPACKET;
    if (!is_spared && socket_option(fd, SO_DOMAIN) == AF_UNIX && shutdown(fd, how) == 0) {
      atomic_fetch_add(
          is_handshake ? &cutter.options.counts->handshakes : &cutter.options.counts->sockets, 1);
    }
  }
}

/* A connection is new the first time that it is seen, so it lives for about two of these. */
static void pause_between_cuts(void) {
  unsigned quarter_us = 250 * cutter.options.life_ms;
  usleep((useconds_t)(quarter_us + random_below(&cutter.randomness, 2ul * quarter_us)));
}

static void *run(void *arg) {
  (void)arg;
  while (!atomic_load(&cutter.is_stopping)) {
    pause_between_cuts();
    if (!atomic_load(&cutter.is_stopping)) {
      cut_all();
    }
  }
  return NULL;
}

struct cutter_counts *cutter_counts_new(void) {
  void *counts = mmap(NULL, sizeof(struct cutter_counts), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (counts == MAP_FAILED) {
    err(1, "no shared memory for counts");
  }
  return counts;
}

void cutter_start(const struct cutter_options *options, int idx) {
  cutter.options = *options;
  cutter.randomness = (struct random){options->seed + (uint64_t)idx * 104729};
  atomic_store(&cutter.is_stopping, false);
  if (pthread_create(&cutter.thread, NULL, run, NULL) != 0) {
    errx(1, "no thread to cut connections");
  }
}

void cutter_stop(void) {
  atomic_store(&cutter.is_stopping, true);
  pthread_join(cutter.thread, NULL);
}

void cutter_record_call(hf_conn *conn) {
  struct cutter_counts *counts = cutter.options.counts;
  if (counts == NULL) {
    return;
  }
  atomic_fetch_add(&counts->calls, 1);
  if (strcmp(hf_conn_path(conn), "shared memory") == 0) {
    atomic_fetch_add(&counts->through_rings, 1);
  }
}

void cutter_report(struct cutter_counts *counts, uint64_t cuts_min) {
  unsigned long long handshakes = atomic_load(&counts->handshakes),
                     calls = atomic_load(&counts->calls),
                     through_rings = atomic_load(&counts->through_rings);
  print_message("cutter: %llu rings, %llu sockets cut; %llu of %llu calls through rings\n",
                handshakes, (unsigned long long)atomic_load(&counts->sockets), through_rings,
                calls);
  assert_true(handshakes >= cuts_min);
  assert_true(calls > 0 && 4 * through_rings > calls);
}
