/* Value and RawValue. Every call waits while somebody else holds the Value's lock. */
#include "client/src/object.h"

static hf_status open_cell(hf_conn *conn, const char *name, hf_kind kind, char typecode,
                           const hf_value *initial, hf_cell **cell) {
  struct request request;
  Holdfast__ObjectOpen arm;
  object_open_of(&request, conn, &arm, name, kind);
  arm.typecode = (ProtobufCBinaryData){1, (uint8_t *)&typecode};
  if (initial->type != HF_TYPE_NONE) {
    arm.initial = request_values(&request, initial, 1, &arm.n_initial);
  }
  return object_open(&request, &arm, cell);
}

hf_status hf_value_open(hf_conn *conn, const char *name, char typecode, hf_value initial,
                        hf_cell **cell) {
  return open_cell(conn, name, HF_VALUE, typecode, &initial, cell);
}

hf_status hf_raw_value_open(hf_conn *conn, const char *name, char typecode, hf_value initial,
                            hf_cell **cell) {
  return open_cell(conn, name, HF_RAW_VALUE, typecode, &initial, cell);
}

void hf_cell_close(hf_cell *cell) {
  hf_object_close(HF_AS_OBJECT(cell));
}

hf_status hf_cell_get(hf_cell *cell, hf_value *value) {
  struct request request;
  Holdfast__ValueGet arm = HOLDFAST__VALUE_GET__INIT;
  request_of(&request, cell, OPERATION(VALUE_GET));
  request_wait(&request, HF_FOREVER);
  request_ask(&request, result_value, value, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_cell_get_int(hf_cell *cell, int64_t *integer) {
  struct request request;
  Holdfast__ValueGet arm = HOLDFAST__VALUE_GET__INIT;
  request_of(&request, cell, OPERATION(VALUE_GET));
  request_wait(&request, HF_FOREVER);
  request_ask(&request, result_int, integer, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_cell_get_float(hf_cell *cell, double *real) {
  struct request request;
  Holdfast__ValueGet arm = HOLDFAST__VALUE_GET__INIT;
  request_of(&request, cell, OPERATION(VALUE_GET));
  request_wait(&request, HF_FOREVER);
  request_ask(&request, result_float, real, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_cell_set(hf_cell *cell, hf_value value) {
  struct request request;
  Holdfast__ValueSet arm = HOLDFAST__VALUE_SET__INIT;
  request_of(&request, cell, OPERATION(VALUE_SET));
  request_wait(&request, HF_FOREVER);
  arm.value = request_value(&request, &value);
  return request_send(&request, &arm.base);
}

hf_status hf_cell_add(hf_cell *cell, hf_value amount, hf_value *sum) {
  struct request request;
  Holdfast__ValueAdd arm = HOLDFAST__VALUE_ADD__INIT;
  request_of(&request, cell, OPERATION(VALUE_ADD));
  request_wait(&request, HF_FOREVER);
  arm.amount = request_value(&request, &amount);
  request_result(&request, result_value, sum, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_cell_compare_and_set(hf_cell *cell, hf_value expected, hf_value desired, bool *swapped,
                                  hf_value *found) {
  struct request request;
  Holdfast__ValueCompareAndSet arm = HOLDFAST__VALUE_COMPARE_AND_SET__INIT;
  request_of(&request, cell, OPERATION(VALUE_COMPARE_AND_SET));
  request_wait(&request, HF_FOREVER);
  arm.expected = request_value(&request, &expected);
  arm.desired = request_value(&request, &desired);
  request_result(&request, result_exchange, swapped, found);
  return request_send(&request, &arm.base);
}

hf_status hf_cell_wait(hf_cell *cell, hf_value known, int64_t timeout_ms, hf_value *value) {
  struct request request;
  Holdfast__ValueWait arm = HOLDFAST__VALUE_WAIT__INIT;
  request_of(&request, cell, OPERATION(VALUE_WAIT));
  request_wait(&request, timeout_ms);
  arm.known = request_value(&request, &known);
  request_ask(&request, result_value, value, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_cell_lock(hf_cell *cell, int64_t timeout_ms) {
  return hf_lock_acquire((hf_lock *)cell, timeout_ms, NULL);
}

hf_status hf_cell_unlock(hf_cell *cell) {
  return hf_lock_release((hf_lock *)cell);
}
