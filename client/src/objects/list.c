#include "client/src/objects/object.h"

hf_status hf_list_open(hf_conn *conn, const char *name, hf_list **list) {
  return object_open_simple(conn, name, HF_LIST, list);
}

void hf_list_close(hf_list *list) {
  hf_object_close(HF_AS_OBJECT(list));
}

hf_status hf_list_get(hf_list *list, int64_t index, hf_value *value) {
  struct request request;
  Holdfast__ListGet arm = HOLDFAST__LIST_GET__INIT;
  request_of(&request, list, OPERATION(LIST_GET));
  arm.index = index;
  request_ask(&request, result_value, value, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_list_set(hf_list *list, int64_t index, hf_value value) {
  struct request request;
  Holdfast__ListSet arm = HOLDFAST__LIST_SET__INIT;
  request_of(&request, list, OPERATION(LIST_SET));
  arm.index = index;
  arm.value = request_value(&request, &value);
  return request_send(&request, &arm.base);
}

hf_status hf_list_delete(hf_list *list, int64_t index) {
  struct request request;
  Holdfast__ListDelete arm = HOLDFAST__LIST_DELETE__INIT;
  request_of(&request, list, OPERATION(LIST_DELETE));
  arm.index = index;
  return request_send(&request, &arm.base);
}

hf_status hf_list_get_slice(hf_list *list, struct hf_slice slice, hf_value **values,
                            size_t *count) {
  struct request request;
  Holdfast__ListGetSlice arm = HOLDFAST__LIST_GET_SLICE__INIT;
  request_of(&request, list, OPERATION(LIST_GET_SLICE));
  Holdfast__Slice bounds = request_slice(slice);
  arm.slice = &bounds;
  request_ask(&request, result_values, values, count);
  return request_send(&request, &arm.base);
}

hf_status hf_list_set_slice(hf_list *list, struct hf_slice slice, const hf_value *values,
                            size_t count) {
  struct request request;
  Holdfast__ListSetSlice arm = HOLDFAST__LIST_SET_SLICE__INIT;
  request_of(&request, list, OPERATION(LIST_SET_SLICE));
  Holdfast__Slice bounds = request_slice(slice);
  arm.slice = &bounds;
  arm.items = request_values(&request, values, count, &arm.n_items);
  return request_send(&request, &arm.base);
}

hf_status hf_list_delete_slice(hf_list *list, struct hf_slice slice) {
  struct request request;
  Holdfast__ListDeleteSlice arm = HOLDFAST__LIST_DELETE_SLICE__INIT;
  request_of(&request, list, OPERATION(LIST_DELETE_SLICE));
  Holdfast__Slice bounds = request_slice(slice);
  arm.slice = &bounds;
  return request_send(&request, &arm.base);
}

hf_status hf_list_append(hf_list *list, hf_value value) {
  struct request request;
  Holdfast__ListAppend arm = HOLDFAST__LIST_APPEND__INIT;
  request_of(&request, list, OPERATION(LIST_APPEND));
  arm.value = request_value(&request, &value);
  return request_send(&request, &arm.base);
}

hf_status hf_list_extend(hf_list *list, const hf_value *values, size_t count) {
  struct request request;
  Holdfast__ListExtend arm = HOLDFAST__LIST_EXTEND__INIT;
  request_of(&request, list, OPERATION(LIST_EXTEND));
  arm.items = request_values(&request, values, count, &arm.n_items);
  return request_send(&request, &arm.base);
}

hf_status hf_list_insert(hf_list *list, int64_t index, hf_value value) {
  struct request request;
  Holdfast__ListInsert arm = HOLDFAST__LIST_INSERT__INIT;
  request_of(&request, list, OPERATION(LIST_INSERT));
  arm.index = index;
  arm.value = request_value(&request, &value);
  return request_send(&request, &arm.base);
}

hf_status hf_list_pop(hf_list *list, int64_t index, hf_value *value) {
  struct request request;
  Holdfast__ListPop arm = HOLDFAST__LIST_POP__INIT;
  request_of(&request, list, OPERATION(LIST_POP));
  if (index != HF_OMITTED) {
    arm.position_case = HOLDFAST__LIST_POP__POSITION_INDEX;
    arm.index = index;
  }
  request_result(&request, result_value, value, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_list_remove(hf_list *list, hf_value value) {
  struct request request;
  Holdfast__ListRemove arm = HOLDFAST__LIST_REMOVE__INIT;
  request_of(&request, list, OPERATION(LIST_REMOVE));
  arm.value = request_value(&request, &value);
  return request_send(&request, &arm.base);
}

hf_status hf_list_index(hf_list *list, hf_value value, int64_t start, int64_t stop,
                        uint64_t *index) {
  struct request request;
  Holdfast__ListIndex arm = HOLDFAST__LIST_INDEX__INIT;
  request_of(&request, list, OPERATION(LIST_INDEX));
  arm.value = request_value(&request, &value);
  if (start != HF_OMITTED) {
    arm.first_case = HOLDFAST__LIST_INDEX__FIRST_START;
    arm.start = start;
  }
  if (stop != HF_OMITTED) {
    arm.last_case = HOLDFAST__LIST_INDEX__LAST_STOP;
    arm.stop = stop;
  }
  request_ask(&request, result_count, index, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_list_count(hf_list *list, hf_value value, uint64_t *count) {
  struct request request;
  Holdfast__ListCount arm = HOLDFAST__LIST_COUNT__INIT;
  request_of(&request, list, OPERATION(LIST_COUNT));
  arm.value = request_value(&request, &value);
  request_ask(&request, result_count, count, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_list_contains(hf_list *list, hf_value value, bool *found) {
  struct request request;
  Holdfast__ListContains arm = HOLDFAST__LIST_CONTAINS__INIT;
  request_of(&request, list, OPERATION(LIST_CONTAINS));
  arm.value = request_value(&request, &value);
  request_ask(&request, result_flag, found, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_list_len(hf_list *list, uint64_t *len) {
  struct request request;
  Holdfast__ListLen arm = HOLDFAST__LIST_LEN__INIT;
  request_of(&request, list, OPERATION(LIST_LEN));
  request_ask(&request, result_count, len, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_list_reverse(hf_list *list) {
  struct request request;
  Holdfast__ListReverse arm = HOLDFAST__LIST_REVERSE__INIT;
  request_of(&request, list, OPERATION(LIST_REVERSE));
  return request_send(&request, &arm.base);
}

hf_status hf_list_sort(hf_list *list, bool reverse) {
  struct request request;
  Holdfast__ListSort arm = HOLDFAST__LIST_SORT__INIT;
  request_of(&request, list, OPERATION(LIST_SORT));
  arm.reverse = reverse;
  return request_send(&request, &arm.base);
}

hf_status hf_list_concat(hf_list *list, const hf_value *values, size_t count, hf_value **result,
                         size_t *result_count) {
  struct request request;
  Holdfast__ListConcat arm = HOLDFAST__LIST_CONCAT__INIT;
  request_of(&request, list, OPERATION(LIST_CONCAT));
  arm.items = request_values(&request, values, count, &arm.n_items);
  request_ask(&request, result_values, result, result_count);
  return request_send(&request, &arm.base);
}

hf_status hf_list_repeat(hf_list *list, int64_t count, hf_value **result, size_t *result_count) {
  struct request request;
  Holdfast__ListRepeat arm = HOLDFAST__LIST_REPEAT__INIT;
  request_of(&request, list, OPERATION(LIST_REPEAT));
  arm.count = count;
  request_ask(&request, result_values, result, result_count);
  return request_send(&request, &arm.base);
}

hf_status hf_list_repeat_in_place(hf_list *list, int64_t count) {
  struct request request;
  Holdfast__ListRepeatInPlace arm = HOLDFAST__LIST_REPEAT_IN_PLACE__INIT;
  request_of(&request, list, OPERATION(LIST_REPEAT_IN_PLACE));
  arm.count = count;
  return request_send(&request, &arm.base);
}

hf_status hf_list_copy(hf_list *list, hf_value **values, size_t *count) {
  struct request request;
  Holdfast__ListCopy arm = HOLDFAST__LIST_COPY__INIT;
  request_of(&request, list, OPERATION(LIST_COPY));
  request_ask(&request, result_values, values, count);
  return request_send(&request, &arm.base);
}

hf_status hf_list_clear(hf_list *list) {
  struct request request;
  Holdfast__ListClear arm = HOLDFAST__LIST_CLEAR__INIT;
  request_of(&request, list, OPERATION(LIST_CLEAR));
  return request_send(&request, &arm.base);
}

hf_status hf_list_add(hf_list *list, int64_t index, hf_value amount, hf_value *sum) {
  struct request request;
  Holdfast__ListAdd arm = HOLDFAST__LIST_ADD__INIT;
  request_of(&request, list, OPERATION(LIST_ADD));
  arm.index = index;
  arm.amount = request_value(&request, &amount);
  request_result(&request, result_value, sum, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_list_compare_and_set(hf_list *list, int64_t index, hf_value expected, hf_value desired,
                                  bool *swapped, hf_value *found) {
  struct request request;
  Holdfast__ListCompareAndSet arm = HOLDFAST__LIST_COMPARE_AND_SET__INIT;
  request_of(&request, list, OPERATION(LIST_COMPARE_AND_SET));
  arm.index = index;
  arm.expected = request_value(&request, &expected);
  arm.desired = request_value(&request, &desired);
  request_result(&request, result_exchange, swapped, found);
  return request_send(&request, &arm.base);
}
