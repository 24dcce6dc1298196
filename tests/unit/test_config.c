/* The configuration: what the command line says, what is made of all of it, and the shipped file. */
#include "proto/limits.h"
#include "server/config/table.h"
#include "tests/support/config_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ----------------------------------------------------------------------------- command line */

static void test_config_without_any_is_local_defaults(void **state) {
  (void)state;
  const struct settings *settings = config_place_right(LOAD_FILE());
  assert_true(settings->listen_count >= 1);
  assert_string_equal(settings->listen[0], "tcp://127.0.0.1:4653");
  assert_null(settings->ports_file);
  assert_true(settings->memory_bytes_max == HF_MEMORY_BYTES_DEFAULT);
  assert_int_equal(settings->log_level, LOG_INFO);
  assert_int_equal(settings->exit_with, 0);
  assert_false(settings->insecure_no_auth);
  assert_int_equal(settings->users_count, 0);
  assert_string_equal(settings->tls.certificate, "");
  assert_string_equal(settings->tls.key_file, "");
  assert_int_equal(settings->tls.min_version, TLS_VERSION_1_2);
}

static void test_config_default_ipc_is_in_a_writable_directory(void **state) {
  (void)state;
  setenv("XDG_RUNTIME_DIR", "/tmp", 1);
  const struct settings *settings = config_place_right(LOAD_FILE());
  assert_int_equal(settings->listen_count, 2);
  assert_true(strcmp(settings->listen[1], "ipc:///tmp/holdfast.sock") == 0 ||
              strcmp(settings->listen[1], "ipc:///run/holdfast/holdfast.sock") == 0);
}

static void test_config_all_flags_are_taken(void **state) {
  (void)state;
  const struct settings *settings = config_place_right(
      LOAD("--listen", "tcp://127.0.0.1:0", "--listen=ipc:///tmp/x.sock", "--ports-file",
           "/tmp/ports", "--memory-max", "64M", "--log-level", "debug", "--exit-with", "4711",
           "--insecure-no-auth", "--key-file", "/k", "--tls-certificate", "/c", "--tls-private-key",
           "/p", "--tls-client-ca", "/a", "--tls-crl", "/r", "--tls-min-version", "1.3"));
  assert_int_equal(settings->listen_count, 2);
  assert_string_equal(settings->listen[0], "tcp://127.0.0.1:0");
  assert_string_equal(settings->listen[1], "ipc:///tmp/x.sock");
  assert_string_equal(settings->ports_file, "/tmp/ports");
  assert_true(settings->memory_bytes_max == (size_t)64 << 20);
  assert_int_equal(settings->log_level, LOG_DEBUG);
  assert_int_equal(settings->exit_with, 4711);
  assert_true(settings->insecure_no_auth);
  assert_string_equal(settings->tls.key_file, "/k");
  assert_string_equal(settings->tls.certificate, "/c");
  assert_string_equal(settings->tls.private_key, "/p");
  assert_string_equal(settings->tls.client_ca, "/a");
  assert_string_equal(settings->tls.crl, "/r");
  assert_int_equal(settings->tls.min_version, TLS_VERSION_1_3);
}

static void test_config_sizes_are_read(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t size;
  } good[] = {{"1", 1}, {"4096", 4096}, {"3K", 3072}, {"512M", 512u << 20}, {"2G", 2ull << 30}};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    size_t size = 0;
    assert_true(value_read_size(good[i].text, &size));
    assert_true(size == good[i].size);
  }
}

static void test_config_bad_sizes_are_refused(void **state) {
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
    assert_false(value_read_size(bad[i], &size));
    assert_int_equal(size, 42);
  }
}

/* With less a server starts, and refuses whatever is to be stored. */
static void test_config_memory_has_a_least_size(void **state) {
  (void)state;
  static const char *const bad[] = {"lots", "0", "1", "1K", "1023K", "1048575"};
  char sentence[128];
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    snprintf(sentence, sizeof sentence,
             "--memory-max %s: not a size of 1M or more; write e.g. 512M or 2G", bad[i]);
    config_place_refuses(LOAD("--memory-max", bad[i]), sentence);
  }
  assert_int_equal(config_place_right(LOAD("--memory-max", "1M"))->memory_bytes_max, 1 << 20);
  config_place_refuses(LOAD("--snapshot-min", "lots"),
                       "--snapshot-min lots: not a size; write e.g. 512M or 2G");
}

static void test_config_local_addresses_are_local(void **state) {
  (void)state;
  static const char *const local[] = {
      "tcp://127.0.0.1:4653", "tcp://127.1.2.3:0",           "tcp://[::1]:4653",
      "tcp://localhost:1",    "tcp://[::ffff:127.0.0.1]:80", "ipc:///tmp/x",
  };
  for (size_t i = 0; i < sizeof local / sizeof local[0]; i++) {
    assert_string_equal(config_place_right(LOAD("--listen", local[i]))->listen[0], local[i]);
  }
}

static void test_config_open_addresses_need_consent(void **state) {
  (void)state;
  static const char *const open[] = {
      "tcp://0.0.0.0:4653", "tcp://[::]:4653",   "tcp://*:4653",
      "tcp://:4653",        "tcp://192.0.2.1:1", "tcp://[::ffff:192.0.2.1]:80",
  };
  char error[CONFIG_ERROR_BYTES];
  for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
    snprintf(
        error, sizeof error,
        "--listen %s: other hosts could reach this address in clear. Use tls+tcp:// and "
        "--key-file (make one: holdfast key new USER), or add --insecure-no-auth if the network "
        "is trusted",
        open[i]);
    config_place_refuses(LOAD("--listen", "tcp://127.0.0.1:1", "--listen", open[i]), error);
    config_place_right(LOAD("--insecure-no-auth", "--listen", open[i]));
  }
}

static void test_config_encrypted_addresses_need_keys_or_a_certificate(void **state) {
  (void)state;
  config_place_refuses(
      LOAD("--listen", "tls+tcp://0.0.0.0:4653"),
      "--listen tls+tcp://0.0.0.0:4653: needs --key-file FILE (holdfast key new USER > "
      "FILE) or tls.certificate");
  config_place_right(LOAD("--listen", "tls+tcp://0.0.0.0:4653", "--key-file", "/k"));
  config_place_right(
      LOAD("--listen", "tls+tcp://*:4653", "--tls-certificate", "/c", "--insecure-no-auth"));
  config_place_refuses(LOAD("--tls-private-key", "/c"),
                       "tls.private_key needs tls.certificate beside it");
  config_place_refuses(LOAD("--tls-crl", "/c"), "tls.crl needs tls.client_ca beside it");
  config_place_refuses(LOAD("--tls-client-ca", "/c"),
                       "tls.client_ca needs tls.certificate beside it");
}

static void test_config_what_is_no_address_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {
      "tcp://",         "tcp://127.0.0.1",    "tcp://127.0.0.1:", "tcp://127.0.0.1:x",
      "tcp://a:-1",     "tcp://[::1:4653",    "tcp://a:123456",   "tcp://a:65536",
      "tls+tcp://",     "http://127.0.0.1:1", "ipc://",           "ipc:///",
      "127.0.0.1:4653", "tcp4://127.0.0.1:1",
  };
  char error[CONFIG_ERROR_BYTES];
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    snprintf(error, sizeof error,
             "--listen %s: not an address; use tcp://HOST:PORT, tls+tcp://HOST:PORT or ipc:///PATH",
             bad[i]);
    config_place_refuses(LOAD("--listen", bad[i]), error);
  }
}

static void test_config_relative_paths_of_sockets_are_made_absolute(void **state) {
  char expected[CONFIG_PLACE_BYTES], directory[CONFIG_PLACE_BYTES - 16];
  (void)state;
  assert_int_equal(chdir(config_place.folder), 0);
  assert_non_null(getcwd(directory, sizeof directory));
  snprintf(expected, sizeof expected, "ipc://%s/x.sock", directory);
  assert_string_equal(config_place_right(LOAD("--listen", "ipc://x.sock"))->listen[0], expected);
  assert_int_equal(chdir("/"), 0);
}

static void test_config_surplus_words_and_levels_are_refused(void **state) {
  (void)state;
  config_place_refuses(LOAD("tcp://127.0.0.1:1"),
                       "argument tcp://127.0.0.1:1: not understood; addresses go behind --listen");
  config_place_refuses(LOAD("--log-level", "loud"),
                       "--log-level loud: not one of error, warn, info, debug");
}

static void test_config_processes_are_numbers(void **state) {
  (void)state;
  static const char *const bad[] = {"0", "-1", "+1", " 1", "1x", "2147483648", "self"};
  char error[CONFIG_ERROR_BYTES];
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    snprintf(error, sizeof error, "--exit-with %s: not the number of a process", bad[i]);
    config_place_refuses(LOAD("--exit-with", bad[i]), error);
  }
}

static void test_config_too_many_addresses_are_refused(void **state) {
  (void)state;
  const char *words[2 * SETTINGS_LISTEN_MAX + 5] = {"--config", config_place.file};
  size_t count = 2;
  for (size_t i = 0; i <= SETTINGS_LISTEN_MAX; i++) {
    words[count++] = "--listen";
    words[count++] = "tcp://127.0.0.1:0";
  }
  words[count] = NULL;
  config_place_refuses(config_place_load(words),
                       "--listen tcp://127.0.0.1:0: too many addresses, 16 at most");
}

/* ---------------------------------------------------------------------------- what is made */

static void expect_printed(const struct config *config, const char *expected) {
  char text[8192] = "";
  FILE *file = fmemopen(text, sizeof text, "w");
  assert_non_null(file);
  config_print(config, file);
  fclose(file);
  if (strstr(text, expected) == NULL) {
    print_error("%s", text);
  }
  assert_non_null(strstr(text, expected));
}

static void test_config_is_printed_with_origins(void **state) {
  char expected[4 * CONFIG_PLACE_BYTES];
  (void)state;
  config_place_write_file(
      "[server]\nlisten = tcp://127.0.0.1:1\nlisten = tcp://127.0.0.1:2\n"
      "[user web]\nrights = a:r b:w\nuid = 4000\n");
  setenv("HOLDFASTD_MEMORY_MAX", "2G", 1);
  struct config *config = LOAD("--log-level", "warn");
  config_place_right(config);
  unsetenv("HOLDFASTD_MEMORY_MAX");
  snprintf(expected, sizeof expected,
           "[server]\nlisten = tcp://127.0.0.1:1, tcp://127.0.0.1:2  # %s:2\n"
           "ports_file =   # default\nmemory_max = 2G  # HOLDFASTD_MEMORY_MAX\n"
           "insecure_no_auth = no  # default\n[log]\nlevel = warn  # --log-level\n",
           config_place.file);
  expect_printed(config, expected);
  snprintf(expected, sizeof expected, "[user web]\nrights = a:r b:w  # %s:5\nuid = 4000  # %s:6\n",
           config_place.file, config_place.file);
  expect_printed(config, expected);
  unsetenv("XDG_RUNTIME_DIR");
  config_place_write_file("");
  expect_printed(LOAD_FILE(), "[server]\nlisten = tcp://127.0.0.1:4653");
}

static void expect_restarts(const char *words[3], const char *names) {
  char found[CONFIG_ERROR_BYTES];
  struct config *old = config_place_loaded;
  config_place_loaded = NULL;
  config_list_restarts(old,
                       config_place_load((const char *const[]){"--config", config_place.file,
                                                               words[0], words[1], words[2], NULL}),
                       found);
  assert_string_equal(found, names);
  config_free(config_place_loaded);
  config_place_loaded = old;
}

static void test_config_names_what_needs_a_restart(void **state) {
  (void)state;
  config_place_write_file("[server]\nlisten = tcp://127.0.0.1:1\n[log]\nlevel = info\n");
  config_place_right(LOAD_FILE());
  expect_restarts((const char *[]){NULL, NULL, NULL}, "");
  expect_restarts((const char *[]){"--log-level=warn", "--key-file=/k", NULL}, "");
  expect_restarts((const char *[]){"--memory-max=8G", NULL, NULL}, "");
  expect_restarts((const char *[]){"--memory-max=7G", "--listen=tcp://127.0.0.1:2", NULL},
                  "listen, memory_max");
}

static void test_config_sees_files_that_change(void **state) {
  char key[2 * CONFIG_PLACE_BYTES];
  (void)state;
  snprintf(key, sizeof key, "%s/keys", config_place.folder);
  struct config *config = LOAD("--key-file", key);
  config_place_right(config);
  assert_false(config_has_changed(config));
  config_place_write("keys", "x", 1);
  assert_true(config_has_changed(config));

  config_place_right(config = LOAD("--key-file", key));
  assert_false(config_has_changed(config));
  config_place_write("other", "x", 1);
  char other[2 * CONFIG_PLACE_BYTES];
  snprintf(other, sizeof other, "%s/other", config_place.folder);
  assert_int_equal(rename(other, key), 0); /* of the same size, maybe at the same time */
  assert_true(config_has_changed(config));

  config_place_right(config = LOAD_FILE());
  config_place_write_part("new.conf", "[log]\nlevl = info\n");
  assert_true(config_has_changed(config));
  config = LOAD_FILE();
  assert_non_null(config_error(config));
  assert_false(config_has_changed(config)); /* a wrong one is watched, too */
  config_place_write_part("new.conf", "[log]\nlevel = info\n");
  assert_true(config_has_changed(config));
}

/* Kept while another is loaded. */
static struct config *load_with_crl(const char *ca, const char *crl) {
  struct config *config = LOAD("--tls-certificate", "/c", "--tls-client-ca", ca, "--tls-crl", crl);
  config_place_right(config);
  config_place_loaded = NULL;
  return config;
}

static void expect_verified_alike(const struct config *old, struct config *config, bool is_alike) {
  assert_true(config_verifies_alike(old, config) == is_alike);
  config_free(config);
}

static void test_config_knows_whether_certificates_are_verified_alike(void **state) {
  char ca[2 * CONFIG_PLACE_BYTES], crl[2 * CONFIG_PLACE_BYTES];
  (void)state;
  snprintf(ca, sizeof ca, "%s/ca", config_place.folder);
  snprintf(crl, sizeof crl, "%s/crl", config_place.folder);
  config_place_write("ca", "x", 1), config_place_write("crl", "x", 1);
  struct config *old = load_with_crl(ca, crl);
  config_place_write_file("[user web]\nuid = 1\n");
  expect_verified_alike(old, load_with_crl(ca, crl), true);
  expect_verified_alike(old, load_with_crl(crl, ca), false);
  expect_verified_alike(old, load_with_crl(ca, ""), false);
  config_place_write("crl", "xy", 2);
  expect_verified_alike(old, load_with_crl(ca, crl), false);
  config_free(old);

  old = load_with_crl(ca, crl);
  config_place_write("ca", "xy", 2);
  expect_verified_alike(old, load_with_crl(ca, crl), false);
  config_free(old);
  old = LOAD_FILE();
  config_place_loaded = NULL;
  expect_verified_alike(old, load_with_crl("", ""), true);
  config_free(old);
}

/* ----------------------------------------------------------------------------------- sample */

/* The shipped file; with_examples: without the semicolons before its keys and sections. */
static void write_sample(bool with_examples) {
  static char text[16384];
  FILE *file = fopen(SAMPLE, "re");
  assert_non_null(file);
  size_t len = 0;
  for (char *line = text; fgets(line, (int)(sizeof text - len), file) != NULL; line = text + len) {
    bool is_example = line[0] == ';' && line[1] != ' ' && line[1] != '\n';
    if (with_examples && is_example) {
      memmove(line, line + 1, strlen(line));
    }
    len += strlen(line);
  }
  fclose(file);
  config_place_write_file(text);
}

static void test_sample_sets_nothing_and_shows_each_setting(void **state) {
  char text[8192] = "", line[CONFIG_PLACE_BYTES];
  (void)state;
  write_sample(false);
  const struct settings *settings = config_place_right(LOAD_FILE());
  assert_int_equal(settings->users_count, 0);
  assert_string_equal(settings->tls.key_file, "");

  write_sample(true);
  struct config *config = LOAD_FILE();
  config_place_right(config);
  FILE *file = fmemopen(text, sizeof text, "w");
  config_print(config, file);
  fclose(file);
  assert_null(strstr(text, "# default"));
  for (size_t i = 0; i < settings_count; i++) {
    const struct setting *setting = &settings_table[i];
    snprintf(line, sizeof line, "\n%s = ", setting->key);
    bool is_users = setting->section != NULL && strcmp(setting->section, TABLE_USER) == 0;
    const char *found = strstr(is_users ? strstr(text, "[user web]") : text, line);
    bool is_shown = setting->section == NULL || found != NULL;
    if (!is_shown) {
      print_error("%s has no %s in [%s]\n", SAMPLE, setting->key, setting->section);
    }
    assert_true(is_shown);
    if (setting->section != NULL && !is_users &&
        *setting->fallback != '\0') { /* it is shown with its default */
      snprintf(line, sizeof line, "\n%s = %s  # ", setting->key, setting->fallback);
      assert_non_null(strstr(text, line));
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CONFIG_TEST(test_config_without_any_is_local_defaults),
      CONFIG_TEST(test_config_default_ipc_is_in_a_writable_directory),
      CONFIG_TEST(test_config_all_flags_are_taken),
      CONFIG_TEST(test_config_sizes_are_read),
      CONFIG_TEST(test_config_bad_sizes_are_refused),
      CONFIG_TEST(test_config_memory_has_a_least_size),
      CONFIG_TEST(test_config_local_addresses_are_local),
      CONFIG_TEST(test_config_open_addresses_need_consent),
      CONFIG_TEST(test_config_encrypted_addresses_need_keys_or_a_certificate),
      CONFIG_TEST(test_config_what_is_no_address_is_refused),
      CONFIG_TEST(test_config_relative_paths_of_sockets_are_made_absolute),
      CONFIG_TEST(test_config_surplus_words_and_levels_are_refused),
      CONFIG_TEST(test_config_processes_are_numbers),
      CONFIG_TEST(test_config_too_many_addresses_are_refused),
      CONFIG_TEST(test_config_is_printed_with_origins),
      CONFIG_TEST(test_config_names_what_needs_a_restart),
      CONFIG_TEST(test_config_sees_files_that_change),
      CONFIG_TEST(test_config_knows_whether_certificates_are_verified_alike),
      CONFIG_TEST(test_sample_sets_nothing_and_shows_each_setting),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
