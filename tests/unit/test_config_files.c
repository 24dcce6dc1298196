/* The configuration's files: which are read, what goes over what, what is refused, and with which words. */
#include "tests/support/config_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ------------------------------------------------------------------------------------ files */

static void test_config_files_are_taken_and_parts_go_over_them(void **state) {
  (void)state;
  config_place_write_file(
      "\xef\xbb\xbf# comment\n; comment\n[server]\n  listen = tcp://127.0.0.1:1, ipc:///tmp/x ; "
      "comment\n"
      "memory_max=2G\r\n\n[log]\nlevel : debug\n[user web]\nuid = 4000\n");
  const struct settings *settings = config_place_right(LOAD_FILE());
  assert_int_equal(settings->listen_count, 2);
  assert_string_equal(settings->listen[0], "tcp://127.0.0.1:1");
  assert_string_equal(settings->listen[1], "ipc:///tmp/x");
  assert_true(settings->memory_bytes_max == (size_t)2 << 30);
  assert_int_equal(settings->log_level, LOG_DEBUG);
  assert_int_equal(settings->users_count, 1);

  config_place_write_part("20.conf", "[server]\nmemory_max = 4G\nlisten = tcp://127.0.0.1:3\n");
  config_place_write_part("10.conf",
                          "[server]\nmemory_max = 3G\nlisten = tcp://127.0.0.1:2\n"
                          "[user web]\nsessions_max = 7\n");
  config_place_write_part("30.conf~", "[server]\nmemory_max = 5G\n");
  config_place_write_part(".40.conf", "[server]\nmemory_max = 6G\n");
  settings = config_place_right(LOAD_FILE());
  assert_true(settings->memory_bytes_max == (size_t)4 << 30);
  assert_int_equal(settings->listen_count, 1);
  assert_string_equal(settings->listen[0], "tcp://127.0.0.1:3");
  assert_int_equal(settings->users_count, 1);
  assert_int_equal(settings->users[0].uids_count, 1);
  assert_int_equal(settings->users[0].settings.limits.sessions, 7);
}

static void test_config_variables_go_over_files_and_flags_over_both(void **state) {
  (void)state;
  config_place_write_file(
      "[server]\nmemory_max = 1G\nlisten = tcp://127.0.0.1:1\n[log]\nlevel = debug\n"
      "[keys]\nfile = /file\n");
  setenv("HOLDFASTD_MEMORY_MAX", "2G", 1);
  setenv("HOLDFASTD_LISTEN", "tcp://127.0.0.1:2,tcp://127.0.0.1:3", 1);
  setenv("HOLDFASTD_KEY_FILE", "", 1);
  const struct settings *settings = config_place_right(LOAD("--listen", "tcp://127.0.0.1:4"));
  assert_true(settings->memory_bytes_max == (size_t)2 << 30);
  assert_int_equal(settings->listen_count, 1);
  assert_string_equal(settings->listen[0], "tcp://127.0.0.1:4");
  assert_int_equal(settings->log_level, LOG_DEBUG);
  assert_string_equal(settings->tls.key_file, ""); /* an empty value is none */
  settings = config_place_right(LOAD("--memory-max", "3G"));
  assert_true(settings->memory_bytes_max == (size_t)3 << 30);
  assert_int_equal(settings->listen_count, 2);
  assert_string_equal(settings->listen[1], "tcp://127.0.0.1:3");
  setenv("HOLDFASTD_MEMORY_MAX", "lots", 1);
  config_place_refuses(
      LOAD_FILE(), "HOLDFASTD_MEMORY_MAX=lots: not a size of 1M or more; write e.g. 512M or 2G");
  config_place_refuses(
      LOAD("--memory-max", "3G"),
      "HOLDFASTD_MEMORY_MAX=lots: not a size of 1M or more; write e.g. 512M or 2G");
  unsetenv("HOLDFASTD_MEMORY_MAX"), unsetenv("HOLDFASTD_LISTEN"), unsetenv("HOLDFASTD_KEY_FILE");
}

static void test_config_files_go_over_the_directory_that_a_unit_offers(void **state) {
  (void)state;
  setenv("HOLDFASTD_DATA_DEFAULT", "/offered", 1);
  assert_string_equal(config_place_right(LOAD_FILE())->data.directory, "/offered");
  config_place_write_file("[data]\ndirectory = /file\n");
  assert_string_equal(config_place_right(LOAD_FILE())->data.directory, "/file");
  config_place_write_part("memory.conf", "[data]\ndirectory =\n");
  assert_string_equal(config_place_right(LOAD_FILE())->data.directory, "");
  setenv("HOLDFASTD_DATA", "/variable", 1);
  assert_string_equal(config_place_right(LOAD_FILE())->data.directory, "/variable");
  assert_string_equal(config_place_right(LOAD("--data", "/flag"))->data.directory, "/flag");
  unsetenv("HOLDFASTD_DATA"), unsetenv("HOLDFASTD_DATA_DEFAULT");
}

static void test_config_variables_that_are_nearly_right_are_refused(void **state) {
  (void)state;
  setenv("HOLDFASTD_PORT", "tcp://10.0.0.1:4653", 1); /* Kubernetes', of a service holdfastd */
  setenv("HOLDFASTD_SERVICE_HOST", "10.0.0.1", 1);
  config_place_right(LOAD_FILE());
  setenv("HOLDFASTD_MAX_MEMORY", "1G", 1);
  config_place_refuses(LOAD_FILE(),
                       "unknown variable HOLDFASTD_MAX_MEMORY; did you mean HOLDFASTD_MEMORY_MAX?");
  unsetenv("HOLDFASTD_MAX_MEMORY"), unsetenv("HOLDFASTD_PORT"), unsetenv("HOLDFASTD_SERVICE_HOST");
}

static void test_config_file_may_be_missing_unless_it_is_named(void **state) {
  char error[CONFIG_ERROR_BYTES];
  (void)state;
  assert_int_equal(unlink(config_place.file), 0);
  snprintf(error, sizeof error, "%s: No such file or directory", config_place.file);
  config_place_refuses(LOAD_FILE(), error);
  setenv("HOLDFASTD_CONFIG", config_place.file, 1);
  config_place_refuses(config_place_load((const char *const[]){NULL}), error);
  config_place_write_file("[server]\nmemory_max = 5G\n");
  assert_true(
      config_place_right(config_place_load((const char *const[]){NULL}))->memory_bytes_max ==
      (size_t)5 << 30);
  unsetenv("HOLDFASTD_CONFIG");
  snprintf(error, sizeof error, "%s: can't be read", config_place.folder);
  config_place_refuses(
      config_place_load((const char *const[]){"--config", config_place.folder, NULL}), error);
}

static void make_link(const char *to, const char *name) {
  char path[2 * CONFIG_PLACE_BYTES];
  snprintf(path, sizeof path, "%s/%s", config_place.folder, name);
  assert_int_equal(symlink(to, path), 0);
}

/* Root may read all, so these are what root can't read. */
static void test_config_directory_that_is_there_is_read_or_refused(void **state) {
  char path[2 * CONFIG_PLACE_BYTES], error[CONFIG_ERROR_BYTES];
  (void)state;
  snprintf(path, sizeof path, "%s/conf.d", config_place.folder);
  make_link("no-such-file", "conf.d/users.conf");
  snprintf(error, sizeof error, "%s/users.conf: No such file or directory", path);
  config_place_refuses(LOAD_FILE(), error);
  snprintf(error, sizeof error, "%s/users.conf", path);
  assert_int_equal(unlink(error), 0);
  config_place_right(LOAD_FILE());

  assert_int_equal(rmdir(path), 0);
  config_place_right(LOAD_FILE());
  make_link("conf.d", "conf.d");
  snprintf(error, sizeof error, "%s: Too many levels of symbolic links", path);
  config_place_refuses(LOAD_FILE(), error);
  assert_int_equal(unlink(path), 0);
  make_link("no-such-directory", "conf.d");
  snprintf(error, sizeof error, "%s: No such file or directory", path);
  config_place_refuses(LOAD_FILE(), error);
  assert_int_equal(unlink(path), 0);
  config_place_write("conf.d", "", 0);
  snprintf(error, sizeof error, "%s: Not a directory", path);
  config_place_refuses(LOAD_FILE(), error);
}

/* No character of the directory's name has a meaning. */
static void test_config_directory_has_any_name(void **state) {
  static const char *const folders[] = {"a[b]*?", "a[b]*?/conf.d"};
  char path[2 * CONFIG_PLACE_BYTES];
  (void)state;
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
    snprintf(path, sizeof path, "%s/%s", config_place.folder, folders[i]);
    assert_int_equal(mkdir(path, 0700), 0);
  }
  config_place_write("a[b]*?/holdfastd.conf", "", 0);
  config_place_write("a[b]*?/conf.d/x.conf", "[user a]\nuid = 1\n", strlen("[user a]\nuid = 1\n"));
  snprintf(path, sizeof path, "%s/a[b]*?/holdfastd.conf", config_place.folder);
  assert_int_equal(
      config_place_right(config_place_load((const char *const[]){"--config", path, NULL}))
          ->users_count,
      1);
}

#define RWC_ADVICE "not a right; write PREFIX:rwc, each prefix once, or admin"
#define NAME_ADVICE "write [user NAME], with a name of 1 to 44 of a-z A-Z 0-9 . _ @ -"
#define UID_ADVICE "not a number or a user of this machine"
#define NUMBER_ADVICE "not a number; leave it out for no limit"
#define NOBODY_ADVICE                                                                              \
  "nobody could come to it. It needs --key-file (if there are [user NAME] sections: and key = "    \
  "yes in "                                                                                        \
  "one), or tls.client_ca and a [user NAME] with a certificate, or, without tls.client_ca, [user " \
  "anonymous] or --insecure-no-auth"
#define ASKS "[tls]\ncertificate = /c\nclient_ca = /a\n"

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
    {ASKS "[user a]\nuid = 1\ncertificate = x\n[user b]\ncertificate = y\ncertificate = cn:x\n",
     ":9: [user b]: a certificate of it is [user a]'s too; a peer is one user"},
    {ASKS "[user a]\ncertificate = x\n[user b]\ncertificate = dns:x, cn:x\n",
     ":7: [user b]: a certificate of it is [user a]'s too; a peer is one user"},
    {"[tls]\ncertificate = /c\n[user a]\nuid = 1\nrights = :r\ncertificate = cn:x\n",
     ":6: [user a]: no client is asked for a certificate: set client_ca in [tls], or "
     "--tls-client-ca"},
    {"[server]\nlisten = tls+tcp://127.0.0.1:2\n[tls]\ncertificate = /c\n[user a]\ncertificate = "
     "cn:x\n",
     ":6: [user a]: no client is asked for a certificate: set client_ca in [tls], or "
     "--tls-client-ca"},
    {"[server]\nlisten = tcp://127.0.0.1:1, tls+tcp://127.0.0.1:2\n[tls]\ncertificate = /c\n",
     ":2: listen = tls+tcp://127.0.0.1:2: " NOBODY_ADVICE},
};

static void test_config_bad_files_are_refused_with_line_and_advice(void **state) {
  char error[CONFIG_ERROR_BYTES];
  (void)state;
  for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
    config_place_write_file(bad_files[i].text);
    snprintf(error, sizeof error, "%s%s", config_place.file, bad_files[i].error);
    config_place_refuses(LOAD_FILE(), error);
  }
  config_place_write_file("[log]\nlevel = info\n");
  config_place_write_part("x.conf", "\n[log]\nlevl = debug\n");
  snprintf(error, sizeof error,
           "%s/conf.d/x.conf:3: unknown key 'levl' in [log]; did you mean 'level'?",
           config_place.folder);
  config_place_refuses(LOAD_FILE(), error);
}

/* Who may come to an encrypted address: each row with these further settings. */
static void test_config_encrypted_addresses_admit_somebody(void **state) {
  static const struct {
    const char *settings;
    bool admits;
  } rows[] = {
      {"[tls]\ncertificate = /c\n", false},
      {"[tls]\ncertificate = /c\n[user a]\nuid = 1\n", false},
      {"[tls]\ncertificate = /c\n[user anonymous]\n", false}, /* a section without a key is none */
      {"[tls]\ncertificate = /c\n[user anonymous]\nrights = :r\n", true},
      {"[tls]\ncertificate = /c\n[server]\ninsecure_no_auth = yes\n", true},
      {ASKS, false},
      {ASKS "[user a]\nuid = 1\n", false},
      {ASKS "[user anonymous]\nrights = :r\n", false},
      {ASKS "[server]\ninsecure_no_auth = yes\n", false},
      {ASKS "[user a]\ncertificate = x\n", true},
      {ASKS "[keys]\nfile = /k\n", true},
      {"[keys]\nfile = /k\n", true},
      {"[keys]\nfile = /k\n[user a]\nkey = yes\n", true},
      {"[keys]\nfile = /k\n[user a]\nuid = 1\n", false},
      {"[keys]\nfile = /k\n[user anonymous]\nrights = :r\n", false},
      {"[keys]\nfile = /k\n[tls]\ncertificate = /c\n[user anonymous]\nrights = :r\n", true},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    config_place_write_file(rows[i].settings);
    const struct config *config = LOAD("--listen", "tls+tcp://127.0.0.1:4653");
    if (rows[i].admits) {
      config_place_right(config);
    } else {
      config_place_refuses(config, "--listen tls+tcp://127.0.0.1:4653: " NOBODY_ADVICE);
    }
  }
}

static void test_config_long_lines_and_zeros_are_refused(void **state) {
  char text[6000], error[CONFIG_ERROR_BYTES];
  (void)state;
  memset(text, 'x', sizeof text);
  memcpy(text, "[keys]\nfile = ", strlen("[keys]\nfile = "));
  config_place_write("holdfastd.conf", text, sizeof text);
  snprintf(error, sizeof error,
           "%s:2: the line is too long, 4,000 bytes at most; repeat a list's key",
           config_place.file);
  config_place_refuses(LOAD_FILE(), error);
  config_place_write("holdfastd.conf", text, strlen("[keys]\nfile = ") + 3900);
  assert_int_equal(strlen(config_place_right(LOAD_FILE())->tls.key_file), 3900);
  config_place_write("holdfastd.conf", "[log]\nlevel = in\0fo\n", 20);
  snprintf(error, sizeof error, "%s:2: a byte 0: not a text file", config_place.file);
  config_place_refuses(LOAD_FILE(), error);
}

static void test_config_users_are_read(void **state) {
  (void)state;
  config_place_write_file(
      ASKS
      "[keys]\nfile = /k\n[user web]\nkey = yes\n"
      "certificate = worker, dns:web.prod, uri:spiffe://a/b\nuid = 4000\nuid = root\n"
      "rights = jobs.:w a:b.:r :rwc admin\nmemory_max = 2G\nobjects_max = 3\n"
      "sessions_max = 4\nconnections_max = 5\nwaiting_max = 6\nrequests_per_s = 7\n"
      "[user anonymous]\nrights = :r\n");
  const struct settings *settings = config_place_right(LOAD_FILE());
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

int main(void) {
  const struct CMUnitTest tests[] = {
      CONFIG_TEST(test_config_files_are_taken_and_parts_go_over_them),
      CONFIG_TEST(test_config_variables_go_over_files_and_flags_over_both),
      CONFIG_TEST(test_config_files_go_over_the_directory_that_a_unit_offers),
      CONFIG_TEST(test_config_variables_that_are_nearly_right_are_refused),
      CONFIG_TEST(test_config_file_may_be_missing_unless_it_is_named),
      CONFIG_TEST(test_config_directory_that_is_there_is_read_or_refused),
      CONFIG_TEST(test_config_directory_has_any_name),
      CONFIG_TEST(test_config_bad_files_are_refused_with_line_and_advice),
      CONFIG_TEST(test_config_encrypted_addresses_admit_somebody),
      CONFIG_TEST(test_config_long_lines_and_zeros_are_refused),
      CONFIG_TEST(test_config_users_are_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
