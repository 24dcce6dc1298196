#include "client/src/call/request.h"

#include "client/src/call/sized.h"

void request_of_conn(struct request *request, hf_conn *conn, uint32_t operation) {
  request->conn = conn;
  request->envelope = (struct envelope){.timeout_ms = -1, .operation = operation};
  request->result = (struct result){.decode = reply_discard};
  request->wait_ms = 0;
  request->is_now = request->is_opening = request->is_submitted = false;
  request->needs_reply = request->outlives_call = false;
  request->retains = 0;
  request->reason = HF_REASON_NONE;
  request->value_count = 0;
  arena_init(&request->arena, HF_UNPACK_BYTES_MAX);
}

void request_of(struct request *request, const void *handle, uint32_t operation) {
  const struct hf_object *object = handle;
  request_of_conn(request, object->conn, operation);
  request->envelope.object = object->id;
}

void request_wait(struct request *request, int64_t timeout_ms) {
  request->wait_ms = timeout_ms;
  request->envelope.timeout_ms = timeout_ms;
  if (timeout_ms < 0 && timeout_ms != HF_FOREVER) {
    request->reason = HF_REASON_NEGATIVE_TIMEOUT;
  }
}

void request_result(struct request *request, result_decode decode, void *first, void *second) {
  request->result = (struct result){decode, first, second, 0};
  request->needs_reply = first != NULL || second != NULL;
}

void request_ask(struct request *request, result_decode decode, void *first, void *second) {
  request->result = (struct result){decode, first, second, 0};
  request->needs_reply = true;
}

Holdfast__Value *request_value(struct request *request, const hf_value *value) {
  Holdfast__Value *message = &request->values[request->value_count++];
  hf_reason reason = value_to_wire(value, &request->arena, message);
  if (reason != HF_REASON_NONE) {
    request->reason = reason;
  }
  return message;
}

Holdfast__Value *request_optional(struct request *request, const hf_value *value) {
  return value == NULL ? NULL : request_value(request, value);
}

static void *request_alloc(struct request *request, size_t count, size_t item_bytes) {
  if (count == 0 || request->reason != HF_REASON_NONE) {
    return NULL;
  }
  if (count > HF_FIELDS_MAX) {
    request->reason = HF_REASON_TOO_MANY_FIELDS;
    return NULL;
  }
  void *items = arena_alloc(&request->arena, count * item_bytes);
  if (items == NULL) {
    request->reason = HF_REASON_NO_MEMORY;
  }
  return items;
}

static void fill_value(struct request *request, const hf_value *value, Holdfast__Value *message) {
  hf_reason reason = value_to_wire(value, &request->arena, message);
  if (reason != HF_REASON_NONE) {
    request->reason = reason;
  }
}

Holdfast__Value **request_values(struct request *request, const hf_value *values, size_t count,
                                 size_t *message_count) {
  Holdfast__Value **pointers = request_alloc(request, count, sizeof(Holdfast__Value *));
  Holdfast__Value *messages = request_alloc(request, count, sizeof *messages);
  *message_count = messages == NULL ? 0 : count;
  for (size_t i = 0; i < *message_count; i++) {
    pointers[i] = &messages[i];
    fill_value(request, &values[i], &messages[i]);
  }
  return pointers;
}

Holdfast__Entry **request_entries(struct request *request, const struct hf_entry *entries,
                                  size_t count, size_t *message_count) {
  struct pair {
    Holdfast__Entry entry;
    Holdfast__Value key, value;
  };
  Holdfast__Entry **pointers = request_alloc(request, count, sizeof(Holdfast__Entry *));
  struct pair *pairs = request_alloc(request, count, sizeof *pairs);
  *message_count = pairs == NULL ? 0 : count;
  for (size_t i = 0; i < *message_count; i++) {
    pairs[i].entry = (Holdfast__Entry)HOLDFAST__ENTRY__INIT;
    pairs[i].entry.key = &pairs[i].key;
    pairs[i].entry.value = &pairs[i].value;
    pointers[i] = &pairs[i].entry;
    fill_value(request, &entries[i].key, &pairs[i].key);
    fill_value(request, &entries[i].value, &pairs[i].value);
  }
  return pointers;
}

Holdfast__Slice request_slice(struct hf_slice slice) {
  Holdfast__Slice message = HOLDFAST__SLICE__INIT;
  if (slice.start != HF_OMITTED) {
    message.first_case = HOLDFAST__SLICE__FIRST_START;
    message.start = slice.start;
  }
  if (slice.stop != HF_OMITTED) {
    message.last_case = HOLDFAST__SLICE__LAST_STOP;
    message.stop = slice.stop;
  }
  if (slice.step != HF_OMITTED) {
    message.stride_case = HOLDFAST__SLICE__STRIDE_STEP;
    message.step = slice.step;
  }
  return message;
}

void request_options(struct request *request, void *known, size_t known_size, const void *given,
                     size_t given_size) {
  if (!sized_take(known, known_size, given, given_size)) {
    request->reason = HF_REASON_BAD_ARGUMENT;
  }
}

/* ---------------------------------------------------------------- completing it */

void request_arm(struct request *request, const ProtobufCMessage *arm) {
  request->envelope.arm = arm;
  request->envelope.arm_len = protobuf_c_message_get_packed_size(arm);
}

void request_arm_packed(struct request *request, struct bytes arm) {
  request->envelope.packed = arm.data;
  request->envelope.arm_len = arm.len;
}

static bool is_too_big(const struct request *request) {
  return envelope_body_max(&request->envelope, HF_WINDOW_COUNT_MAX) >
         atomic_load_explicit(&request->conn->frame_bytes_max, memory_order_relaxed);
}

hf_status request_check(struct request *request) {
  if (request->reason == HF_REASON_NO_MEMORY && request->arena.refused) {
    request->reason = HF_REASON_TOO_MANY_FIELDS; /* the budget ran out, not the machine */
  }
  if (request->reason != HF_REASON_NONE) {
    return error_reason(request->reason);
  }
  return is_too_big(request) ? error_reason(HF_REASON_REQUEST_TOO_BIG) : HF_OK;
}
