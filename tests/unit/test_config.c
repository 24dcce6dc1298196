/* The configuration: what is taken from where, what is refused, and with which words. */
#include "proto/limits.h"
#include "server/config/config.h"
#include "server/config/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGS_MAX 40
#define PATH_BYTES 300

/* In a folder of its own; conf.d is beside the file. */
static struct {
  char folder[128];
  char file[PATH_BYTES];
} place;

static struct config *last; /* of the last test's; freed with the next */

static struct config *load(const char *const *words) {
  static char program[] = "holdfastd";
  static char *argv[ARGS_MAX + 4];
  int argc = 1;
  argv[0] = program;
  for (; words[argc - 1] != NULL; argc++) {
    assert_true(argc <= ARGS_MAX);
    argv[argc] = (char *)(uintptr_t)words[argc - 1]; /* argp only moves the pointers */
  }
  argv[argc] = NULL;
  config_free(last);
  last = config_load(argc, argv);
  assert_non_null(last);
  return last;
}

#define LOAD(...) load((const char *const[]){"--config", place.file, __VA_ARGS__, NULL})
#define LOAD_FILE() load((const char *const[]){"--config", place.file, NULL})

static const struct settings *right(const struct config *config) {
  if (config_error(config) != NULL) {
    print_error("%s\n", config_error(config));
  }
  assert_null(config_error(config));
  return config_settings(config);
}

static void expect_error(const struct config *config, const char *error) {
  assert_non_null(config_error(config));
  assert_string_equal(config_error(config), error);
}

static void write_to(const char *name, const char *text, size_t len) {
  char path[2 * PATH_BYTES];
  snprintf(path, sizeof path, "%s/%s", place.folder, name);
  FILE *file = fopen(path, "we");
  assert_non_null(file);
  assert_int_equal(fwrite(text, 1, len, file), len);
  assert_int_equal(fclose(file), 0);
}

static void write_file(const char *text) {
  write_to("holdfastd.conf", text, strlen(text));
}

static void write_part(const char *name, const char *text) {
  char path[2 * PATH_BYTES];
  snprintf(path, sizeof path, "conf.d/%s", name);
  write_to(path, text, strlen(text));
}

static int set_up(void **state) {
  char path[2 * PATH_BYTES];
  (void)state;
  snprintf(place.folder, sizeof place.folder, "/tmp/hf-config-XXXXXX");
  if (mkdtemp(place.folder) == NULL) {
    return -1;
  }
  snprintf(place.file, sizeof place.file, "%s/holdfastd.conf", place.folder);
  snprintf(path, sizeof path, "%s/conf.d", place.folder);
  write_file("");
  return mkdir(path, 0700);
}

static int tear_down(void **state) {
  char command[2 * PATH_BYTES];
  (void)state;
  config_free(last);
  last = NULL;
  snprintf(command, sizeof command, "rm -r %s", place.folder);
  return system(command); /* NOLINT(cert-env33-c): a path of ours */
}

/* ----------------------------------------------------------------------------- command line */

static void test_config_without_any_is_local_defaults(void **state) {
  (void)state;
  const struct settings *settings = right(LOAD_FILE());
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
  const struct settings *settings = right(LOAD_FILE());
  assert_int_equal(settings->listen_count, 2);
  assert_true(strcmp(settings->listen[1], "ipc:///tmp/holdfast.sock") == 0 ||
              strcmp(settings->listen[1], "ipc:///run/holdfast/holdfast.sock") == 0);
}

static void test_config_all_flags_are_taken(void **state) {
  (void)state;
  const struct settings *settings = right(
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
  expect_error(LOAD("--memory-max", "lots"),
               "--memory-max lots: not a size; write e.g. 512M or 2G");
}

static void test_config_local_addresses_are_local(void **state) {
  (void)state;
  static const char *const local[] = {
      "tcp://127.0.0.1:4653", "tcp://127.1.2.3:0",           "tcp://[::1]:4653",
      "tcp://localhost:1",    "tcp://[::ffff:127.0.0.1]:80", "ipc:///tmp/x",
  };
  for (size_t i = 0; i < sizeof local / sizeof local[0]; i++) {
    assert_string_equal(right(LOAD("--listen", local[i]))->listen[0], local[i]);
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
    expect_error(LOAD("--listen", "tcp://127.0.0.1:1", "--listen", open[i]), error);
    right(LOAD("--insecure-no-auth", "--listen", open[i]));
  }
}

static void test_config_encrypted_addresses_need_keys_or_a_certificate(void **state) {
  (void)state;
  expect_error(LOAD("--listen", "tls+tcp://0.0.0.0:4653"),
               "--listen tls+tcp://0.0.0.0:4653: needs --key-file FILE (holdfast key new USER > "
               "FILE) or tls.certificate");
  right(LOAD("--listen", "tls+tcp://0.0.0.0:4653", "--key-file", "/k"));
  right(LOAD("--listen", "tls+tcp://*:4653", "--tls-certificate", "/c"));
  expect_error(LOAD("--tls-private-key", "/c"), "tls.private_key needs tls.certificate beside it");
  expect_error(LOAD("--tls-crl", "/c"), "tls.crl needs tls.client_ca beside it");
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
    expect_error(LOAD("--listen", bad[i]), error);
  }
}

static void test_config_relative_paths_of_sockets_are_made_absolute(void **state) {
  char expected[PATH_BYTES], directory[PATH_BYTES - 16];
  (void)state;
  assert_int_equal(chdir(place.folder), 0);
  assert_non_null(getcwd(directory, sizeof directory));
  snprintf(expected, sizeof expected, "ipc://%s/x.sock", directory);
  assert_string_equal(right(LOAD("--listen", "ipc://x.sock"))->listen[0], expected);
  assert_int_equal(chdir("/"), 0);
}

static void test_config_surplus_words_and_levels_are_refused(void **state) {
  (void)state;
  expect_error(LOAD("tcp://127.0.0.1:1"),
               "argument tcp://127.0.0.1:1: not understood; addresses go behind --listen");
  expect_error(LOAD("--log-level", "loud"),
               "--log-level loud: not one of error, warn, info, debug");
}

static void test_config_processes_are_numbers(void **state) {
  (void)state;
  static const char *const bad[] = {"0", "-1", "+1", " 1", "1x", "2147483648", "self"};
  char error[CONFIG_ERROR_BYTES];
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    snprintf(error, sizeof error, "--exit-with %s: not the number of a process", bad[i]);
    expect_error(LOAD("--exit-with", bad[i]), error);
  }
}

static void test_config_too_many_addresses_are_refused(void **state) {
  (void)state;
  const char *words[2 * SETTINGS_LISTEN_MAX + 5] = {"--config", place.file};
  size_t count = 2;
  for (size_t i = 0; i <= SETTINGS_LISTEN_MAX; i++) {
    words[count++] = "--listen";
    words[count++] = "tcp://127.0.0.1:0";
  }
  words[count] = NULL;
  expect_error(load(words), "--listen tcp://127.0.0.1:0: too many addresses, 16 at most");
}

/* ------------------------------------------------------------------------------------ files */

static void test_config_files_are_taken_and_parts_go_over_them(void **state) {
  (void)state;
  write_file(
      "\xef\xbb\xbf# comment\n; comment\n[server]\n  listen = tcp://127.0.0.1:1, ipc:///tmp/x ; "
      "comment\n"
      "memory_max=2G\r\n\n[log]\nlevel : debug\n[user web]\nuid = 4000\n");
  const struct settings *settings = right(LOAD_FILE());
  assert_int_equal(settings->listen_count, 2);
  assert_string_equal(settings->listen[0], "tcp://127.0.0.1:1");
  assert_string_equal(settings->listen[1], "ipc:///tmp/x");
  assert_true(settings->memory_bytes_max == (size_t)2 << 30);
  assert_int_equal(settings->log_level, LOG_DEBUG);
  assert_int_equal(settings->users_count, 1);

  write_part("20.conf", "[server]\nmemory_max = 4G\nlisten = tcp://127.0.0.1:3\n");
  write_part("10.conf",
             "[server]\nmemory_max = 3G\nlisten = tcp://127.0.0.1:2\n"
             "[user web]\nsessions_max = 7\n");
  write_part("30.conf~", "[server]\nmemory_max = 5G\n");
  write_part(".40.conf", "[server]\nmemory_max = 6G\n");
  settings = right(LOAD_FILE());
  assert_true(settings->memory_bytes_max == (size_t)4 << 30);
  assert_int_equal(settings->listen_count, 1);
  assert_string_equal(settings->listen[0], "tcp://127.0.0.1:3");
  assert_int_equal(settings->users_count, 1);
  assert_int_equal(settings->users[0].uids_count, 1);
  assert_int_equal(settings->users[0].settings.limits.sessions, 7);
}

static void test_config_variables_go_over_files_and_flags_over_both(void **state) {
  (void)state;
  write_file(
      "[server]\nmemory_max = 1G\nlisten = tcp://127.0.0.1:1\n[log]\nlevel = debug\n"
      "[keys]\nfile = /file\n");
  setenv("HOLDFASTD_MEMORY_MAX", "2G", 1);
  setenv("HOLDFASTD_LISTEN", "tcp://127.0.0.1:2,tcp://127.0.0.1:3", 1);
  setenv("HOLDFASTD_KEY_FILE", "", 1);
  const struct settings *settings = right(LOAD("--listen", "tcp://127.0.0.1:4"));
  assert_true(settings->memory_bytes_max == (size_t)2 << 30);
  assert_int_equal(settings->listen_count, 1);
  assert_string_equal(settings->listen[0], "tcp://127.0.0.1:4");
  assert_int_equal(settings->log_level, LOG_DEBUG);
  assert_string_equal(settings->tls.key_file, ""); /* an empty value is none */
  settings = right(LOAD("--memory-max", "3G"));
  assert_true(settings->memory_bytes_max == (size_t)3 << 30);
  assert_int_equal(settings->listen_count, 2);
  assert_string_equal(settings->listen[1], "tcp://127.0.0.1:3");
  setenv("HOLDFASTD_MEMORY_MAX", "lots", 1);
  expect_error(LOAD_FILE(), "HOLDFASTD_MEMORY_MAX=lots: not a size; write e.g. 512M or 2G");
  expect_error(LOAD("--memory-max", "3G"),
               "HOLDFASTD_MEMORY_MAX=lots: not a size; write e.g. 512M or 2G");
  unsetenv("HOLDFASTD_MEMORY_MAX"), unsetenv("HOLDFASTD_LISTEN"), unsetenv("HOLDFASTD_KEY_FILE");
}

static void test_config_variables_that_are_nearly_right_are_refused(void **state) {
  (void)state;
  setenv("HOLDFASTD_PORT", "tcp://10.0.0.1:4653", 1); /* Kubernetes', of a service holdfastd */
  setenv("HOLDFASTD_SERVICE_HOST", "10.0.0.1", 1);
  right(LOAD_FILE());
  setenv("HOLDFASTD_MAX_MEMORY", "1G", 1);
  expect_error(LOAD_FILE(),
               "unknown variable HOLDFASTD_MAX_MEMORY; did you mean HOLDFASTD_MEMORY_MAX?");
  unsetenv("HOLDFASTD_MAX_MEMORY"), unsetenv("HOLDFASTD_PORT"), unsetenv("HOLDFASTD_SERVICE_HOST");
}

static void test_config_file_may_be_missing_unless_it_is_named(void **state) {
  char error[CONFIG_ERROR_BYTES];
  (void)state;
  assert_int_equal(unlink(place.file), 0);
  snprintf(error, sizeof error, "%s: No such file or directory", place.file);
  expect_error(LOAD_FILE(), error);
  setenv("HOLDFASTD_CONFIG", place.file, 1);
  expect_error(load((const char *const[]){NULL}), error);
  write_file("[server]\nmemory_max = 5G\n");
  assert_true(right(load((const char *const[]){NULL}))->memory_bytes_max == (size_t)5 << 30);
  unsetenv("HOLDFASTD_CONFIG");
  snprintf(error, sizeof error, "%s: can't be read", place.folder);
  expect_error(load((const char *const[]){"--config", place.folder, NULL}), error);
}

static void make_link(const char *to, const char *name) {
  char path[2 * PATH_BYTES];
  snprintf(path, sizeof path, "%s/%s", place.folder, name);
  assert_int_equal(symlink(to, path), 0);
}

/* Root may read all, so these are what root can't read. */
static void test_config_directory_that_is_there_is_read_or_refused(void **state) {
  char path[2 * PATH_BYTES], error[CONFIG_ERROR_BYTES];
  (void)state;
  snprintf(path, sizeof path, "%s/conf.d", place.folder);
  make_link("no-such-file", "conf.d/users.conf");
  snprintf(error, sizeof error, "%s/users.conf: No such file or directory", path);
  expect_error(LOAD_FILE(), error);
  snprintf(error, sizeof error, "%s/users.conf", path);
  assert_int_equal(unlink(error), 0);
  right(LOAD_FILE());

  assert_int_equal(rmdir(path), 0);
  right(LOAD_FILE());
  make_link("conf.d", "conf.d");
  snprintf(error, sizeof error, "%s: Too many levels of symbolic links", path);
  expect_error(LOAD_FILE(), error);
  assert_int_equal(unlink(path), 0);
  make_link("no-such-directory", "conf.d");
  snprintf(error, sizeof error, "%s: No such file or directory", path);
  expect_error(LOAD_FILE(), error);
  assert_int_equal(unlink(path), 0);
  write_to("conf.d", "", 0);
  snprintf(error, sizeof error, "%s: Not a directory", path);
  expect_error(LOAD_FILE(), error);
}

/* No character of the directory's name has a meaning. */
static void test_config_directory_has_any_name(void **state) {
  static const char *const folders[] = {"a[b]*?", "a[b]*?/conf.d"};
  char path[2 * PATH_BYTES];
  (void)state;
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
    snprintf(path, sizeof path, "%s/%s", place.folder, folders[i]);
    assert_int_equal(mkdir(path, 0700), 0);
  }
  write_to("a[b]*?/holdfastd.conf", "", 0);
  write_to("a[b]*?/conf.d/x.conf", "[user a]\nuid = 1\n", strlen("[user a]\nuid = 1\n"));
  snprintf(path, sizeof path, "%s/a[b]*?/holdfastd.conf", place.folder);
  assert_int_equal(right(load((const char *const[]){"--config", path, NULL}))->users_count, 1);
}

#define RWC_ADVICE "not a right; write PREFIX:rwc, each prefix once, or admin"
#define NAME_ADVICE "write [user NAME], with a name of 1 to 44 of a-z A-Z 0-9 . _ @ -"
#define UID_ADVICE "not a number or a user of this machine"
#define NUMBER_ADVICE "not a number; leave it out for no limit"

static const struct {
  const char *text, *error; /* behind the file's name */
} bad_files[] = {
    {"[server]\nmax_memroy = 1G\n",
     ":2: unknown key 'max_memroy' in [server]; did you mean 'memory_max'?"},
    {"[user web]\nrighs = :r\n", ":2: unknown key 'righs' in [user web]; did you mean 'rights'?"},
    {"[user web]\nwhatever = :r\n", ":2: unknown key 'whatever' in [user web]"},
    {"[server]\nexit_with = 1\n", ":2: unknown key 'exit_with' in [server]"},
    {"[server]\nhttp = 127.0.0.1:1\n", ":2: unknown key 'http' in [server]"},
    {"[sever]\nlisten = x\n", ":2: unknown section [sever]; did you mean 'server'?"},
    {"[usr web]\nuid = 1\n", ":2: unknown section [usr web]"},
    {"listen = tcp://127.0.0.1:1\n", ":1: 'listen' stands before the first [section]"},
    {"[server]\nlisten\n", ":2: not understood; write key = value, or [section]"},
    {"[server\nlisten = x\n", ":1: not understood; write key = value, or [section]"},
    {"[log]\nlevel = info\nnothing\nlevel = loud\n",
     ":3: not understood; write key = value, or [section]"},
    {"[log]\n\n\nlevel = loud\nnothing\n", ":4: level = loud: not one of error, warn, info, debug"},
    {"[log]\nlevel = info\nlevel = info\n", ":3: level is set twice; the first is in line 2"},
    {"[server]\nlisten = ftp://x\n",
     ":2: listen = ftp://x: not an address; use tcp://HOST:PORT, "
     "tls+tcp://HOST:PORT or ipc:///PATH"},
    {"[server]\nlisten = tcp://127.0.0.1:1\nlisten = tls+tcp://127.0.0.1:2\n",
     ":3: listen = tls+tcp://127.0.0.1:2: needs --key-file FILE (holdfast key new USER > FILE) or "
     "tls.certificate"},
    {"[server]\ninsecure_no_auth = true\n", ":2: insecure_no_auth = true: not yes or no"},
    {"[tls]\nmin_version = 1.1\n", ":2: min_version = 1.1: not 1.2 or 1.3"},
    {"[user]\nuid = 1\n", ":2: [user]: " NAME_ADVICE},
    {"[user ]\nuid = 1\n", ":2: [user ]: " NAME_ADVICE},
    {"[user a b]\nuid = 1\n", ":2: [user a b]: " NAME_ADVICE},
    {"[user a\xc3\xa4]\nuid = 1\n", ":2: [user a\xc3\xa4]: " NAME_ADVICE},
    {"[user 123456789012345678901234567890123456789012345]\nuid = 1\n",
     ":1: the section's name is too long, 49 bytes at most"},
    {"\xef\xbb\xbf[user 123456789012345678901234567890123456789012345]\nuid = 1\n",
     ":1: the section's name is too long, 49 bytes at most"},
    {"\xef\xbb\xbf \f[user 123456789012345678901234567890123456789012345]\nuid = 1\n",
     ":1: the section's name is too long, 49 bytes at most"},
    {"[log]\n \v[user 123456789012345678901234567890123456789012345]\nuid = 1\n",
     ":2: the section's name is too long, 49 bytes at most"},
    {"[log]\n\f\r[user 123456789012345678901234567890123456789012345]\nuid = 1\n",
     ":2: the section's name is too long, 49 bytes at most"},
    {"[user a]\nrights = jobs.\n", ":2: rights = jobs.: " RWC_ADVICE},
    {"[user a]\nrights = jobs.:\n", ":2: rights = jobs.:: " RWC_ADVICE},
    {"[user a]\nrights = :rw jobs.:rx\n", ":2: rights = jobs.:rx: " RWC_ADVICE},
    {"[user a]\nrights = :rr\n", ":2: rights = :rr: " RWC_ADVICE},
    {"[user a]\nuid = 1\nrights = a:r b:w\nrights = a:w\n", ":4: rights = a:w: " RWC_ADVICE},
    {"[user a]\nuid = -1\n", ":2: uid = -1: " UID_ADVICE},
    {"[user a]\nuid = 4294967295\n", ":2: uid = 4294967295: " UID_ADVICE},
    {"[user a]\nuid = 1, no-such-user\n", ":2: uid = no-such-user: " UID_ADVICE},
    {"[user a]\nuid = 1\nobjects_max = 0\n", ":3: objects_max = 0: " NUMBER_ADVICE},
    {"[user a]\nuid = 1\nsessions_max = 1K\n", ":3: sessions_max = 1K: " NUMBER_ADVICE},
    {"[user a]\nmemory_max = all\n", ":2: memory_max = all: not a size; write e.g. 512M or 2G"},
    {"[user a]\nrights = :r\n",
     ":2: [user a]: nobody can be it: it needs key = yes, a uid or a "
     "certificate"},
    {"[user a]\nrights = :r\nkey = yes\n",
     ":3: [user a]: there are no keys: set file in [keys], or --key-file"},
    {"[user a]\nuid = 1\n[user b]\nuid = 2, daemon\n",
     ":4: [user b]: a uid of it is [user a]'s too; a peer is one user"},
    {"[user a]\nuid = 1\n[user b]\nuid = 2\nuid = 3, 4\nuid = 5, daemon\n",
     ":6: [user b]: a uid of it is [user a]'s too; a peer is one user"},
    {"[user a]\nuid = 1\ncertificate = x\n[user b]\ncertificate = y\ncertificate = cn:x\n",
     ":6: [user b]: a certificate of it is [user a]'s too; a peer is one user"},
    {"[user a]\ncertificate = x\n[user b]\ncertificate = dns:x, cn:x\n",
     ":4: [user b]: a certificate of it is [user a]'s too; a peer is one user"},
};

static void test_config_bad_files_are_refused_with_line_and_advice(void **state) {
  char error[CONFIG_ERROR_BYTES];
  (void)state;
  for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
    write_file(bad_files[i].text);
    snprintf(error, sizeof error, "%s%s", place.file, bad_files[i].error);
    expect_error(LOAD_FILE(), error);
  }
  write_file("[log]\nlevel = info\n");
  write_part("x.conf", "\n[log]\nlevl = debug\n");
  snprintf(error, sizeof error,
           "%s/conf.d/x.conf:3: unknown key 'levl' in [log]; did you mean 'level'?", place.folder);
  expect_error(LOAD_FILE(), error);
}

static void test_config_long_lines_and_zeros_are_refused(void **state) {
  char text[6000], error[CONFIG_ERROR_BYTES];
  (void)state;
  memset(text, 'x', sizeof text);
  memcpy(text, "[keys]\nfile = ", strlen("[keys]\nfile = "));
  write_to("holdfastd.conf", text, sizeof text);
  snprintf(error, sizeof error,
           "%s:2: the line is too long, 4,000 bytes at most; repeat a list's key", place.file);
  expect_error(LOAD_FILE(), error);
  write_to("holdfastd.conf", text, strlen("[keys]\nfile = ") + 3900);
  assert_int_equal(strlen(right(LOAD_FILE())->tls.key_file), 3900);
  write_to("holdfastd.conf", "[log]\nlevel = in\0fo\n", 20);
  snprintf(error, sizeof error, "%s:2: a byte 0: not a text file", place.file);
  expect_error(LOAD_FILE(), error);
}

static void test_config_users_are_read(void **state) {
  (void)state;
  write_file(
      "[keys]\nfile = /k\n[user web]\nkey = yes\n"
      "certificate = worker, dns:web.prod, uri:spiffe://a/b\nuid = 4000\nuid = root\n"
      "rights = jobs.:w a:b.:r :rwc admin\nmemory_max = 2G\nobjects_max = 3\n"
      "sessions_max = 4\nconnections_max = 5\nwaiting_max = 6\nrequests_per_s = 7\n"
      "[user anonymous]\nrights = :r\n");
  const struct settings *settings = right(LOAD_FILE());
  assert_int_equal(settings->users_count, 2);
  const struct user_section *web = &settings->users[0];
  assert_true(bytes_equal(web->settings.name, bytes_of_text("web")));
  assert_true(web->has_key && web->settings.is_admin);
  assert_int_equal(web->uids_count, 2);
  assert_int_equal(web->uids[0], 4000);
  assert_int_equal(web->uids[1], 0);
  assert_int_equal(web->certificates_count, 3);
  assert_string_equal(web->certificates[0], "cn:worker");
  assert_string_equal(web->certificates[1], "dns:web.prod");
  assert_string_equal(web->certificates[2], "uri:spiffe://a/b");
  assert_int_equal(web->settings.rights_count, 3);
  static const char *const prefixes[] = {"jobs.", "a:b.", ""};
  static const uint8_t access[] = {ACCESS_WRITE, ACCESS_READ,
                                   ACCESS_READ | ACCESS_WRITE | ACCESS_CREATE};
  for (size_t i = 0; i < 3; i++) {
    assert_true(bytes_equal(web->settings.rights[i].prefix, bytes_of_text(prefixes[i])));
    assert_int_equal(web->settings.rights[i].access, access[i]);
  }
  const struct user_limits *limits = &web->settings.limits;
  assert_true(limits->memory_bytes == (uint64_t)2 << 30);
  assert_int_equal(limits->objects, 3);
  assert_int_equal(limits->sessions, 4);
  assert_int_equal(limits->connections, 5);
  assert_int_equal(limits->waiting, 6);
  assert_int_equal(limits->requests_per_s, 7);
  assert_false(settings->users[1].settings.is_admin);
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
  char expected[4 * PATH_BYTES];
  (void)state;
  write_file(
      "[server]\nlisten = tcp://127.0.0.1:1\nlisten = tcp://127.0.0.1:2\n"
      "[user web]\nrights = a:r b:w\nuid = 4000\n");
  setenv("HOLDFASTD_MEMORY_MAX", "2G", 1);
  struct config *config = LOAD("--log-level", "warn");
  right(config);
  unsetenv("HOLDFASTD_MEMORY_MAX");
  snprintf(expected, sizeof expected,
           "[server]\nlisten = tcp://127.0.0.1:1, tcp://127.0.0.1:2  # %s:2\n"
           "ports_file =   # default\nmemory_max = 2G  # HOLDFASTD_MEMORY_MAX\n"
           "insecure_no_auth = no  # default\n[log]\nlevel = warn  # --log-level\n",
           place.file);
  expect_printed(config, expected);
  snprintf(expected, sizeof expected, "[user web]\nrights = a:r b:w  # %s:5\nuid = 4000  # %s:6\n",
           place.file, place.file);
  expect_printed(config, expected);
  unsetenv("XDG_RUNTIME_DIR");
  write_file("");
  expect_printed(LOAD_FILE(), "[server]\nlisten = tcp://127.0.0.1:4653");
}

static void expect_restarts(const char *words[3], const char *names) {
  char found[CONFIG_ERROR_BYTES];
  struct config *old = last;
  last = NULL;
  config_list_restarts(
      old, load((const char *const[]){"--config", place.file, words[0], words[1], words[2], NULL}),
      found);
  assert_string_equal(found, names);
  config_free(last);
  last = old;
}

static void test_config_names_what_needs_a_restart(void **state) {
  (void)state;
  write_file("[server]\nlisten = tcp://127.0.0.1:1\n[log]\nlevel = info\n");
  right(LOAD_FILE());
  expect_restarts((const char *[]){NULL, NULL, NULL}, "");
  expect_restarts((const char *[]){"--log-level=warn", "--key-file=/k", NULL}, "");
  expect_restarts((const char *[]){"--memory-max=8G", NULL, NULL}, "");
  expect_restarts((const char *[]){"--memory-max=7G", "--listen=tcp://127.0.0.1:2", NULL},
                  "listen, memory_max");
}

static void test_config_sees_files_that_change(void **state) {
  char key[2 * PATH_BYTES];
  (void)state;
  snprintf(key, sizeof key, "%s/keys", place.folder);
  struct config *config = LOAD("--key-file", key);
  right(config);
  assert_false(config_has_changed(config));
  write_to("keys", "x", 1);
  assert_true(config_has_changed(config));

  right(config = LOAD("--key-file", key));
  assert_false(config_has_changed(config));
  write_to("other", "x", 1);
  char other[2 * PATH_BYTES];
  snprintf(other, sizeof other, "%s/other", place.folder);
  assert_int_equal(rename(other, key), 0); /* of the same size, maybe at the same time */
  assert_true(config_has_changed(config));

  right(config = LOAD_FILE());
  write_part("new.conf", "[log]\nlevl = info\n");
  assert_true(config_has_changed(config));
  config = LOAD_FILE();
  assert_non_null(config_error(config));
  assert_false(config_has_changed(config)); /* a wrong one is watched, too */
  write_part("new.conf", "[log]\nlevel = info\n");
  assert_true(config_has_changed(config));
}

/* Kept while another is loaded. */
static struct config *load_with_crl(const char *ca, const char *crl) {
  struct config *config = LOAD("--tls-client-ca", ca, "--tls-crl", crl);
  right(config);
  last = NULL;
  return config;
}

static void expect_verified_alike(const struct config *old, struct config *config, bool is_alike) {
  assert_true(config_verifies_alike(old, config) == is_alike);
  config_free(config);
}

static void test_config_knows_whether_certificates_are_verified_alike(void **state) {
  char ca[2 * PATH_BYTES], crl[2 * PATH_BYTES];
  (void)state;
  snprintf(ca, sizeof ca, "%s/ca", place.folder);
  snprintf(crl, sizeof crl, "%s/crl", place.folder);
  write_to("ca", "x", 1), write_to("crl", "x", 1);
  struct config *old = load_with_crl(ca, crl);
  write_file("[user web]\nuid = 1\n");
  expect_verified_alike(old, load_with_crl(ca, crl), true);
  expect_verified_alike(old, load_with_crl(crl, ca), false);
  expect_verified_alike(old, load_with_crl(ca, ""), false);
  write_to("crl", "xy", 2);
  expect_verified_alike(old, load_with_crl(ca, crl), false);
  config_free(old);

  old = load_with_crl(ca, crl);
  write_to("ca", "xy", 2);
  expect_verified_alike(old, load_with_crl(ca, crl), false);
  config_free(old);
  old = LOAD_FILE();
  last = NULL;
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
  write_file(text);
}

static void test_sample_sets_nothing_and_shows_each_setting(void **state) {
  char text[8192] = "", line[PATH_BYTES];
  (void)state;
  write_sample(false);
  const struct settings *settings = right(LOAD_FILE());
  assert_int_equal(settings->users_count, 0);
  assert_string_equal(settings->tls.key_file, "");

  write_sample(true);
  struct config *config = LOAD_FILE();
  right(config);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_config_without_any_is_local_defaults),
      TEST(test_config_default_ipc_is_in_a_writable_directory),
      TEST(test_config_all_flags_are_taken),
      TEST(test_config_sizes_are_read),
      TEST(test_config_bad_sizes_are_refused),
      TEST(test_config_local_addresses_are_local),
      TEST(test_config_open_addresses_need_consent),
      TEST(test_config_encrypted_addresses_need_keys_or_a_certificate),
      TEST(test_config_what_is_no_address_is_refused),
      TEST(test_config_relative_paths_of_sockets_are_made_absolute),
      TEST(test_config_surplus_words_and_levels_are_refused),
      TEST(test_config_processes_are_numbers),
      TEST(test_config_too_many_addresses_are_refused),
      TEST(test_config_files_are_taken_and_parts_go_over_them),
      TEST(test_config_variables_go_over_files_and_flags_over_both),
      TEST(test_config_variables_that_are_nearly_right_are_refused),
      TEST(test_config_file_may_be_missing_unless_it_is_named),
      TEST(test_config_directory_that_is_there_is_read_or_refused),
      TEST(test_config_directory_has_any_name),
      TEST(test_config_bad_files_are_refused_with_line_and_advice),
      TEST(test_config_long_lines_and_zeros_are_refused),
      TEST(test_config_users_are_read),
      TEST(test_config_is_printed_with_origins),
      TEST(test_config_names_what_needs_a_restart),
      TEST(test_config_sees_files_that_change),
      TEST(test_config_knows_whether_certificates_are_verified_alike),
      TEST(test_sample_sets_nothing_and_shows_each_setting),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
