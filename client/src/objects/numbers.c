/* The functions that <holdfast/numbers.h> calls for elements that are not mapped. */
#include "client/src/mapped/mapped_lock.h"
#include "client/src/mapped/mapped_numbers.h"
#include "client/src/objects/cell_exchange.h"
#include "client/src/objects/object.h"

static bool is_value(const hf_object *object) {
  return object->kind == HF_VALUE || object->kind == HF_RAW_VALUE;
}

/* Makes an index that array functions don't count from the end. */
static int64_t index_of(size_t index) {
  return index <= INT64_MAX ? (int64_t)index : INT64_MAX;
}

static hf_status get(hf_object *object, size_t index, hf_value *value) {
  return is_value(object) ? hf_cell_get((hf_cell *)object, value)
                          : hf_array_get((hf_array *)object, index_of(index), value);
}

static hf_value number_of(int access, const void *number) {
  switch (access) {
    case HF_ACCESS_I32:
      return hf_int(*(const int32_t *)number);
    case HF_ACCESS_I64:
      return hf_int(*(const int64_t *)number);
    default:
      return hf_float(*(const double *)number);
  }
}

void hf_number_fail_index(void) {
  (void)error_reason(HF_REASON_BAD_INDEX);
}

hf_status hf_number_load(void *handle, size_t index, int access, void *number) {
  hf_value value;
  if (mapped_cell_has_call_mode(handle)) { /* the caller's copy of the number would be gone */
    return error_reason(HF_REASON_ALREADY_OPEN);
  }
  hf_status status = get(handle, index, &value);
  return status == HF_OK ? mapped_take_number(&value, access, number) : status;
}

hf_status hf_number_store(void *handle, size_t index, int access, const void *number) {
  hf_object *object = handle;
  hf_value value = number_of(access, number);
  return is_value(object) ? hf_cell_set(handle, value)
                          : hf_array_set(handle, index_of(index), value);
}

static hf_status submit_exchange(hf_cell *cell, hf_value value, struct exchanged to) {
  hf_status status;
  return mapped_cell_enter_call(HF_AS_OBJECT(cell), &status) == MAPPED_FAILED
             ? status
             : cell_exchange(cell, value, to);
}

hf_status hf_number_exchange(hf_cell *cell, int access, const void *number, void *previous) {
  hf_value value;
  if (steps_are_submitted(hf_object_conn(HF_AS_OBJECT(cell)))) {
    return submit_exchange(cell, number_of(access, number),
                           (struct exchanged){.number = previous, .access = access});
  }
  hf_status status = hf_cell_exchange(cell, number_of(access, number), &value);
  return status == HF_OK ? mapped_take_number(&value, access, previous) : status;
}

hf_status hf_number_add(void *handle, size_t index, int access, const void *amount, void *sum) {
  hf_object *object = handle;
  hf_value value, number = number_of(access, amount);
  if (mapped_cell_has_call_mode(object)) {
    return error_reason(HF_REASON_ALREADY_OPEN);
  }
  hf_status status = is_value(object) ? hf_cell_add(handle, number, &value)
                                      : hf_array_add(handle, index_of(index), number, &value);
  return status == HF_OK ? mapped_take_number(&value, access, sum) : status;
}
