/* Names: what may be one, and what is made of bytes that may not. */
#include "proto/text.h"

#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool is_name(const char *text) {
  return text_is_name(bytes_of_text(text));
}

static void test_names(void **state) {
  static const char *const good[] = {
      "a",         "app/ages",         "gr\xc3\xb6\xc3\237e", "\xe6\x97\xa5\xe6\x9c\xac",
      "two words", "\xf0\x9f\x90\xaa", "\xd7\xa9\xd7\x9c",    "a\xe2\x80\215b"};
  static const char *const bad[] = {"",
                                    "line\nfeed",
                                    "\x1b[31m",
                                    "a\x7f",
                                    "\xc2\23331m",
                                    "\xe2\x80\xaegpj.exe",
                                    "a\xe2\x80\xaa",
                                    "a\xe2\x81\xa6",
                                    "a\xe2\x81\xa9",
                                    "a\xe2\x80\xa8",
                                    "a\xe2\x80\251b",
                                    " ",
                                    "   ",
                                    "\xc2\xa0",
                                    "\xe3\x80\x80 ",
                                    "\xe2\x80\x8b",
                                    "\xef\xbb\xbf",
                                    "\xff",
                                    "a\xc3",
                                    "\xed\xa0\x80",
                                    "\xc0\x80"};
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    assert_true(is_name(good[i]));
  }
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    assert_false(is_name(bad[i]));
  }
  assert_false(text_is_name(bytes_of("a\0b", 3)));
}

static void test_length(void **state) {
  char text[HF_NAME_BYTES_MAX + 2] = "";
  (void)state;
  memset(text, 'n', HF_NAME_BYTES_MAX);
  assert_true(is_name(text));
  text[HF_NAME_BYTES_MAX] = 'n';
  assert_false(is_name(text));
}

static void expect_made(const char *text, size_t capacity, const char *expected) {
  char name[HF_NAME_BYTES_MAX + 1];
  assert_int_equal(text_make_name(bytes_of_text(text), name, capacity), strlen(expected));
  assert_string_equal(name, expected);
  assert_true(is_name(name));
}

static void test_made(void **state) {
  (void)state;
  expect_made(
      "w\xf6rker@h\xff"
      "st:12",
      256, "w?rker@h?st:12");
  expect_made("gr\xc3\xb6\xc3\237e", 256, "gr\xc3\xb6\xc3\237e");
  expect_made(
      "\xe2\x80\xae"
      "a\x1b[m",
      256, "?a?[m");
  expect_made("ab\xc3\xb6", 4, "ab"); /* cut between characters */
  expect_made("", 256, "?");
  expect_made("  ", 256, "?");
  expect_made("a", 2, "a");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_names),
      cmocka_unit_test(test_length),
      cmocka_unit_test(test_made),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
