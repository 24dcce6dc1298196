/* How much memory there is, by files as the kernel has them. */
#include "server/journal/available_memory.h"
#include "tests/support/directory.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((uint64_t)1 << 20)
#define MEMINFO "MemTotal: 4096000 kB\nMemFree: 1 kB\nMemAvailable:    2048000 kB\n"
#define OF_MACHINE ((uint64_t)2048000 << 10)
#define SERVICE "sys/fs/cgroup/system.slice/holdfast.service"

static const char *const directories[] = {
    "proc", "proc/self", "sys", "sys/fs", "sys/fs/cgroup", "sys/fs/cgroup/system.slice", SERVICE};
#define DIRECTORIES (sizeof directories / sizeof *directories)

static char root[DIRECTORY_PATH_BYTES];
static char files[32][PATH_MAX];
static size_t files_count;

static void write_file(const char *directory, const char *name, const char *text) {
  char *path = files[files_count++];
  snprintf(path, PATH_MAX, "%s/%s/%s", root, directory, name);
  FILE *file = fopen(path, "we");
  assert_non_null(file);
  fputs(text, file);
  assert_int_equal(fclose(file), 0);
}

static int set_up(void **state) {
  char path[PATH_MAX];
  (void)state;
  files_count = 0;
  directory_make(root);
  for (size_t i = 0; i < DIRECTORIES; i++) {
    snprintf(path, sizeof path, "%s/%s", root, directories[i]);
    assert_int_equal(mkdir(path, 0700), 0);
  }
  write_file("proc", "meminfo", MEMINFO);
  return 0;
}

static int tear_down(void **state) {
  char path[PATH_MAX];
  (void)state;
  for (size_t i = 0; i < files_count; i++) {
    unlink(files[i]);
  }
  for (size_t i = DIRECTORIES; i > 0; i--) {
    snprintf(path, sizeof path, "%s/%s", root, directories[i - 1]);
    assert_int_equal(rmdir(path), 0);
  }
  directory_remove(root);
  return 0;
}

static void write_limit(const char *directory, const char *most, const char *used,
                        const char *stat) {
  write_file(directory, "memory.max", most);
  write_file(directory, "memory.current", used);
  write_file(directory, "memory.stat", stat);
}

static void test_available_memory_without_a_group_is_the_machines(void **state) {
  (void)state;
  assert_true(available_memory_bytes(root) == OF_MACHINE);
  write_file("proc/self", "cgroup", "1:cpu:/x\n");
  assert_true(available_memory_bytes(root) == OF_MACHINE);
}

/* Of 100 MiB, 70 are used, of which 20 are pages of files. */
static void test_available_memory_is_below_the_groups_limit(void **state) {
  (void)state;
  write_file("proc/self", "cgroup", "1:cpu:/x\n0::/system.slice/holdfast.service\n");
  write_limit(SERVICE, "104857600\n", "73400320\n",
              "anon 52428800\nfile 20971520\ninactive_file 16777216\nactive_file 4194304\n");
  assert_true(available_memory_bytes(root) == 50 * MIB);
}

static void test_available_memory_is_below_the_limit_of_each_group_above(void **state) {
  (void)state;
  write_file("proc/self", "cgroup", "0::/system.slice/holdfast.service\n");
  write_limit(SERVICE, "max\n", "1048576\n", "inactive_file 0\n");
  write_limit("sys/fs/cgroup/system.slice", "10485760\n", "12582912\n", "inactive_file 0\n");
  assert_true(available_memory_bytes(root) == 0); /* it may be over its limit for a moment */
}

/* Its own group is the root there. */
static void test_available_memory_in_a_container(void **state) {
  (void)state;
  write_file("proc/self", "cgroup", "0::/\n");
  write_limit("sys/fs/cgroup", "10485760\n", "1048576\n", "inactive_file 0\n");
  assert_true(available_memory_bytes(root) == 9 * MIB);
}

static void test_available_memory_of_this_machine_is_known(void **state) {
  (void)state;
  assert_true(available_memory_bytes("") < UINT64_MAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_available_memory_without_a_group_is_the_machines, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_available_memory_is_below_the_groups_limit, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_available_memory_is_below_the_limit_of_each_group_above,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_available_memory_in_a_container, set_up, tear_down),
      cmocka_unit_test(test_available_memory_of_this_machine_is_known),
  };
  return cmocka_run_group_tests_name("unit.available_memory", tests, NULL, NULL);
}
