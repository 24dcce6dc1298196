/* Keys: lines, what is derived of a secret, files and who may read them. */
#include "proto/tls/key.h"

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

#include "tests/support/malloc_hook.h"

/* The secret 00 01 .. 1f; what is derived was computed by openssl kdf. */
#define SECRET "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9jDc0p"
#define LINE "alice:hfk1_" SECRET

static struct bytes text_of(const char *text) {
  return bytes_of_text(text);
}

/* ---------------------------------------------------------------- lines */

static void test_a_line_is_written_and_read(void **state) {
  static const uint8_t psk[KEY_PSK_BYTES] = {0x87, 0x4d, 0x07, 0xac, 0x01, 0xdf, 0x2a, 0xff,
                                             0x06, 0x2e, 0xe8, 0x0d, 0x8f, 0x01, 0x4f, 0x22,
                                             0xf4, 0x3a, 0xb1, 0xdc, 0xab, 0xed, 0x84, 0xfe,
                                             0x0a, 0x1a, 0xff, 0x16, 0x43, 0x5d, 0x51, 0x7f};
  static const uint8_t id[KEY_ID_BYTES] = {0x14, 0x30, 0x85, 0x26};
  uint8_t secret[KEY_SECRET_BYTES];
  char line[KEY_LINE_BYTES];
  struct key key;
  (void)state;
  for (size_t i = 0; i < sizeof secret; i++) {
    secret[i] = (uint8_t)i;
  }
  key_write("alice", secret, line);
  assert_string_equal(line, LINE);
  assert_null(key_read(text_of(line), &key));
  assert_string_equal(key.user, "alice");
  assert_string_equal(key.identity, "hf1:alice:14308526");
  assert_memory_equal(key.id, id, sizeof id);
  assert_memory_equal(key.psk, psk, sizeof psk);
}

static void test_the_longest_user_fits(void **state) {
  char user[KEY_USER_BYTES_MAX + 2], line[KEY_LINE_BYTES];
  struct key key;
  (void)state;
  memset(user, 'u', sizeof user);
  user[KEY_USER_BYTES_MAX] = '\0';
  assert_true(key_is_user(text_of(user)));
  assert_true(key_make(user, line));
  assert_int_equal(strlen(line), KEY_LINE_BYTES - 1);
  assert_null(key_read(text_of(line), &key));
  assert_string_equal(key.user, user);
  assert_int_equal(strlen(key.identity), KEY_IDENTITY_BYTES - 1);
  user[KEY_USER_BYTES_MAX] = 'u';
  user[KEY_USER_BYTES_MAX + 1] = '\0';
  assert_false(key_is_user(text_of(user)));
}

static void test_names_of_users(void **state) {
  (void)state;
  assert_true(key_is_user(text_of("a-Z_0.9@host")));
  assert_false(key_is_user(text_of("")));
  assert_false(key_is_user(text_of("a b")));
  assert_false(key_is_user(text_of("a:b")));
  assert_false(key_is_user(text_of("\xc3\xa4")));
  assert_false(key_is_user(bytes_of("a\0b", 3)));
}

static void test_new_keys_differ(void **state) {
  char one[KEY_LINE_BYTES], other[KEY_LINE_BYTES];
  (void)state;
  assert_true(key_make("a", one));
  assert_true(key_make("a", other));
  assert_string_not_equal(one, other);
}

/* One character less or another one anywhere, the last too, is noticed. */
static void test_cut_and_changed_lines(void **state) {
  static const char cut[] = "its check sum is wrong: was it cut?";
  char line[] = LINE;
  struct key key;
  const size_t first = strlen("alice:hfk1_");
  (void)state;
  for (size_t len = first; len < strlen(line); len++) {
    assert_string_equal(key_read(bytes_of(line, len), &key), cut);
  }
  for (size_t i = first; i < strlen(line); i++) {
    char kept = line[i];
    for (const char *other = "AZaz09-_+/=\n"; *other != '\0'; other++) {
      line[i] = *other;
      if (*other != kept) {
        assert_string_equal(key_read(text_of(line), &key), cut);
      }
    }
    line[i] = kept;
  }
  assert_string_equal(key_read(text_of(LINE "A"), &key), cut);
}

static void test_lines_that_are_no_keys(void **state) {
  struct key key;
  (void)state;
  assert_string_equal(key_read(text_of("hfk1_" SECRET), &key), "there is no USER: before it");
  assert_string_equal(key_read(text_of(""), &key), "there is no USER: before it");
  assert_string_equal(key_read(text_of(":hfk1_" SECRET), &key),
                      "a user's name has 1 to 64 of a-z A-Z 0-9 . _ @ -");
  assert_string_equal(key_read(text_of("alice:hfk2_" SECRET), &key),
                      "it does not begin with hfk1_");
  assert_string_equal(key_read(text_of("alice:hfk1"), &key), "it does not begin with hfk1_");
  assert_string_equal(key_read(text_of("alice:secret"), &key), "it does not begin with hfk1_");
}

/* ---------------------------------------------------------------- texts */

static void expect_parse_error(const char *text, const char *expected) {
  struct keys keys;
  char error[KEY_ERROR_BYTES];
  assert_false(keys_parse(&keys, text_of(text), "/etc/holdfast/keys", error));
  assert_string_equal(error, expected);
  assert_null(keys.items);
  assert_int_equal(keys.count, 0);
}

static void test_a_file_has_many_lines(void **state) {
  static const char first[] = "# users\n\n  " LINE " \r\n\t# more\nbob:hfk1_" SECRET;
  char text[4096], line[KEY_LINE_BYTES], error[KEY_ERROR_BYTES];
  struct keys keys;
  (void)state;
  size_t len = (size_t)snprintf(text, sizeof text, "%s\n", first);
  for (int i = 0; i < 9; i++) {
    assert_true(key_make("carol", line));
    len += (size_t)snprintf(text + len, sizeof text - len, "%s\n", line);
  }
  assert_true(keys_parse(&keys, bytes_of(text, len), "keys", error));
  assert_int_equal(keys.count, 11);
  assert_string_equal(keys.items[0].user, "alice");
  assert_string_equal(keys.items[10].user, "carol");
  assert_ptr_equal(keys_find(&keys, text_of("hf1:bob:14308526")), &keys.items[1]);
  assert_ptr_equal(keys_find(&keys, text_of(keys.items[10].identity)), &keys.items[10]);
  assert_null(keys_find(&keys, text_of("hf1:bob:14308527")));
  assert_null(keys_find(&keys, text_of("hf1:bob:1430852")));
  assert_null(keys_find(&keys, text_of("")));
  keys_deinit(&keys);
  keys_deinit(&keys);
}

static void test_errors_name_the_line(void **state) {
  (void)state;
  expect_parse_error("# a\n" LINE "\nbob:hfk1_AAEC\n",
                     "/etc/holdfast/keys:3: not a key of \"holdfast key new\" (its check sum is "
                     "wrong: was it cut?)");
  expect_parse_error("secret",
                     "/etc/holdfast/keys:1: not a key of \"holdfast key new\" (there is no USER: "
                     "before it)");
  expect_parse_error("# none\n\n",
                     "/etc/holdfast/keys: there is no key in it; make one: holdfast key new USER");
  expect_parse_error("",
                     "/etc/holdfast/keys: there is no key in it; make one: holdfast key new USER");
}

/* ---------------------------------------------------------------- files */

static char folder[64], path[128];

static int make_folder(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/hf_key.XXXXXX");
  if (mkdtemp(folder) == NULL) {
    return -1;
  }
  snprintf(path, sizeof path, "%s/keys", folder);
  unsetenv("CREDENTIALS_DIRECTORY");
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  unlink(path);
  return rmdir(folder);
}

static void write_file(const char *text, mode_t mode) {
  unlink(path);
  FILE *file = fopen(path, "we");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
  assert_int_equal(chmod(path, mode), 0);
}

static void expect_read(bool is_read, const char *format) {
  struct keys keys;
  char error[KEY_ERROR_BYTES] = "", expected[KEY_ERROR_BYTES];
  assert_int_equal(keys_read(&keys, path, error), is_read);
  if (!is_read) {
    snprintf(expected, sizeof expected, "%s: %s", path, format);
    assert_string_equal(error, expected);
  } else {
    assert_string_equal(keys.items[0].identity, "hf1:alice:14308526");
  }
  keys_deinit(&keys);
}

static void test_a_file_that_others_may_read_is_refused(void **state) {
  (void)state;
  write_file(LINE "\n", 0600);
  expect_read(true, NULL);
  write_file(LINE "\n", 0400);
  expect_read(true, NULL);
  write_file(LINE "\n", 0644);
  expect_read(false, "mode 0644 lets others read it; chmod 600");
  write_file(LINE "\n", 0640);
  expect_read(false, "mode 0640 lets others read it; chmod 600");
  write_file(LINE "\n", 0604);
  expect_read(false, "mode 0604 lets others read it; chmod 600");
  write_file(LINE "\n", 0620);
  expect_read(false, "mode 0620 lets others change it; chmod 600");
}

static void test_a_services_secrets_may_have_any_mode(void **state) {
  char file[sizeof path];
  (void)state;
  write_file(LINE "\n", 0444);
  setenv("CREDENTIALS_DIRECTORY", folder, 1);
  expect_read(true, NULL);
  snprintf(file, sizeof file, "%s", path);
  snprintf(path, sizeof path, "%.60s/../%.16s/keys", folder, strrchr(folder, '/') + 1);
  expect_read(false, "mode 0444 lets others read it; chmod 600");
  snprintf(path, sizeof path, "%s", file);
  setenv("CREDENTIALS_DIRECTORY", "/tmp/hf_key", 1); /* the beginning of its name */
  expect_read(false, "mode 0444 lets others read it; chmod 600");
  setenv("CREDENTIALS_DIRECTORY", "", 1);
  expect_read(false, "mode 0444 lets others read it; chmod 600");
  unsetenv("CREDENTIALS_DIRECTORY");
}

static void test_files_that_are_none(void **state) {
  (void)state;
  struct keys keys;
  char error[KEY_ERROR_BYTES], expected[KEY_ERROR_BYTES];
  unlink(path);
  assert_false(keys_read(&keys, path, error));
  snprintf(
      expected, sizeof expected,
      "key file %s: No such file or directory; a line of \"holdfast key new USER\" belongs there",
      path);
  assert_string_equal(error, expected);
  assert_int_equal(mkdir(path, 0700), 0);
  expect_read(false, "is not a regular file");
  assert_int_equal(rmdir(path), 0);
  assert_int_equal(mkfifo(path, 0600), 0); /* does not wait for a writer */
  expect_read(false, "is not a regular file");
}

/* ---------------------------------------------------------------- memory */

static void test_no_memory(void **state) {
  static const char five[] = LINE "\n" LINE "\n" LINE "\n" LINE "\n" LINE "\n";
  char error[KEY_ERROR_BYTES];
  struct keys keys;
  (void)state;
  write_file(five, 0600); /* more than the first array holds */
  size_t before = malloc_hook_live_bytes(), failures = 0;
  for (size_t n = 1;; n++) {
    malloc_hook_fail(n);
    bool is_read = keys_read(&keys, path, error);
    bool has_failed = malloc_hook_has_failed();
    malloc_hook_fail(0);
    assert_int_equal(is_read, !has_failed);
    if (!has_failed) {
      break;
    }
    failures++;
    assert_non_null(strstr(error, "memory"));
    assert_int_equal(malloc_hook_live_bytes(), before);
  }
  assert_int_equal(failures, 3); /* text, array, larger array */
  assert_int_equal(keys.count, 5);
  keys_deinit(&keys);
  assert_int_equal(malloc_hook_live_bytes(), before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_line_is_written_and_read),
      cmocka_unit_test(test_the_longest_user_fits),
      cmocka_unit_test(test_names_of_users),
      cmocka_unit_test(test_new_keys_differ),
      cmocka_unit_test(test_cut_and_changed_lines),
      cmocka_unit_test(test_lines_that_are_no_keys),
      cmocka_unit_test(test_a_file_has_many_lines),
      cmocka_unit_test(test_errors_name_the_line),
      cmocka_unit_test(test_a_file_that_others_may_read_is_refused),
      cmocka_unit_test(test_a_services_secrets_may_have_any_mode),
      cmocka_unit_test(test_files_that_are_none),
      cmocka_unit_test(test_no_memory),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
