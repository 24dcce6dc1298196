/* The command line of holdfastd: what is taken, what is refused and with which advice. */
#include "proto/limits.h"
#include "server/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARGS_MAX 40

/* Parses the words, which end with NULL. options borrows them; argp only moves the pointers. */
static bool parse(struct options *options, const char *const *words) {
  static char program[] = "holdfastd";
  char *argv[ARGS_MAX + 2] = {program};
  int argc = 1;
  while (words[argc - 1] != NULL) {
    assert_true(argc <= ARGS_MAX);
    argv[argc] = (char *)(uintptr_t)words[argc - 1];
    argc++;
  }
  return options_parse(options, argc, argv);
}

#define PARSE(options, ...) parse(options, (const char *const[]){__VA_ARGS__, NULL})

static void expect_refused(const char *option, const char *value, const char *advice) {
  struct options options;
  assert_false(PARSE(&options, option, value));
  assert_non_null(strstr(options.error, advice));
}

static void test_options_without_any_are_local_defaults(void **state) {
  (void)state;
  struct options options;
  assert_true(parse(&options, (const char *const[]){NULL}));
  assert_true(options.listen_count >= 1);
  assert_string_equal(options.listen[0], "tcp://127.0.0.1:4653");
  assert_null(options.ports_file);
  assert_true(options.memory_bytes_max == HF_MEMORY_BYTES_DEFAULT);
  assert_int_equal(options.log_level, LOG_INFO);
  assert_int_equal(options.exit_with, 0);
  assert_false(options.insecure_no_auth);
}

static void test_options_default_ipc_is_in_a_writable_directory(void **state) {
  (void)state;
  struct options options;
  setenv("XDG_RUNTIME_DIR", "/tmp", 1);
  assert_true(parse(&options, (const char *const[]){NULL}));
  assert_int_equal(options.listen_count, 2);
  assert_true(strcmp(options.listen[1], "ipc:///tmp/holdfast.sock") == 0 ||
              strcmp(options.listen[1], "ipc:///run/holdfast/holdfast.sock") == 0);
}

static void test_options_all_are_taken(void **state) {
  (void)state;
  struct options options;
  assert_true(PARSE(&options, "--listen", "tcp://127.0.0.1:0", "--listen=ipc:///tmp/x.sock",
                    "--ports-file", "/tmp/ports", "--memory-max", "64M", "--log-level", "debug",
                    "--exit-with", "4711", "--insecure-no-auth"));
  assert_int_equal(options.listen_count, 2);
  assert_string_equal(options.listen[0], "tcp://127.0.0.1:0");
  assert_string_equal(options.listen[1], "ipc:///tmp/x.sock");
  assert_string_equal(options.ports_file, "/tmp/ports");
  assert_true(options.memory_bytes_max == (size_t)64 << 20);
  assert_int_equal(options.log_level, LOG_DEBUG);
  assert_int_equal(options.exit_with, 4711);
  assert_true(options.insecure_no_auth);
}

static void test_options_sizes_are_read(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t size;
  } good[] = {{"1", 1}, {"4096", 4096}, {"3K", 3072}, {"512M", 512u << 20}, {"2G", 2ull << 30}};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    size_t size = 0;
    assert_true(options_read_size(good[i].text, &size));
    assert_true(size == good[i].size);
  }
}

static void test_options_bad_sizes_are_refused(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "0",
      "-1",
      " 1",
      "+1",
      "K",
      "1T",
      "1k",
      "1KB",
      "1.5G",
      "0x10",
      "99999999999999999999",
      "18446744073709551615K",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    size_t size = 42;
    assert_false(options_read_size(bad[i], &size));
    assert_int_equal(size, 42);
  }
  expect_refused("--memory-max", "lots", "e.g. 512M");
}

static void test_options_local_addresses_are_local(void **state) {
  (void)state;
  static const char *const local[] = {
      "tcp://127.0.0.1:4653", "tcp://127.1.2.3:0",           "tcp://[::1]:4653",
      "tcp://localhost:1",    "tcp://[::ffff:127.0.0.1]:80", "ipc:///tmp/x",
  };
  char error[OPTIONS_ERROR_BYTES];
  for (size_t i = 0; i < sizeof local / sizeof local[0]; i++) {
    assert_true(options_is_local(local[i], error));
    assert_string_equal(error, "");
  }
}

static void test_options_open_addresses_need_consent(void **state) {
  (void)state;
  static const char *const open[] = {
      "tcp://0.0.0.0:4653", "tcp://[::]:4653",   "tcp://*:4653",
      "tcp://:4653",        "tcp://192.0.2.1:1", "tcp://[::ffff:192.0.2.1]:80",
  };
  struct options options;
  for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
    expect_refused("--listen", open[i], "add --insecure-no-auth");
    assert_true(PARSE(&options, "--insecure-no-auth", "--listen", open[i]));
  }
}

static void test_options_open_address_among_local_ones_is_found(void **state) {
  (void)state;
  struct options options;
  assert_false(PARSE(&options, "--listen", "tcp://127.0.0.1:1", "--listen", "tcp://0.0.0.0:2"));
  assert_non_null(strstr(options.error, "0.0.0.0:2"));
}

static void test_options_what_is_no_address_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "tcp://",
      "tcp://127.0.0.1",
      "tcp://127.0.0.1:",
      "tcp://127.0.0.1:x",
      "tcp://a:-1",
      "tcp://[::1:4653",
      "tcp://a:123456",
      "tcp://a:65536",
      "http://127.0.0.1:1",
      "ipc://",
      "ipc:///",
      "127.0.0.1:4653",
      "tcp4://127.0.0.1:1",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    expect_refused("--listen", bad[i], "use tcp://HOST:PORT or ipc:///PATH");
  }
}

static void test_options_surplus_words_and_levels_are_refused(void **state) {
  (void)state;
  struct options options;
  assert_false(PARSE(&options, "tcp://127.0.0.1:1"));
  assert_non_null(strstr(options.error, "--listen"));
  expect_refused("--log-level", "loud", "error, warn, info, debug");
}

static void test_options_processes_are_numbers(void **state) {
  (void)state;
  static const char *const bad[] = {"", "0", "-1", "+1", " 1", "1x", "2147483648", "self"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    expect_refused("--exit-with", bad[i], "not the number of a process");
  }
}

static void test_options_too_many_addresses_are_refused(void **state) {
  (void)state;
  const char *words[OPTIONS_LISTEN_MAX * 2 + 3];
  size_t count = 0;
  for (size_t i = 0; i <= OPTIONS_LISTEN_MAX; i++) {
    words[count++] = "--listen";
    words[count++] = "tcp://127.0.0.1:0";
  }
  words[count] = NULL;
  struct options options;
  assert_false(parse(&options, words));
  assert_non_null(strstr(options.error, "16 at most"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_options_without_any_are_local_defaults),
      cmocka_unit_test(test_options_default_ipc_is_in_a_writable_directory),
      cmocka_unit_test(test_options_all_are_taken),
      cmocka_unit_test(test_options_sizes_are_read),
      cmocka_unit_test(test_options_bad_sizes_are_refused),
      cmocka_unit_test(test_options_local_addresses_are_local),
      cmocka_unit_test(test_options_open_addresses_need_consent),
      cmocka_unit_test(test_options_open_address_among_local_ones_is_found),
      cmocka_unit_test(test_options_what_is_no_address_is_refused),
      cmocka_unit_test(test_options_surplus_words_and_levels_are_refused),
      cmocka_unit_test(test_options_processes_are_numbers),
      cmocka_unit_test(test_options_too_many_addresses_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
