#include "client/src/objects/cell_exchange.h"

#include "client/src/mapped/mapped_numbers.h"
#include "client/src/objects/object.h"

struct exchange {
  struct steps steps; /* first */
  uint64_t cell;
  hf_value value;
  char byte; /* of a value that is one: the program's may be gone */
  hf_value found;
  bool is_swapped;
  struct exchanged to;
};

static void request_of_cell(struct request *request, const struct exchange *exchange,
                            uint32_t operation) {
  request_of_conn(request, exchange->steps.conn, operation);
  request->envelope.object = exchange->cell;
  request_wait(request, HF_FOREVER);
}

static hf_status send_get(struct exchange *exchange) {
  struct request request;
  Holdfast__ValueGet arm = HOLDFAST__VALUE_GET__INIT;
  request_of_cell(&request, exchange, OPERATION(VALUE_GET));
  request_ask(&request, result_value, &exchange->found, NULL);
  return steps_send(&exchange->steps, &request, &arm.base);
}

static hf_status send_compare_and_set(struct exchange *exchange) {
  struct request request;
  Holdfast__ValueCompareAndSet arm = HOLDFAST__VALUE_COMPARE_AND_SET__INIT;
  hf_value expected = exchange->found;
  exchange->found = hf_none();
  if (exchange->value.type == HF_TYPE_BYTES) {
    exchange->value = hf_bytes(&exchange->byte, 1);
  }
  request_of_cell(&request, exchange, OPERATION(VALUE_COMPARE_AND_SET));
  arm.expected = request_value(&request, &expected);
  arm.desired = request_value(&request, &exchange->value);
  request_ask(&request, result_exchange, &exchange->is_swapped, &exchange->found);
  hf_status status = steps_send(&exchange->steps, &request, &arm.base);
  value_forget(&expected); /* no cell's value has references */
  return status;
}

static hf_status step(struct steps *steps) {
  struct exchange *exchange = (struct exchange *)steps;
  if (steps->sent_count == 0) {
    return send_get(exchange);
  }
  return exchange->is_swapped ? HF_OK : send_compare_and_set(exchange);
}

static hf_status end(struct steps *steps, hf_status status) {
  struct exchange *exchange = (struct exchange *)steps;
  const struct exchanged *to = &exchange->to;
  if (status != HF_OK) {
    hf_value_clear(&exchange->found);
    return status;
  }
  if (to->value == NULL) {
    return mapped_take_number(&exchange->found, to->access, to->number);
  }
  *to->value = exchange->found;
  return HF_OK;
}

hf_status cell_exchange(hf_cell *cell, hf_value value, struct exchanged to) {
  static const struct steps_kind kind = {sizeof(struct exchange), step, NULL, end};
  struct exchange exchange = {.steps = {.kind = &kind, .conn = hf_object_conn(HF_AS_OBJECT(cell))},
                              .cell = hf_object_id(HF_AS_OBJECT(cell)),
                              .to = to};
  bool is_byte = value.type == HF_TYPE_BYTES && value.size == 1;
  exchange.byte = '\0';
  if (is_byte) {
    memcpy(&exchange.byte, value.bytes, 1);
  }
  /* No cell holds anything else: the server refuses none as it refuses that. */
  bool is_number = !value_is_absent(value_number(&value));
  exchange.value = is_byte || is_number ? value : hf_none();
  return steps_run(&exchange.steps);
}
