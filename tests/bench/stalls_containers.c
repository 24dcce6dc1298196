/* bench_stalls: lists, tuples, arrays. See stalls.h. */
#include "tests/bench/stalls.h"

#include <stdlib.h>

#define INSERTS_COUNT 1000

static void open_object(const char *name, Holdfast__Kind kind) {
  stalls_call(REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = kind, .name = DATA(name)));
}

/* A list of `count` equal items. */
static void make_list(const char *name, Holdfast__Value *item, uint64_t count) {
  open_object(name, HOLDFAST__KIND__LIST);
  stalls_call(IN(name, LIST_APPEND, ListAppend, list_append, .value = item));
  stalls_call(IN(name, LIST_REPEAT_IN_PLACE, ListRepeatInPlace, list_repeat_in_place,
                 .count = (int64_t)count));
}

void stalls_lists(void) {
  uint64_t size = stalls_scaled(UINT64_C(1) << 28);
  open_object("l", HOLDFAST__KIND__LIST);
  stalls_call(IN("l", LIST_APPEND, ListAppend, list_append, .value = INT(7)));
  stalls_measure("list_repeat_in_place", size,
                 IN("l", LIST_REPEAT_IN_PLACE, ListRepeatInPlace, list_repeat_in_place,
                    .count = (int64_t)size));
  stalls_measure("list_count", size, IN("l", LIST_COUNT, ListCount, list_count, .value = INT(8)));
  stalls_measure("list_contains of a number that is not there", size,
                 IN("l", LIST_CONTAINS, ListContains, list_contains, .value = INT(8)));
  stalls_measure("list_index of a text that is not there", size,
                 IN("l", LIST_INDEX, ListIndex, list_index, .value = TEXT("x")));
  stalls_measure("list_remove of what is not there", size,
                 IN("l", LIST_REMOVE, ListRemove, list_remove, .value = INT(8)));
  stalls_measure("list_copy", size, IN("l", LIST_COPY, ListCopy, list_copy));
  stalls_measure("list_reverse", size, IN("l", LIST_REVERSE, ListReverse, list_reverse));
  stalls_measure("list_sort", size, IN("l", LIST_SORT, ListSort, list_sort));
  stalls_measure("list_clear", size, IN("l", LIST_CLEAR, ListClear, list_clear));
}

static int64_t middle;

static Holdfast__Request *make_insert(uint64_t idx) {
  static Holdfast__Value value;
  static Holdfast__ListInsert insert;
  static Holdfast__Request request;
  value = *INT((int64_t)idx);
  insert = *MESSAGE(ListInsert, list_insert, .index = middle, .value = &value);
  request = *IN("l", LIST_INSERT, ListInsert, list_insert);
  request.list_insert = &insert;
  return &request;
}

/* How an insertion grows with the list. */
static void measure_growth(uint64_t size) {
  make_list("l", INT(7), size);
  middle = (int64_t)size / 2;
  stalls_begin();
  stalls_call_many(INSERTS_COUNT, make_insert);
  stalls_end("1,000 times list_insert in the middle", size);
  stalls_call(IN("l", OBJECT_DELETE, ObjectDelete, object_delete));
}

static void measure_transaction(uint64_t size) {
  Holdfast__Request *inserts[INSERTS_COUNT];
  for (size_t i = 0; i < INSERTS_COUNT; i++) {
    inserts[i] = make_insert(0); /* the same one */
  }
  stalls_measure("transaction of 1,000 list_inserts in the middle", size,
                 REQUEST(TRANSACTION, Transaction, transaction, .operations = inserts,
                         .n_operations = INSERTS_COUNT));
}

void stalls_list_changes(void) {
  uint64_t size = stalls_scaled(UINT64_C(200000000));
  measure_growth(1000);
  measure_growth(stalls_scaled(100000));
  measure_growth(stalls_scaled(10000000));
  make_list("l", INT(7), size);
  middle = (int64_t)size / 2;
  stalls_measure("list_insert in the middle", size, make_insert(0));
  stalls_measure("list_delete in the middle", size,
                 IN("l", LIST_DELETE, ListDelete, list_delete, .index = middle));
  measure_transaction(size);
  stalls_begin();
  stalls_call_many(64, make_insert);
  stalls_end("64 pipelined list_inserts in the middle", size);
}

void stalls_slices(void) {
  uint64_t size = stalls_scaled(UINT64_C(1) << 26);
  Holdfast__Slice *all = MESSAGE(Slice, slice, 0);
  Holdfast__Slice *every_second =
      MESSAGE(Slice, slice, .stride_case = HOLDFAST__SLICE__STRIDE_STEP, .step = 2);
  make_list("l", INT(7), size);
  stalls_measure(
      "list_delete_slice of every second item", size,
      IN("l", LIST_DELETE_SLICE, ListDeleteSlice, list_delete_slice, .slice = every_second));
  stalls_measure("list_delete_slice of all", size,
                 IN("l", LIST_DELETE_SLICE, ListDeleteSlice, list_delete_slice, .slice = all));
  make_list("m", INT(7), size);
  stalls_measure("list_get_slice of every second item", size,
                 IN("m", LIST_GET_SLICE, ListGetSlice, list_get_slice, .slice = every_second));
  stalls_measure("list_set_slice of all by nothing", size,
                 IN("m", LIST_SET_SLICE, ListSetSlice, list_set_slice, .slice = all));
}

void stalls_references(void) {
  uint64_t size = stalls_scaled(UINT64_C(1) << 25);
  open_object("d", HOLDFAST__KIND__DICT);
  Holdfast__Value *reference = REFERENCE(stalls_object("d"));
  make_list("l", INT(7), size);
  stalls_call(IN("l", LIST_APPEND, ListAppend, list_append, .value = reference));
  stalls_measure("list_clear with one reference in it", size,
                 IN("l", LIST_CLEAR, ListClear, list_clear));
  make_list("m", INT(7), size);
  stalls_call(IN("m", LIST_APPEND, ListAppend, list_append, .value = reference));
  stalls_measure("object_delete of a list with one reference", size,
                 IN("m", OBJECT_DELETE, ObjectDelete, object_delete));
  open_object("r", HOLDFAST__KIND__LIST);
  stalls_call(IN("r", LIST_APPEND, ListAppend, list_append, .value = reference));
  stalls_measure("list_repeat_in_place of a reference", size / 8,
                 IN("r", LIST_REPEAT_IN_PLACE, ListRepeatInPlace, list_repeat_in_place,
                    .count = (int64_t)size / 8));
  stalls_measure("object_delete of that list", size / 8,
                 IN("r", OBJECT_DELETE, ObjectDelete, object_delete));
}

/* ---- tuples */

/* A tuple of `width` ones; the innermost one of `depth` ends with `last`. malloc, never freed. */
static Holdfast__Value *make_tuple(size_t width, size_t depth, int64_t last) {
  Holdfast__Value **items = calloc(width + 1, sizeof *items);
  Holdfast__Tuple *tuple = malloc(sizeof *tuple);
  Holdfast__Value *value = malloc(sizeof *value), *one = malloc(sizeof *one);
  *one = *INT(1);
  for (size_t i = 0; i < width; i++) {
    items[i] = one;
  }
  if (depth > 1) {
    items[width] = make_tuple(width, depth - 1, last);
  } else {
    items[width] = malloc(sizeof **items);
    *items[width] = *INT(last);
  }
  *tuple = *MESSAGE(Tuple, tuple, .items = items, .n_items = width + 1);
  *value = *MESSAGE(Value, value, .kind_case = HOLDFAST__VALUE__KIND_TUPLE, .tuple = tuple);
  return value;
}

void stalls_tuples(void) {
  uint64_t size = stalls_scaled(400);
  make_list("l", make_tuple(99999, 1, 0), size);
  stalls_measure("list_count of a tuple of 100,000 that differs at its end", size,
                 IN("l", LIST_COUNT, ListCount, list_count, .value = make_tuple(99999, 1, 1)));
  open_object("m", HOLDFAST__KIND__LIST);
  for (int64_t i = 0; i < 41; i++) {
    stalls_call(
        IN("m", LIST_APPEND, ListAppend, list_append, .value = make_tuple(8000, 11, i % 5)));
  }
  stalls_measure("list_sort of tuples 11 deep", 41, IN("m", LIST_SORT, ListSort, list_sort));
}

/* ---- replies */

void stalls_replies(void) {
  uint64_t size = stalls_scaled(200000);
  open_object("l", HOLDFAST__KIND__LIST);
  stalls_call(IN("l", LIST_APPEND, ListAppend, list_append, .value = make_tuple(size - 1, 1, 0)));
  stalls_begin();
  for (int i = 0; i < 20; i++) {
    stalls_call(IN("l", LIST_COMPARE_AND_SET, ListCompareAndSet, list_compare_and_set,
                   .expected = INT(0), .desired = INT(0)));
  }
  stalls_end("20 x list_compare_and_set answered with a tuple", size);
}

/* ---- arrays */

void stalls_arrays(void) {
  uint64_t size = stalls_scaled(UINT64_C(1) << 28);
  stalls_open_session(0);
  stalls_measure("object_open of a raw array, 8 bytes each", size,
                 REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__RAW_ARRAY,
                         .name = DATA("a"), .typecode = DATA("d"), .length = size));
  stalls_measure("object_info with map: into shared memory", size,
                 IN("a", OBJECT_INFO, ObjectInfo, object_info, .map = true));
  stalls_measure("object_delete of it", size, IN("a", OBJECT_DELETE, ObjectDelete, object_delete));
}
