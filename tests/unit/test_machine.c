/* The name of the machine: processes that can see each other get the same one. */
#include "proto/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/limits.h"

static void test_machine_id_fits_its_field(void **state) {
  uint8_t id[HF_MACHINE_BYTES_MAX];
  (void)state;
  size_t len = machine_id(id, sizeof id);
  assert_true(len > 36 && len <= sizeof id);
  assert_int_equal(machine_id(id, len), len);
  assert_int_equal(machine_id(id, len - 1), 0);
}

static void test_machine_id_is_a_childs_too(void **state) {
  uint8_t id[HF_MACHINE_BYTES_MAX], of_child[HF_MACHINE_BYTES_MAX];
  int status;
  (void)state;
  size_t len = machine_id(id, sizeof id);
  pid_t child = fork();
  if (child == 0) {
    size_t child_len = machine_id(of_child, sizeof of_child);
    _exit(child_len == len && memcmp(id, of_child, len) == 0 ? 0 : 1);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_machine_id_fits_its_field),
      cmocka_unit_test(test_machine_id_is_a_childs_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
