/* Array and RawArray. Every call but len waits while another thread owns the Array's lock. */
#include <stdlib.h>

#include "client/src/mapped/mapped_lock.h"
#include "client/src/mapped/mapped_numbers.h"
#include "client/src/objects/cell_lock.h"
#include "client/src/objects/object.h"
#include "proto/limits.h"
#include "proto/range.h"

/* Packs elements as C has them. NULL and HF_REASON_NONE: no elements, or an unknown typecode, which
 * the server reports. */
static uint8_t *pack_elements(char typecode, const hf_value *values, size_t count,
                              hf_reason *reason) {
  const struct cell_type *type = cell_type_of(typecode);
  *reason = HF_REASON_NONE;
  if (values == NULL || count == 0 || type == NULL || count > HF_LENGTH_MAX) {
    return NULL;
  }
  uint8_t *elements = malloc(count * type->bytes);
  *reason = elements == NULL ? HF_REASON_NO_MEMORY : HF_REASON_NONE;
  for (size_t i = 0; *reason == HF_REASON_NONE && i < count; i++) {
    uint64_t bits;
    *reason = cell_bits(type, mapped_input(&values[i]), &bits);
    if (*reason == HF_REASON_NONE) {
      cell_write(type, elements, i, bits);
    }
  }
  return elements;
}

static hf_status open_array(hf_conn *conn, const char *name, hf_kind kind, bool is_volatile,
                            char typecode, size_t length, const hf_value *initial,
                            hf_array **array) {
  struct request request;
  Holdfast__ObjectOpen arm;
  object_open_of(&request, conn, &arm, name, kind);
  arm.typecode = (ProtobufCBinaryData){1, (uint8_t *)&typecode};
  arm.length = length;
  arm.is_volatile = is_volatile;
  hf_reason reason;
  uint8_t *elements = pack_elements(typecode, initial, length, &reason);
  if (elements != NULL) {
    arm.elements = (ProtobufCBinaryData){length * cell_element_bytes(typecode), elements};
  }
  if (request.reason == HF_REASON_NONE) {
    request.reason = reason;
  }
  hf_status status = object_open(&request, &arm, array);
  free(elements);
  return status;
}

hf_status hf_array_open(hf_conn *conn, const char *name, char typecode, size_t length,
                        const hf_value *initial, hf_array **array) {
  return open_array(conn, name, HF_ARRAY, false, typecode, length, initial, array);
}

hf_status hf_raw_array_open(hf_conn *conn, const char *name, char typecode, size_t length,
                            const hf_value *initial, hf_array **array) {
  return open_array(conn, name, HF_RAW_ARRAY, false, typecode, length, initial, array);
}

hf_status hf_array_open_volatile(hf_conn *conn, const char *name, char typecode, size_t length,
                                 const hf_value *initial, hf_array **array) {
  return open_array(conn, name, HF_ARRAY, true, typecode, length, initial, array);
}

hf_status hf_raw_array_open_volatile(hf_conn *conn, const char *name, char typecode, size_t length,
                                     const hf_value *initial, hf_array **array) {
  return open_array(conn, name, HF_RAW_ARRAY, true, typecode, length, initial, array);
}

void hf_array_close(hf_array *array) {
  hf_object_close(HF_AS_OBJECT(array));
}

void *hf_array_data(hf_array *array) {
  return mapped_cell_elements((hf_object *)array);
}

/* ---------------------------------------------------------------- mapped */

static hf_status output(hf_object *object, uint64_t bits, hf_value *value) {
  hf_reason reason = value == NULL ? HF_REASON_NONE : mapped_output(object, bits, value);
  return reason == HF_REASON_NONE ? HF_OK : error_reason(reason);
}

static hf_status leave(hf_object *object, hf_reason reason) {
  mapped_cell_leave(object);
  return reason == HF_REASON_NONE ? HF_OK : error_reason(reason);
}

static hf_reason find(const hf_object *object, int64_t index, size_t *position) {
  return list_position(object->mapped.count, index, position) ? HF_REASON_NONE
                                                              : HF_REASON_BAD_INDEX;
}

static hf_status get_mapped(hf_object *object, int64_t index, hf_value *value) {
  size_t position;
  uint64_t bits = 0;
  hf_reason reason = find(object, index, &position);
  if (reason == HF_REASON_NONE) {
    bits = cell_read(object->mapped.type, object->mapped.elements, position);
  }
  hf_status status = leave(object, reason);
  return status == HF_OK ? output(object, bits, value) : status;
}

static hf_status set_mapped(hf_object *object, int64_t index, const hf_value *value) {
  size_t position;
  uint64_t bits;
  hf_reason reason = find(object, index, &position);
  if (reason == HF_REASON_NONE) {
    reason = cell_bits(object->mapped.type, mapped_input(value), &bits);
  }
  if (reason == HF_REASON_NONE) {
    cell_write(object->mapped.type, object->mapped.elements, position, bits);
  }
  return leave(object, reason);
}

static hf_status add_mapped(hf_object *object, int64_t index, const hf_value *amount,
                            hf_value *sum) {
  size_t position;
  uint64_t bits = 0;
  hf_reason reason = find(object, index, &position);
  if (reason == HF_REASON_NONE) {
    reason = cell_add(object->mapped.type, object->mapped.elements, position,
                      object->kind == HF_ARRAY, mapped_input(amount), &bits);
  }
  hf_status status = leave(object, reason);
  return status == HF_OK ? output(object, bits, sum) : status;
}

static hf_reason range_of(const hf_object *object, struct hf_slice slice,
                          struct list_range *range) {
  return list_range_of(object->mapped.count, slice.start == HF_OMITTED ? NULL : &slice.start,
                       slice.stop == HF_OMITTED ? NULL : &slice.stop,
                       slice.step == HF_OMITTED ? NULL : &slice.step, range);
}

static size_t position_in(struct list_range range, size_t idx) {
  return (size_t)(range.start + (int64_t)idx * range.step);
}

static hf_status get_slice_mapped(hf_object *object, struct hf_slice slice, hf_value **values,
                                  size_t *count) {
  struct list_range range = {0};
  hf_value *made = NULL;
  hf_reason reason = range_of(object, slice, &range);
  if (reason == HF_REASON_NONE) {
    made = calloc(range.count > 0 ? range.count : 1, sizeof *made);
    reason = made != NULL ? HF_REASON_NONE : HF_REASON_NO_MEMORY;
  }
  for (size_t i = 0; reason == HF_REASON_NONE && i < range.count; i++) {
    uint64_t bits = cell_read(object->mapped.type, object->mapped.elements, position_in(range, i));
    reason = mapped_output(object, bits, &made[i]);
  }
  hf_status status = leave(object, reason);
  if (status != HF_OK) {
    hf_values_free(made, range.count);
    return status;
  }
  *values = made;
  *count = range.count;
  return HF_OK;
}

/* Writes all values or none. */
static hf_reason store_range(hf_object *object, struct list_range range, const hf_value *values) {
  uint64_t *bits = malloc(range.count * sizeof *bits + 1);
  hf_reason reason = bits != NULL ? HF_REASON_NONE : HF_REASON_NO_MEMORY;
  for (size_t i = 0; reason == HF_REASON_NONE && i < range.count; i++) {
    reason = cell_bits(object->mapped.type, mapped_input(&values[i]), &bits[i]);
  }
  for (size_t i = 0; reason == HF_REASON_NONE && i < range.count; i++) {
    cell_write(object->mapped.type, object->mapped.elements, position_in(range, i), bits[i]);
  }
  free(bits);
  return reason;
}

static hf_status set_slice_mapped(hf_object *object, struct hf_slice slice, const hf_value *values,
                                  size_t count) {
  struct list_range range;
  hf_reason reason = range_of(object, slice, &range);
  if (reason == HF_REASON_NONE && range.count != count) {
    reason = HF_REASON_BAD_SLICE;
  }
  if (reason == HF_REASON_NONE) {
    reason = store_range(object, range, values);
  }
  return leave(object, reason);
}

/* ---------------------------------------------------------------- calls */

hf_status hf_array_get(hf_array *array, int64_t index, hf_value *value) {
  struct request request;
  hf_status status;
  enum mapped_way way = mapped_cell_enter_call((hf_object *)array, &status);
  if (way != MAPPED_REQUEST) {
    return way == MAPPED_IN ? get_mapped((hf_object *)array, index, value) : status;
  }
  Holdfast__ArrayGet arm = HOLDFAST__ARRAY_GET__INIT;
  request_of(&request, array, OPERATION(ARRAY_GET));
  request_wait(&request, HF_FOREVER);
  arm.index = index;
  request_ask(&request, result_value, value, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_array_set(hf_array *array, int64_t index, hf_value value) {
  struct request request;
  hf_status status;
  enum mapped_way way = mapped_cell_enter_call((hf_object *)array, &status);
  if (way != MAPPED_REQUEST) {
    return way == MAPPED_IN ? set_mapped((hf_object *)array, index, &value) : status;
  }
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
  hf_status status;
  enum mapped_way way = mapped_cell_enter_call((hf_object *)array, &status);
  if (way != MAPPED_REQUEST) {
    return way == MAPPED_IN ? get_slice_mapped((hf_object *)array, slice, values, count) : status;
  }
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
  hf_status status;
  enum mapped_way way = mapped_cell_enter_call((hf_object *)array, &status);
  if (way != MAPPED_REQUEST) {
    return way == MAPPED_IN ? set_slice_mapped((hf_object *)array, slice, values, count) : status;
  }
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
  if (!mapped_cell_has_call_mode((hf_object *)array) &&
      mapped_cell_knows_count((hf_object *)array)) {
    *len = ((hf_object *)array)->mapped.count;
    return HF_OK;
  }
  Holdfast__ArrayLen arm = HOLDFAST__ARRAY_LEN__INIT;
  request_of(&request, array, OPERATION(ARRAY_LEN));
  request_ask(&request, result_count, len, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_array_add(hf_array *array, int64_t index, hf_value amount, hf_value *sum) {
  struct request request;
  hf_status status;
  enum mapped_way way = mapped_cell_enter_call((hf_object *)array, &status);
  if (way != MAPPED_REQUEST) {
    return way == MAPPED_IN ? add_mapped((hf_object *)array, index, &amount, sum) : status;
  }
  Holdfast__ArrayAdd arm = HOLDFAST__ARRAY_ADD__INIT;
  request_of(&request, array, OPERATION(ARRAY_ADD));
  request_wait(&request, HF_FOREVER);
  arm.index = index;
  arm.amount = request_value(&request, &amount);
  request_result(&request, result_value, sum, NULL);
  return request_send(&request, &arm.base);
}

hf_status hf_array_lock(hf_array *array, int64_t timeout_ms) {
  return cell_lock((hf_object *)array, timeout_ms, NULL);
}

hf_status hf_array_lock_with(hf_array *array, int64_t timeout_ms, struct hf_grant *grant) {
  return cell_lock((hf_object *)array, timeout_ms, grant);
}

bool hf_array_try_lock(hf_array *array) {
  return mapped_cell_try_lock((hf_object *)array);
}

bool hf_array_is_owned(hf_array *array) {
  return mapped_cell_is_owned((hf_object *)array);
}

hf_status hf_array_unlock(hf_array *array) {
  return cell_unlock((hf_object *)array);
}
