/* Array and RawArray. Every call but len waits while somebody else holds the Array's lock. */
#include "client/src/object.h"

static hf_status open_array(hf_conn *conn, const char *name, hf_kind kind, char typecode,
                            size_t length, const hf_value *initial, hf_array **array) {
  struct request request;
  Holdfast__ObjectOpen arm;
  object_open_of(&request, conn, &arm, name, kind);
  arm.typecode = (ProtobufCBinaryData){1, (uint8_t *)&typecode};
  if (initial != NULL) {
    arm.initial = request_values(&request, initial, length, &arm.n_initial);
  }
  arm.length = length;
  return object_open(&request, &arm, array);
}

hf_status hf_array_open(hf_conn *conn, const char *name, char typecode, size_t length,
                        const hf_value *initial, hf_array **array) {
  return open_array(conn, name, HF_ARRAY, typecode, length, initial, array);
}

hf_status hf_raw_array_open(hf_conn *conn, const char *name, char typecode, size_t length,
                            const hf_value *initial, hf_array **array) {
  return open_array(conn, name, HF_RAW_ARRAY, typecode, length, initial, array);
}

void hf_array_close(hf_array *array) {
  hf_object_close(HF_AS_OBJECT(array));
}

hf_status hf_array_get(hf_array *array, int64_t index, hf_value *value) {
  struct request request;
  Holdfast__ArrayGet arm = HOLDFAST__ARRAY_GET__INIT;
  request_of(&request, array, OPERATION(ARRAY_GET));
  request_wait(&request, HF_FOREVER);
  arm.index = index;
  request_ask(&request, result_value, value, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_array_set(hf_array *array, int64_t index, hf_value value) {
  struct request request;
  Holdfast__ArraySet arm = HOLDFAST__ARRAY_SET__INIT;
  request_of(&request, array, OPERATION(ARRAY_SET));
  request_wait(&request, HF_FOREVER);
  arm.index = index;
  arm.value = request_value(&request, &value);
  return request_send(&request, &arm.base);
}

hf_status hf_array_get_slice(hf_array *array, struct hf_slice slice, hf_value **values,
                             size_t *count) {
  struct request request;
  Holdfast__ArrayGetSlice arm = HOLDFAST__ARRAY_GET_SLICE__INIT;
  request_of(&request, array, OPERATION(ARRAY_GET_SLICE));
  Holdfast__Slice bounds = request_slice(slice);
  arm.slice = &bounds;
  request_wait(&request, HF_FOREVER);
  request_ask(&request, result_values, values, count);
  return request_send(&request, &arm.base);
}

hf_status hf_array_set_slice(hf_array *array, struct hf_slice slice, const hf_value *values,
                             size_t count) {
  struct request request;
  Holdfast__ArraySetSlice arm = HOLDFAST__ARRAY_SET_SLICE__INIT;
  request_of(&request, array, OPERATION(ARRAY_SET_SLICE));
  Holdfast__Slice bounds = request_slice(slice);
  arm.slice = &bounds;
  request_wait(&request, HF_FOREVER);
  arm.items = request_values(&request, values, count, &arm.n_items);
  return request_send(&request, &arm.base);
}

hf_status hf_array_len(hf_array *array, uint64_t *len) {
  struct request request;
  Holdfast__ArrayLen arm = HOLDFAST__ARRAY_LEN__INIT;
  request_of(&request, array, OPERATION(ARRAY_LEN));
  request_ask(&request, result_count, len, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_array_add(hf_array *array, int64_t index, hf_value amount, hf_value *sum) {
  struct request request;
  Holdfast__ArrayAdd arm = HOLDFAST__ARRAY_ADD__INIT;
  request_of(&request, array, OPERATION(ARRAY_ADD));
  request_wait(&request, HF_FOREVER);
  arm.index = index;
  arm.amount = request_value(&request, &amount);
  request_result(&request, result_value, sum, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_array_lock(hf_array *array, int64_t timeout_ms) {
  return hf_lock_acquire((hf_lock *)array, timeout_ms, NULL);
}

hf_status hf_array_unlock(hf_array *array) {
  return hf_lock_release((hf_lock *)array);
}
