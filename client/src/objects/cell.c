/* Value and RawValue. Every call waits while another thread owns the Value's lock. */
#include "client/src/mapped/mapped_numbers.h"
#include "client/src/mapped/mapped_wait.h"
#include "client/src/objects/cell_exchange.h"
#include "client/src/objects/cell_lock.h"
#include "client/src/objects/object.h"

static hf_status open_cell(hf_conn *conn, const char *name, hf_kind kind, bool is_volatile,
                           char typecode, const hf_value *initial, hf_cell **cell) {
  struct request request;
  Holdfast__ObjectOpen arm;
  object_open_of(&request, conn, &arm, name, kind);
  arm.typecode = (ProtobufCBinaryData){1, (uint8_t *)&typecode};
  arm.is_volatile = is_volatile;
  if (initial->type != HF_TYPE_NONE) {
    arm.initial = request_values(&request, initial, 1, &arm.n_initial);
  }
  return object_open(&request, &arm, cell);
}

hf_status hf_cell_open(hf_conn *conn, const char *name, char typecode, hf_value initial,
                       hf_cell **cell) {
  return open_cell(conn, name, HF_VALUE, false, typecode, &initial, cell);
}

hf_status hf_raw_cell_open(hf_conn *conn, const char *name, char typecode, hf_value initial,
                           hf_cell **cell) {
  return open_cell(conn, name, HF_RAW_VALUE, false, typecode, &initial, cell);
}

hf_status hf_cell_open_volatile(hf_conn *conn, const char *name, char typecode, hf_value initial,
                                hf_cell **cell) {
  return open_cell(conn, name, HF_VALUE, true, typecode, &initial, cell);
}

hf_status hf_raw_cell_open_volatile(hf_conn *conn, const char *name, char typecode,
                                    hf_value initial, hf_cell **cell) {
  return open_cell(conn, name, HF_RAW_VALUE, true, typecode, &initial, cell);
}

void hf_cell_close(hf_cell *cell) {
  hf_object_close(HF_AS_OBJECT(cell));
}

void *hf_cell_data(hf_cell *cell) {
  return mapped_cell_elements((hf_object *)cell);
}

/* ---------------------------------------------------------------- mapped */

static uint64_t read_bits(const hf_object *object) {
  return cell_read(object->mapped.type, object->mapped.elements, 0);
}

static bool is_locked(const hf_object *object) {
  return object->kind == HF_VALUE;
}

/* Ends an access that wrote, or failed to. */
static hf_status leave_written(hf_object *object, hf_reason reason) {
  if (reason == HF_REASON_NONE) {
    mapped_cell_leave_changed(object);
    return HF_OK;
  }
  mapped_cell_leave(object);
  return error_reason(reason);
}

static hf_status output(hf_object *object, uint64_t bits, hf_value *value) {
  hf_reason reason = value == NULL ? HF_REASON_NONE : mapped_output(object, bits, value);
  return reason == HF_REASON_NONE ? HF_OK : error_reason(reason);
}

static hf_status get_mapped(hf_object *object, hf_value *value) {
  uint64_t bits = read_bits(object);
  mapped_cell_leave(object);
  return output(object, bits, value);
}

static hf_status get_number_mapped(hf_object *object, int access, void *number) {
  hf_value value;
  hf_status status = get_mapped(object, &value);
  return status == HF_OK ? mapped_take_number(&value, access, number) : status;
}

static hf_status set_mapped(hf_object *object, const hf_value *value) {
  uint64_t bits;
  hf_reason reason = cell_bits(object->mapped.type, mapped_input(value), &bits);
  if (reason == HF_REASON_NONE) {
    cell_write(object->mapped.type, object->mapped.elements, 0, bits);
  }
  return leave_written(object, reason);
}

static hf_status add_mapped(hf_object *object, const hf_value *amount, hf_value *sum) {
  uint64_t bits;
  hf_reason reason = cell_add(object->mapped.type, object->mapped.elements, 0, is_locked(object),
                              mapped_input(amount), &bits);
  hf_status status = leave_written(object, reason);
  return status == HF_OK ? output(object, bits, sum) : status;
}

static hf_status compare_and_set_mapped(hf_object *object, const hf_value *expected,
                                        const hf_value *desired, bool *swapped, hf_value *found) {
  uint64_t bits;
  bool is_swapped;
  hf_reason reason =
      cell_compare_and_set(object->mapped.type, object->mapped.elements, 0, is_locked(object),
                           mapped_input(expected), mapped_input(desired), &is_swapped, &bits);
  hf_status status = HF_OK;
  if (reason == HF_REASON_NONE && !is_swapped) {
    mapped_cell_leave(object);
  } else {
    status = leave_written(object, reason);
  }
  if (status == HF_OK && swapped != NULL) {
    *swapped = is_swapped;
  }
  return status == HF_OK ? output(object, bits, found) : status;
}

static hf_status exchange_mapped(hf_object *object, const hf_value *value, hf_value *previous) {
  uint64_t bits, found = read_bits(object);
  hf_reason reason = cell_bits(object->mapped.type, mapped_input(value), &bits);
  while (reason == HF_REASON_NONE &&
         !cell_replace(object->mapped.type, object->mapped.elements, 0, found, bits)) {
    found = read_bits(object);
  }
  hf_status status = leave_written(object, reason);
  return status == HF_OK ? output(object, found, previous) : status;
}

/* ---------------------------------------------------------------- calls */

hf_status hf_cell_get(hf_cell *cell, hf_value *value) {
  struct request request;
  hf_status status;
  enum mapped_way way = mapped_cell_enter_call((hf_object *)cell, &status);
  if (way != MAPPED_REQUEST) {
    return way == MAPPED_IN ? get_mapped((hf_object *)cell, value) : status;
  }
  Holdfast__ValueGet arm = HOLDFAST__VALUE_GET__INIT;
  request_of(&request, cell, OPERATION(VALUE_GET));
  request_wait(&request, HF_FOREVER);
  request_ask(&request, result_value, value, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_cell_get_int(hf_cell *cell, int64_t *integer) {
  struct request request;
  hf_status status;
  enum mapped_way way = mapped_cell_enter_call((hf_object *)cell, &status);
  if (way != MAPPED_REQUEST) {
    return way == MAPPED_IN ? get_number_mapped((hf_object *)cell, HF_ACCESS_I64, integer) : status;
  }
  Holdfast__ValueGet arm = HOLDFAST__VALUE_GET__INIT;
  request_of(&request, cell, OPERATION(VALUE_GET));
  request_wait(&request, HF_FOREVER);
  request_ask(&request, result_int, integer, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_cell_get_float(hf_cell *cell, double *real) {
  struct request request;
  hf_status status;
  enum mapped_way way = mapped_cell_enter_call((hf_object *)cell, &status);
  if (way != MAPPED_REQUEST) {
    return way == MAPPED_IN ? get_number_mapped((hf_object *)cell, HF_ACCESS_F64, real) : status;
  }
  Holdfast__ValueGet arm = HOLDFAST__VALUE_GET__INIT;
  request_of(&request, cell, OPERATION(VALUE_GET));
  request_wait(&request, HF_FOREVER);
  request_ask(&request, result_float, real, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_cell_set(hf_cell *cell, hf_value value) {
  struct request request;
  hf_status status;
  enum mapped_way way = mapped_cell_enter_call((hf_object *)cell, &status);
  if (way != MAPPED_REQUEST) {
    return way == MAPPED_IN ? set_mapped((hf_object *)cell, &value) : status;
  }
  Holdfast__ValueSet arm = HOLDFAST__VALUE_SET__INIT;
  request_of(&request, cell, OPERATION(VALUE_SET));
  request_wait(&request, HF_FOREVER);
  arm.value = request_value(&request, &value);
  return request_send(&request, &arm.base);
}

/* sum: of the decoder's type */
static hf_status add_remote(hf_cell *cell, hf_value amount, result_decode decode, void *sum) {
  struct request request;
  Holdfast__ValueAdd arm = HOLDFAST__VALUE_ADD__INIT;
  request_of(&request, cell, OPERATION(VALUE_ADD));
  request_wait(&request, HF_FOREVER);
  arm.amount = request_value(&request, &amount);
  request_result(&request, decode, sum, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_cell_add(hf_cell *cell, hf_value amount, hf_value *sum) {
  hf_status status;
  switch (mapped_cell_enter_call((hf_object *)cell, &status)) {
    case MAPPED_IN:
      return add_mapped((hf_object *)cell, &amount, sum);
    case MAPPED_REQUEST:
      return add_remote(cell, amount, result_value, sum);
    default:
      return status;
  }
}

/* Integers of 4 and 8 bytes. false: not performed. */
static inline bool add_quickly(const hf_object *object, int64_t amount, int64_t *sum) {
  const struct cell_type *type = object->mapped.type;
  if (type->bytes == sizeof(int64_t) && type->min < 0) {
    volatile int64_t *element = object->mapped.elements;
    bool fits = !__builtin_add_overflow(*element, amount, sum);
    if (fits) {
      *element = *sum;
    }
    return fits;
  }
  if (type->bytes == sizeof(int32_t) && type->min < 0) {
    volatile int32_t *element = object->mapped.elements;
    int32_t total;
    bool fits = !__builtin_add_overflow(*element, amount, &total);
    if (fits) {
      *sum = *element = total;
    }
    return fits;
  }
  return false;
}

static hf_status submit_add_int(hf_object *object, int64_t amount, int64_t *sum) {
  hf_status status;
  return mapped_cell_enter_call(object, &status) == MAPPED_FAILED
             ? status
             : add_remote((hf_cell *)object, hf_int(amount), result_int, sum);
}

hf_status hf_cell_add_int(hf_cell *cell, int64_t amount, int64_t *sum) {
  hf_object *object = (hf_object *)cell;
  int64_t total;
  hf_value value;
  if (mapped_cell_enter_quickly(object)) {
    if (add_quickly(object, amount, &total)) {
      mapped_cell_leave_changed(object);
      if (sum != NULL) {
        *sum = total;
      }
      return HF_OK;
    }
    mapped_cell_leave(object);
  }
  if (sum == NULL) {
    return hf_cell_add(cell, hf_int(amount), NULL);
  }
  if (mapped_cell_has_call_mode(object)) {
    return steps_are_submitted(object->conn) ? submit_add_int(object, amount, sum)
                                             : error_reason(HF_REASON_ALREADY_OPEN);
  }
  hf_status status = hf_cell_add(cell, hf_int(amount), &value);
  return status == HF_OK ? mapped_take_number(&value, HF_ACCESS_I64, sum) : status;
}

hf_status hf_cell_compare_and_set(hf_cell *cell, hf_value expected, hf_value desired, bool *swapped,
                                  hf_value *found) {
  struct request request;
  hf_status status;
  enum mapped_way way = mapped_cell_enter_call((hf_object *)cell, &status);
  if (way != MAPPED_REQUEST) {
    return way == MAPPED_IN
               ? compare_and_set_mapped((hf_object *)cell, &expected, &desired, swapped, found)
               : status;
  }
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
  hf_status status = HF_OK;
  enum mapped_way way = mapped_cell_wait((hf_object *)cell, &known, &timeout_ms, value, &status);
  if (way != MAPPED_REQUEST) {
    return status;
  }
  Holdfast__ValueWait arm = HOLDFAST__VALUE_WAIT__INIT;
  request_of(&request, cell, OPERATION(VALUE_WAIT));
  request_wait(&request, timeout_ms);
  arm.known = request_value(&request, &known);
  request_ask(&request, result_value, value, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_cell_exchange(hf_cell *cell, hf_value value, hf_value *previous) {
  hf_status status;
  if (mapped_cell_has_call_mode((hf_object *)cell) &&
      !steps_are_submitted(((hf_object *)cell)->conn)) {
    return error_reason(HF_REASON_ALREADY_OPEN);
  }
  switch (mapped_cell_enter_call((hf_object *)cell, &status)) {
    case MAPPED_IN:
      return exchange_mapped((hf_object *)cell, &value, previous);
    case MAPPED_REQUEST:
      return cell_exchange(cell, value, (struct exchanged){.value = previous});
    default:
      return status;
  }
}

hf_status hf_cell_lock(hf_cell *cell, int64_t timeout_ms) {
  return cell_lock((hf_object *)cell, timeout_ms, NULL);
}

hf_status hf_cell_lock_with(hf_cell *cell, int64_t timeout_ms, struct hf_grant *grant) {
  return cell_lock((hf_object *)cell, timeout_ms, grant);
}

void hf_cell_changed(hf_cell *cell) {
  mapped_cell_changed((hf_object *)cell);
}

bool hf_cell_try_lock(hf_cell *cell) {
  return mapped_cell_try_lock((hf_object *)cell);
}

bool hf_cell_is_owned(hf_cell *cell) {
  return mapped_cell_is_owned((hf_object *)cell);
}

hf_status hf_cell_unlock(hf_cell *cell) {
  return cell_unlock((hf_object *)cell);
}
