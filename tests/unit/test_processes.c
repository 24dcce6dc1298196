/* Processes that are watched leave descriptors for connections, and have threads. */
#define _GNU_SOURCE /* gettid */
#include "proto/machine.h"
#include "server/dispatch/processes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

#define DESCRIPTORS 64

static void end(void *ctx, uint64_t tag) {
  (void)ctx;
  (void)tag;
}

static void test_processes_take_half_of_the_descriptors(void **state) {
  (void)state;
  struct processes processes;
  uint8_t machine[HF_MACHINE_BYTES_MAX];
  int opened[DESCRIPTORS] = {0};
  size_t count = 0, len = machine_id(machine, sizeof machine);
  struct bytes here = bytes_of(machine, len);
  struct rlimit limit;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = DESCRIPTORS;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
  assert_true(processes_start(&processes, end, NULL));
  while (count < DESCRIPTORS &&
         (opened[count] = processes_open(&processes, here, (uint64_t)getpid())) >= 0) {
    count++;
  }
  assert_int_equal(count, DESCRIPTORS / 2);
  processes_forget(&processes, opened[--count]);
  opened[count] = processes_open(&processes, here, (uint64_t)getpid());
  assert_true(opened[count++] >= 0);
  while (count > 0) {
    processes_forget(&processes, opened[--count]);
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
  assert_int_equal(processes_open(&processes, bytes_of(machine, len), id), PROCESS_HIDDEN);
  assert_int_equal(processes_open(&processes, bytes_of(machine, len - 1), id), PROCESS_HIDDEN);
  machine[0] ^= 1;
  assert_int_equal(processes_open(&processes, bytes_of(machine, len), id), PROCESS_ELSEWHERE);
  assert_int_equal(processes_open(&processes, bytes_of(machine, 0), id), PROCESS_ELSEWHERE);
  machine[0] ^= 1;
  assert_int_equal(processes_open(&processes, bytes_of(machine, 35), id), PROCESS_ELSEWHERE);
  processes_stop(&processes);
}

static void *tell_thread(void *thread) {
  *(uint32_t *)thread = (uint32_t)gettid();
  return NULL;
}

static void test_processes_have_their_threads_while_they_run(void **state) {
  (void)state;
  pthread_t handle;
  uint32_t thread;
  uint64_t id = (uint64_t)getpid();
  assert_true(processes_have_thread(id, (uint32_t)id));
  assert_false(processes_have_thread(id, (uint32_t)getppid()));
  assert_false(processes_have_thread((uint64_t)getppid(), (uint32_t)id));
  assert_int_equal(pthread_create(&handle, NULL, tell_thread, &thread), 0);
  pthread_join(handle, NULL);
  while (processes_have_thread(id, thread)) { /* joined a moment before it is gone */
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_processes_have_their_threads_while_they_run),
      cmocka_unit_test(test_processes_of_other_namespaces_are_hidden),
      cmocka_unit_test(test_processes_take_half_of_the_descriptors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
