/* Stories of listings and scans: a page costs a page, and ends by bytes as well as by count. */
#include "proto/limits.h"
#include "tests/support/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the four above */
#include <cmocka.h>

#define LIST(...) REQUEST(OBJECT_LIST, ObjectList, object_list, __VA_ARGS__)
#define SCAN(...) IN("d", DICT_SCAN, DictScan, dict_scan, __VA_ARGS__)

static struct story story;

static int set_up(void **state) {
  (void)state;
  story_begin_crowded(&story, 2);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  return 0;
}

static void open_named(Holdfast__Kind kind, const char *name) {
  ask(&story, 1, 0,
      REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = kind, .name = DATA(name)));
  story_forget(&story);
}

static void open_events(size_t count) {
  char name[32];
  for (size_t i = 0; i < count; i++) {
    snprintf(name, sizeof name, "e %05zu", i);
    open_named(HOLDFAST__KIND__EVENT, name);
  }
}

static void test_pages_of_names_are_in_order(void **state) {
  (void)state;
  const char *names[] = {"b", "job/b", "a", "job/a", "job", "c"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    open_named(HOLDFAST__KIND__DICT, names[i]);
  }
  ask(&story, 1, 0, LIST());
  ask(&story, 1, 0, LIST(.limit = 2));
  ask(&story, 1, 0, LIST(.limit = 2, .after = DATA("b")));
  ask(&story, 1, 0, LIST(.limit = 2, .after = DATA("job")));
  ask(&story, 1, 0, LIST(.prefix = DATA("job/"), .limit = 1));
  ask(&story, 1, 0, LIST(.prefix = DATA("job/"), .after = DATA("job/a")));
  ask(&story, 1, 0, LIST(.prefix = DATA("job/"), .after = DATA("a")));
  ask(&story, 1, 0, LIST(.prefix = DATA("job/"), .after = DATA("k")));
  ask(&story, 1, 0, LIST(.kind = 99));
  story_expect(&story,
               "1 <- #0 OK 6: a b c job job/a job/b\n1 <- #0 OK 2: a b, more after b\n"
               "1 <- #0 OK 2: c job, more after job\n1 <- #0 OK 2: job/a job/b\n"
               "1 <- #0 OK 1: job/a, more after job/a\n1 <- #0 OK 1: job/b\n"
               "1 <- #0 OK 2: job/a job/b\n1 <- #0 OK 0:\n"
               "1 <- #0 INVALID_ARGUMENT WRONG_KIND\n");
}

static void test_page_of_names_is_without_the_deleted(void **state) {
  (void)state;
  open_events(5);
  ask(&story, 1, 0, IN("e 00002", OBJECT_DELETE, ObjectDelete, object_delete, ));
  ask(&story, 1, 0, LIST(.after = DATA("e 00001")));
  story_expect(&story, "1 <- #0 OK\n1 <- #0 OK 2: e 00003 e 00004\n");
}

/* A page without a match among a million objects is answered soon. */
static void test_page_ends_when_many_were_looked_at(void **state) {
  (void)state;
  open_events(HF_PAGE_COUNT_MAX + 10);
  open_named(HOLDFAST__KIND__DICT, "z");
  ask(&story, 1, 0, LIST(.kind = HOLDFAST__KIND__DICT));
  ask(&story, 1, 0, LIST(.kind = HOLDFAST__KIND__DICT, .after = DATA("e 09999")));
  ask(&story, 1, 0, LIST());
  story_expect(&story,
               "1 <- #0 OK 0:, more after e 09999\n1 <- #0 OK 1: z\n"
               "1 <- #0 OK 1000:, more after e 00999\n");
}

static void test_anonymous_ones_have_pages_too(void **state) {
  (void)state;
  open_named(HOLDFAST__KIND__DICT, "a");
  uint64_t first = story_open(&story, 1, 1, HOLDFAST__KIND__DICT, NULL, 0);
  uint64_t second = story_open(&story, 1, 2, HOLDFAST__KIND__LIST, NULL, 0);
  story_forget(&story);
  ask(&story, 1, 0, LIST());
  ask(&story, 1, 0, LIST(.anonymous = true, .limit = 2));
  ask(&story, 1, 0, LIST(.anonymous = true, .after_object = first));
  ask(&story, 1, 0, LIST(.anonymous = true, .after_object = second));
  story_expect(&story,
               "1 <- #0 OK 1: a\n1 <- #0 OK 2: a anonymous, more after an id\n"
               "1 <- #0 OK 1: anonymous\n1 <- #0 OK 0:\n");
}

static void test_page_of_locks_has_so_many_waiters(void **state) {
  (void)state;
  open_named(HOLDFAST__KIND__LOCK, "a");
  open_named(HOLDFAST__KIND__LOCK, "b");
  story_acquire(&story, 1, 1, "a", 1, 0);
  story_acquire(&story, 1, 2, "b", 1, 0);
  for (uint64_t i = 0; i < HF_LISTING_COUNT_MAX + 5; i++) {
    uint64_t connection = 10 + i / 1000;
    if (i % 1000 == 0) {
      story_connect(&story, connection);
      story_open_session(&story, connection);
    }
    story_acquire(&story, connection, 0, "a", i + 10, STORY_WAIT_FOREVER);
  }
  story_forget(&story);
  ask(&story, 1, 0, REQUEST(LOCK_LIST, LockList, lock_list, ));
  assert_non_null(strstr(story.text, " and 6 more; more after an id\n"));
  story_forget(&story);
}

/* The rest of the page is one of "b". */
static void test_page_of_locks_begins_beyond(void **state) {
  (void)state;
  open_named(HOLDFAST__KIND__LOCK, "a");
  uint64_t a = story_open(&story, 1, 0, HOLDFAST__KIND__LOCK, "a", 0);
  story_open(&story, 1, 0, HOLDFAST__KIND__LOCK, "b", 0);
  story_acquire(&story, 1, 1, "a", 1, 0);
  story_acquire(&story, 1, 2, "b", 1, 0);
  story_forget(&story);
  ask(&story, 1, 0, REQUEST(LOCK_LIST, LockList, lock_list, .after = a));
  ask(&story, 1, 0, REQUEST(LOCK_LIST, LockList, lock_list, .after = a + 1));
  story_expect(&story, "1 <- #0 OK b of 1 awaited by;\n1 <- #0 OK\n");
}

static void set_long(int64_t key, size_t len) {
  char *text = calloc(1, len + 1);
  memset(text, 'a', len);
  ask(&story, 1, 0, IN("d", DICT_SET, DictSet, dict_set, .key = INT(key), .value = TEXT(text)));
  free(text);
}

static void test_scan_ends_by_bytes(void **state) {
  (void)state;
  open_named(HOLDFAST__KIND__DICT, "d");
  for (int64_t key = 0; key < 1100; key++) {
    set_long(key, 20000);
  }
  story_forget(&story);
  ask(&story, 1, 0, SCAN());
  assert_non_null(strstr(story.text, " of 1100, more\n"));
  assert_true(atoi(story.text + strlen("1 <- #0 OK ")) > 500);
  story_forget(&story);
  ask(&story, 1, 0, SCAN(.limit = 10));
  story_expect(&story, "1 <- #0 OK 10 of 1100, more\n");
}

/* Two keys that are equal, the one stored nine bytes an item, the other two: key and value together
 * came by no request. */
static void test_pop_item_takes_nothing_that_does_not_fit(void **state) {
  (void)state;
  enum { ITEMS = 260000, LONG = (16 << 20) - 1100000 };
  static Holdfast__Value items[ITEMS], *pointers[ITEMS];
  Holdfast__Tuple tuple = HOLDFAST__TUPLE__INIT;
  Holdfast__Value key = HOLDFAST__VALUE__INIT;
  char *text = calloc(1, LONG + 1);
  memset(text, 'a', LONG);
  for (size_t i = 0; i < ITEMS; i++) {
    pointers[i] = &items[i];
    items[i] = (Holdfast__Value)HOLDFAST__VALUE__INIT;
    items[i].kind_case = HOLDFAST__VALUE__KIND_REAL;
    items[i].real = 1;
  }
  tuple.n_items = ITEMS;
  tuple.items = pointers;
  key.kind_case = HOLDFAST__VALUE__KIND_TUPLE;
  key.tuple = &tuple;
  open_named(HOLDFAST__KIND__DICT, "d");
  ask(&story, 1, 0, IN("d", DICT_SET, DictSet, dict_set, .key = &key, .value = INT(1)));
  for (size_t i = 0; i < ITEMS; i++) {
    items[i].kind_case = HOLDFAST__VALUE__KIND_BOOLEAN;
    items[i].boolean = true;
  }
  ask(&story, 1, 0, IN("d", DICT_SET, DictSet, dict_set, .key = &key, .value = TEXT(text)));
  ask(&story, 1, 0, IN("d", DICT_POP_ITEM, DictPopItem, dict_pop_item, ));
  ask(&story, 1, 0, IN("d", DICT_LEN, DictLen, dict_len, ));
  story_expect(&story,
               "1 <- #0 OK\n1 <- #0 OK\n1 <- #0 RESOURCE_EXHAUSTED REPLY_TOO_BIG\n"
               "1 <- #0 OK 1\n");
  free(text);
}

/* ---- what a number means that no enum has */

static void test_unknown_enum_values_are_refused(void **state) {
  (void)state;
  Holdfast__Value *none = MESSAGE(Value, value, .kind_case = HOLDFAST__VALUE__KIND_NONE, .none = 7);
  Holdfast__Value *reference =
      MESSAGE(Value, value, .kind_case = HOLDFAST__VALUE__KIND_REFERENCE,
              .reference = MESSAGE(Reference, reference, .object = 1, .kind = 99));
  Holdfast__Condition *condition =
      MESSAGE(Condition, condition, .target_case = HOLDFAST__CONDITION__TARGET_NAME,
              .name = DATA("e"), .check_case = HOLDFAST__CONDITION__CHECK_IS_SET, .is_set = 5);
  open_named(HOLDFAST__KIND__LIST, "l");
  open_named(HOLDFAST__KIND__EVENT, "e");
  ask(&story, 1, 0,
      REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__DICT,
              .name = DATA("new"), .mode = 99));
  ask(&story, 1, 0, LIST());
  ask(&story, 1, 0, IN("l", LIST_APPEND, ListAppend, list_append, .value = none));
  ask(&story, 1, 0, IN("l", LIST_APPEND, ListAppend, list_append, .value = reference));
  ask(&story, 1, 0,
      REQUEST(TRANSACTION, Transaction, transaction, .n_conditions = 1,
              .conditions = LIST_OF(Condition, condition)));
  story_expect(&story,
               "1 <- #0 INVALID_ARGUMENT BAD_ARGUMENT\n1 <- #0 OK 2: e l\n"
               "1 <- #0 INVALID_ARGUMENT BAD_VALUE\n1 <- #0 INVALID_ARGUMENT BAD_VALUE\n"
               "1 <- #0 INVALID_ARGUMENT BAD_ARGUMENT of part 1\n");
}

static void test_several_are_retained_or_none(void **state) {
  (void)state;
  uint64_t ids[] = {story_open(&story, 1, 1, HOLDFAST__KIND__DICT, NULL, 0), 12345};
  story_forget(&story);
  ask(&story, 2, 1,
      REQUEST(OBJECT_RETAIN, ObjectRetain, object_retain, .n_objects = 2, .objects = ids));
  story_close_session(&story, 1);
  story_expect(&story, "2 <- #1 NOT_FOUND NO_SUCH_OBJECT\n1 <- #0 OK\n");
  assert_int_equal(story_objects(&story, 2), 0);
}

static void test_missing_ones_are_skipped_if_asked_for(void **state) {
  (void)state;
  uint64_t ids[] = {12345, story_open(&story, 1, 1, HOLDFAST__KIND__DICT, NULL, 0)};
  story_forget(&story);
  ask(&story, 2, 1,
      REQUEST(OBJECT_RETAIN, ObjectRetain, object_retain, .n_objects = 2, .objects = ids,
              .skip_missing = true));
  story_close_session(&story, 1);
  story_expect(&story, "2 <- #1 OK\n1 <- #0 OK\n");
  assert_int_equal(story_objects(&story, 2), 1);
}

/* Each takes a quarter of a microsecond under the engine's lock. */
static void test_too_many_are_refused(void **state) {
  (void)state;
  static uint64_t ids[HF_REFERENCES_PER_REQUEST_MAX + 1];
  static Holdfast__ObjectRelease__Release *releases[HF_REFERENCES_PER_REQUEST_MAX + 1];
  static Holdfast__ObjectRelease__Release release = HOLDFAST__OBJECT_RELEASE__RELEASE__INIT;
  uint64_t id = story_open(&story, 1, 1, HOLDFAST__KIND__DICT, NULL, 0);
  for (size_t i = 0; i <= HF_REFERENCES_PER_REQUEST_MAX; i++) {
    ids[i] = id;
    releases[i] = &release;
  }
  release.object = id;
  release.count = 1;
  story_forget(&story);
  for (size_t count = HF_REFERENCES_PER_REQUEST_MAX + 1; count >= HF_REFERENCES_PER_REQUEST_MAX;
       count--) {
    uint64_t sequence = 2 * (HF_REFERENCES_PER_REQUEST_MAX + 2 - count);
    ask(&story, 1, sequence,
        REQUEST(OBJECT_RETAIN, ObjectRetain, object_retain, .n_objects = count, .objects = ids));
    ask(&story, 1, sequence + 1,
        REQUEST(OBJECT_RELEASE, ObjectRelease, object_release, .n_releases = count,
                .releases = releases));
  }
  story_expect(&story,
               "1 <- #2 RESOURCE_EXHAUSTED TOO_MANY_FIELDS\n"
               "1 <- #3 RESOURCE_EXHAUSTED TOO_MANY_FIELDS\n1 <- #4 OK\n1 <- #5 OK\n");
}

int main(void) {
#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      STORY(test_pages_of_names_are_in_order),
      STORY(test_page_of_names_is_without_the_deleted),
      STORY(test_page_ends_when_many_were_looked_at),
      STORY(test_anonymous_ones_have_pages_too),
      STORY(test_page_of_locks_has_so_many_waiters),
      STORY(test_page_of_locks_begins_beyond),
      STORY(test_scan_ends_by_bytes),
      STORY(test_pop_item_takes_nothing_that_does_not_fit),
      STORY(test_unknown_enum_values_are_refused),
      STORY(test_several_are_retained_or_none),
      STORY(test_missing_ones_are_skipped_if_asked_for),
      STORY(test_too_many_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
