/* Processes that are watched leave descriptors for connections. */
#include "proto/machine.h"
#include "server/dispatch/processes.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

#define DESCRIPTORS 64

static void end(void *ctx, uint64_t session) {
  (void)ctx;
  (void)session;
}

/* Sleeps until it is killed. */
static pid_t start_child(void) {
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    for (;;) {
      pause();
    }
  }
  return child;
}

static void kill_child(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

static size_t open_descriptors(void) {
  size_t count = 0;
  for (int descriptor = 0; descriptor < 2 * DESCRIPTORS; descriptor++) {
    count += fcntl(descriptor, F_GETFD) >= 0;
  }
  return count;
}

static struct bytes here(void) {
  static uint8_t machine[HF_MACHINE_BYTES_MAX];
  return bytes_of(machine, machine_id(machine, sizeof machine));
}

static void test_processes_named_again_take_one_descriptor(void **state) {
  (void)state;
  struct processes processes;
  assert_true(processes_start(&processes, end, NULL));
  int handle = processes_open(&processes, here(), (uint64_t)getpid(), true);
  size_t before = open_descriptors();
  assert_true(handle > 0);
  for (int i = 0; i < 1000; i++) {
    assert_int_equal(processes_open(&processes, here(), (uint64_t)getpid(), i % 2), handle);
  }
  assert_int_equal(open_descriptors(), before);
  for (int i = 0; i < 1000; i++) {
    processes_forget(&processes, handle, 1);
  }
  assert_int_equal(open_descriptors(), before);
  processes_forget(&processes, handle, 1);
  assert_int_equal(open_descriptors(), before - 1);
  processes_stop(&processes);
}

/* Opens one child's process after the other until it is refused. */
static size_t open_many(struct processes *processes, const pid_t *children, int *handles,
                        bool is_local) {
  size_t count = 0;
  while (count < DESCRIPTORS && (handles[count] = processes_open(
                                     processes, here(), (uint64_t)children[count], is_local)) > 0) {
    count++;
  }
  return count;
}

static void test_processes_take_a_third_of_the_descriptors(void **state) {
  (void)state;
  struct processes processes;
  int remote[DESCRIPTORS], local[DESCRIPTORS];
  pid_t children[DESCRIPTORS];
  struct rlimit limit;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = DESCRIPTORS;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
  for (size_t i = 0; i < DESCRIPTORS; i++) {
    children[i] = start_child();
  }
  assert_true(processes_start(&processes, end, NULL));
  size_t remote_count = open_many(&processes, children, remote, false);
  assert_int_equal(remote_count, DESCRIPTORS / 6);
  assert_int_equal(open_many(&processes, children, local, true), DESCRIPTORS / 3);
  for (size_t i = 0; i < remote_count; i++) {
    processes_forget(&processes, remote[i], 1);
  }
  for (size_t i = 0; i < DESCRIPTORS / 3; i++) {
    processes_forget(&processes, local[i], 2);
  }
  assert_true(processes_open(&processes, here(), (uint64_t)children[0], false) > 0);
  processes_forget(&processes, processes.last_handle, 1);
  processes_stop(&processes);
  for (size_t i = 0; i < DESCRIPTORS; i++) {
    kill_child(children[i]);
  }
}

static atomic_ulong ended_sessions; /* their sum */

static void record_end(void *ctx, uint64_t session) {
  (void)ctx;
  atomic_fetch_add(&ended_sessions, session);
}

static void test_processes_end_of_one_is_reported_to_all_that_watch(void **state) {
  (void)state;
  struct processes processes;
  pid_t child = start_child();
  assert_true(processes_start(&processes, record_end, NULL));
  int handle = processes_open(&processes, here(), (uint64_t)child, true);
  for (uint64_t session = 1; session <= 100; session++) {
    assert_int_equal(processes_open(&processes, here(), (uint64_t)child, true), handle);
    processes_watch(&processes, handle, session);
    processes_watch(&processes, handle, session);
  }
  processes_forget(&processes, handle, 50);
  assert_int_equal(atomic_load(&ended_sessions), 0);
  kill_child(child);
  while (atomic_load(&ended_sessions) < 5050 - 50) {
    usleep(1000);
  }
  processes_watch(&processes, handle,
                  1000); /* its connection is lost after the process has ended */
  while (atomic_load(&ended_sessions) < 6050 - 50) {
    usleep(1000);
  }
  for (uint64_t i = 0; i < 100; i++) {
    processes_forget(&processes, handle, 1);
  }
  processes_stop(&processes);
}

static void test_processes_of_other_namespaces_are_hidden(void **state) {
  (void)state;
  struct processes processes;
  uint8_t machine[HF_MACHINE_BYTES_MAX];
  size_t len = machine_id(machine, sizeof machine);
  uint64_t id = (uint64_t)getpid();
  assert_true(processes_start(&processes, end, NULL));
  machine[len - 1] ^= 1;
  assert_int_equal(processes_open(&processes, bytes_of(machine, len), id, true), PROCESS_HIDDEN);
  assert_int_equal(processes_open(&processes, bytes_of(machine, len - 1), id, true),
                   PROCESS_HIDDEN);
  machine[0] ^= 1;
  assert_int_equal(processes_open(&processes, bytes_of(machine, len), id, true), PROCESS_ELSEWHERE);
  assert_int_equal(processes_open(&processes, bytes_of(machine, 0), id, true), PROCESS_ELSEWHERE);
  machine[0] ^= 1;
  assert_int_equal(processes_open(&processes, bytes_of(machine, 35), id, true), PROCESS_ELSEWHERE);
  processes_stop(&processes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_processes_of_other_namespaces_are_hidden),
      cmocka_unit_test(test_processes_named_again_take_one_descriptor),
      cmocka_unit_test(test_processes_end_of_one_is_reported_to_all_that_watch),
      cmocka_unit_test(test_processes_take_a_third_of_the_descriptors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
