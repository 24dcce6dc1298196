#include "tests/fault/cell_parties.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define END_MS 30000
#define LOOK_AGAIN_US 50

int64_t party_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void party_check(hf_status status, const char *what) {
  if (status != HF_OK) {
    fprintf(stderr, "%s: %s\n", what, hf_last_error()->message);
    abort();
  }
}

hf_conn *party_connect(const struct daemon *server, enum party party) {
  const struct hf_options options = {.grace_ms = 100};
  hf_conn *conn = NULL;
  setenv("HOLDFAST_LOCAL", party == MAPPED ? "on" : "off", 1);
  party_check(hf_connect(party == MAPPED ? server->ipc_url : server->tcp_url, &options, &conn),
              "connect");
  return conn;
}

hf_array *party_open(hf_conn *conn, enum party party, const char *name, size_t count) {
  hf_array *array = NULL;
  party_check(hf_array_open(conn, name, 'q', count, NULL, &array), "open");
  if ((hf_array_data(array) != NULL) != (party == MAPPED)) {
    fprintf(stderr, "%s is not where it should be\n", name);
    abort();
  }
  return array;
}

void *party_share(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    abort();
  }
  return memory;
}

/* ---- a process that waits for a lock */

static void look_and_repair(hf_array *array, size_t count, struct locker_report *report) {
  hf_value value;
  for (size_t i = 0; i < count; i++) {
    party_check(hf_array_get(array, (int64_t)i, &value), "get");
    report->elements[i] = value.integer;
  }
  for (size_t i = 1; i < count; i++) {
    party_check(hf_array_set(array, (int64_t)i, hf_int(report->elements[0])), "set");
  }
}

static void follow(hf_array *array, size_t count, int timeout_ms, struct locker_report *report) {
  struct hf_grant grant = {0};
  int64_t begun_ns = party_now_ns();
  atomic_fetch_add(&report->begun, 1);
  report->status = hf_array_lock_with(array, timeout_ms, &grant);
  report->granted_ns = party_now_ns();
  report->took_ns = report->granted_ns - begun_ns;
  report->owner_died = grant.owner_died;
  if (report->status == HF_OK) {
    look_and_repair(array, count, report);
    party_check(hf_array_unlock(array), "unlock");
  }
  atomic_fetch_add(&report->done, 1);
}

void locker_start(struct locker *locker, const struct daemon *server, enum party party,
                  const char *name, size_t count) {
  int orders[2], timeout_ms;
  locker->report = party_share(sizeof *locker->report);
  if (pipe(orders) != 0 || (locker->pid = fork()) < 0) {
    abort();
  }
  if (locker->pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(orders[1]);
    hf_conn *conn = party_connect(server, party);
    hf_array *array = party_open(conn, party, name, count);
    while (read(orders[0], &timeout_ms, sizeof timeout_ms) == sizeof timeout_ms) {
      follow(array, count, timeout_ms, locker->report);
    }
    _exit(0);
  }
  close(orders[0]);
  locker->orders = orders[1];
}

static void await(const struct locker *locker, const atomic_int *counter, int number) {
  int64_t until_ns = party_now_ns() + (int64_t)END_MS * 1000000;
  while (atomic_load(counter) != number) {
    if (party_now_ns() > until_ns || waitpid(locker->pid, NULL, WNOHANG) != 0) {
      fprintf(stderr, "who waits for a lock has gone, or waits for ever\n");
      abort();
    }
    usleep(LOOK_AGAIN_US);
  }
}

void locker_begin(struct locker *locker, int timeout_ms) {
  int number = atomic_load(&locker->report->begun) + 1;
  if (write(locker->orders, &timeout_ms, sizeof timeout_ms) != sizeof timeout_ms) {
    abort();
  }
  await(locker, &locker->report->begun, number);
}

const struct locker_report *locker_end(struct locker *locker) {
  await(locker, &locker->report->done, atomic_load(&locker->report->begun));
  return locker->report;
}

void locker_stop(struct locker *locker) {
  kill(locker->pid, SIGKILL);
  waitpid(locker->pid, NULL, 0);
  close(locker->orders);
  munmap(locker->report, sizeof *locker->report);
}
