/* What cells ask of the kernel. */
#include "server/cells/kernel.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static bool has_thread(uint64_t process, uint32_t thread) {
  return cell_kernel.has_thread(cell_kernel.ctx, process, thread);
}

static void *tell_thread(void *thread) {
  *(uint32_t *)thread = (uint32_t)gettid();
  return NULL;
}

static void test_cell_kernel_knows_the_threads_of_a_process_while_they_run(void **state) {
  (void)state;
  pthread_t handle;
  uint32_t thread;
  uint64_t id = (uint64_t)getpid();
  assert_true(has_thread(id, (uint32_t)id));
  assert_false(has_thread(id, (uint32_t)getppid()));
  assert_false(has_thread((uint64_t)getppid(), (uint32_t)id));
  assert_int_equal(pthread_create(&handle, NULL, tell_thread, &thread), 0);
  pthread_join(handle, NULL);
  while (has_thread(id, thread)) { /* joined a moment before it is gone */
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cell_kernel_knows_the_threads_of_a_process_while_they_run),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
