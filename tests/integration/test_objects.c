/* Objects of any kind: names, listing, references, and that nothing leaks. */
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/world.h"

static void test_object_kinds_have_names(void **state) {
  (void)state;
  for (int kind = HF_DICT; kind <= HF_BARRIER; kind++) {
    assert_int_equal(hf_kind_find(hf_kind_name((hf_kind)kind)), kind);
  }
  assert_int_equal(hf_kind_find("nothing"), HF_ANY);
}

static void test_object_named_is_found_again_and_deleted(void **state) {
  hf_dict *dict;
  hf_object *same, *none;
  hf_list *list;
  struct hf_object_info info;
  (void)state;
  expect_ok(hf_dict_open(world.conn, "found", &dict));
  expect_ok(hf_open(world.conn, "found", HF_ANY, &same));
  assert_int_equal(hf_object_id(same), hf_object_id(HF_AS_OBJECT(dict)));
  assert_int_equal(hf_object_kind(same), HF_DICT);
  assert_ptr_equal(hf_object_conn(same), world.conn);
  expect_fails(hf_open(world.conn, "found", HF_LIST, &none), INVALID_ARGUMENT, WRONG_KIND);
  expect_fails(hf_list_open(world.conn, "found", &list), INVALID_ARGUMENT, WRONG_KIND);
  expect_fails(hf_open(world.conn, "lost", HF_ANY, &none), NOT_FOUND, NO_SUCH_OBJECT);
  expect_fails(hf_dict_open(world.conn, "", &dict), INVALID_ARGUMENT, BAD_NAME);
  expect_ok(hf_object_info(same, &info));
  assert_string_equal(info.name, "found");
  expect_ok(hf_object_delete(same));
  expect_fails(hf_dict_set(dict, hf_int(1), hf_int(1)), NOT_FOUND, NO_SUCH_OBJECT);
  expect_fails(hf_delete(world.conn, "found"), NOT_FOUND, NO_SUCH_OBJECT);
  hf_object_close(same);
  hf_dict_close(dict);
}

static void test_object_listing_is_sorted_and_by_kind(void **state) {
  struct hf_object_info *infos;
  hf_object *handles[3];
  size_t count;
  (void)state;
  expect_ok(hf_dict_open(world.conn, "l/b", (hf_dict **)&handles[0]));
  expect_ok(hf_list_open(world.conn, "l/a", (hf_list **)&handles[1]));
  expect_ok(hf_dict_open(world.conn, "l/c", (hf_dict **)&handles[2]));
  expect_ok(hf_list_objects(world.conn, "l/", HF_ANY, &infos, &count));
  assert_int_equal(count, 3);
  assert_string_equal(infos[0].name, "l/a");
  assert_string_equal(infos[2].name, "l/c");
  free(infos);
  expect_ok(hf_list_objects(world.conn, "l/", HF_DICT, &infos, &count));
  assert_int_equal(count, 2);
  free(infos);
  for (int i = 0; i < 3; i++) {
    expect_ok(hf_object_delete(handles[i]));
    hf_object_close(handles[i]);
  }
}

static void test_object_references_nest_and_nothing_leaks(void **state) {
  uint64_t before = object_count();
  hf_dict *outer;
  hf_list *inner;
  hf_object *again;
  hf_value value;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &outer));
  expect_ok(hf_list_open(world.conn, NULL, &inner));
  expect_ok(hf_list_append(inner, hf_text("kept")));
  expect_ok(hf_dict_set(outer, hf_text("list"), hf_reference(HF_AS_OBJECT(inner))));
  hf_list_close(inner);
  assert_int_equal(object_count(), before + 2);
  expect_ok(hf_dict_get(outer, hf_text("list"), &value));
  assert_int_equal(value.kind, HF_LIST);
  expect_ok(hf_dict_delete(outer, hf_text("list")));
  expect_ok(hf_reference_open(world.conn, &value, &again));
  assert_int_equal(value.type, HF_TYPE_NONE);
  expect_ok(hf_list_pop((hf_list *)again, HF_OMITTED, &value));
  expect_equal(value, hf_text("kept"));
  hf_object_close(again);
  assert_int_equal(object_count(), before + 1);
  hf_dict_close(outer);
  assert_int_equal(object_count(), before);
}

static void test_object_references_in_tuples_and_dropped_results(void **state) {
  uint64_t before = object_count();
  hf_list *list, *inner;
  hf_object *again;
  hf_value value, item;
  bool swapped;
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  expect_ok(hf_list_open(world.conn, NULL, &inner));
  hf_value pair[] = {hf_int(1), hf_reference(HF_AS_OBJECT(inner))};
  expect_ok(hf_list_append(list, hf_tuple(pair, 2)));
  hf_list_close(inner);
  expect_ok(hf_list_get(list, 0, &value));
  item = value.items[1];
  expect_ok(hf_reference_open(world.conn, &item, &again));
  hf_value_clear(&value);
  hf_object_close(again);
  /* What stood there comes back and is not wanted. */
  expect_ok(hf_list_compare_and_set(list, 0, hf_none(), hf_none(), &swapped, NULL));
  assert_false(swapped);
  expect_ok(hf_list_pop(list, 0, NULL));
  assert_int_equal(object_count(), before + 1);
  hf_list_close(list);
  assert_int_equal(object_count(), before);
}

static void test_object_reference_of_another_connection_is_refused(void **state) {
  hf_conn *conn = connect_again(0);
  hf_list *list;
  hf_object *none;
  hf_value value, number = hf_int(1);
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  expect_ok(hf_list_append(list, hf_reference(HF_AS_OBJECT(list))));
  expect_ok(hf_list_get(list, 0, &value));
  expect_fails(hf_reference_open(conn, &value, &none), INVALID_ARGUMENT, WRONG_TYPE);
  expect_fails(hf_reference_open(conn, &number, &none), INVALID_ARGUMENT, WRONG_TYPE);
  hf_value_clear(&value);
  expect_ok(hf_list_clear(list));
  hf_list_close(list);
  hf_close(conn);
}

static void test_object_values_outlive_their_connection(void **state) {
  hf_conn *conn = connect_again(0);
  hf_list *list;
  hf_value reference, text;
  (void)state;
  expect_ok(hf_list_open(conn, NULL, &list));
  expect_ok(hf_list_append(list, hf_text("still here")));
  expect_ok(hf_list_get(list, 0, &text));
  expect_ok(hf_list_append(list, hf_reference(HF_AS_OBJECT(list))));
  expect_ok(hf_list_get(list, 1, &reference));
  hf_list_close(list);
  hf_close(conn);
  expect_equal(text, hf_text("still here"));
  hf_value_clear(&reference);
}

/* Opens ten and leaves, politely or not, without closing any. */
static void open_and_leave(bool goodbye) {
  const struct hf_options options = {.grace_ms = 50};
  hf_conn *conn;
  hf_dict *dict;
  hf_status status = hf_connect(world.url, &options, &conn);
  for (int i = 0; i < 10 && status == HF_OK; i++) {
    status = hf_dict_open(conn, NULL, &dict);
  }
  if (goodbye) {
    hf_close(conn);
  }
  _exit(status == HF_OK ? 0 : 1);
}

static void test_object_anonymous_goes_with_its_session(void **state) {
  uint64_t before = object_count(), until_ms = now_ms() + 5000;
  (void)state;
  for (int goodbye = 0; goodbye < 2; goodbye++) {
    int status;
    pid_t child = fork();
    if (child == 0) {
      open_and_leave(goodbye);
    }
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    while (object_count() != before) {
      assert_true(now_ms() < until_ms);
      sleep_ms(5);
    }
  }
}

static void test_object_is_opened_by_id(void **state) {
  uint64_t before = object_count();
  hf_conn *other;
  hf_dict *dict;
  hf_object *opened, *none;
  hf_value value;
  (void)state;
  expect_ok(hf_connect(world.url, NULL, &other));
  expect_ok(hf_dict_open(world.conn, NULL, &dict));
  const uint64_t id = hf_object_id(HF_AS_OBJECT(dict));
  expect_ok(hf_object_open(other, id, HF_DICT, &opened));
  assert_int_equal(hf_object_id(opened), id);
  assert_int_equal(hf_object_kind(opened), HF_DICT);
  expect_ok(hf_dict_set(dict, hf_int(1), hf_int(2)));
  hf_dict_close(dict);
  expect_ok(hf_ping(world.conn, NULL));
  expect_ok(hf_dict_get((hf_dict *)opened, hf_int(1), &value)); /* the handle is a reference */
  expect_equal(value, hf_int(2));
  expect_ok(hf_object_open(other, id, HF_LIST, &none));
  expect_fails(hf_list_append((hf_list *)none, hf_int(1)), INVALID_ARGUMENT, WRONG_KIND);
  hf_object_close(none);
  hf_object_close(opened);
  expect_ok(hf_ping(other, NULL));
  assert_int_equal(object_count(), before);
  expect_fails(hf_object_open(other, id, HF_DICT, &none), NOT_FOUND, NO_SUCH_OBJECT);
  expect_fails(hf_object_open(other, id, HF_ANY, &none), INVALID_ARGUMENT, BAD_ARGUMENT);
  expect_fails(hf_object_open(other, id, (hf_kind)99, &none), INVALID_ARGUMENT, BAD_ARGUMENT);
  hf_close(other);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_object_kinds_have_names),
    cmocka_unit_test(test_object_named_is_found_again_and_deleted),
    cmocka_unit_test(test_object_listing_is_sorted_and_by_kind),
    cmocka_unit_test(test_object_references_nest_and_nothing_leaks),
    cmocka_unit_test(test_object_references_in_tuples_and_dropped_results),
    cmocka_unit_test(test_object_reference_of_another_connection_is_refused),
    cmocka_unit_test(test_object_values_outlive_their_connection),
    cmocka_unit_test(test_object_anonymous_goes_with_its_session),
    cmocka_unit_test(test_object_is_opened_by_id),
};

WORLD_MAIN("objects", tests)
