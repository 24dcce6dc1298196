/* See holdfast_raw.h.
 *
 *   prefix | id word | 10 sequence, five bytes | 18 acked, five bytes | the packed rest, with the
 * key
 *
 * Each connection opens a session and promises exactly once, as the client library does. A request
 * is packed once by protobuf-c; sequence and acked are varints stretched to five bytes so that they
 * can be overwritten in place, and so are the key's digits.
 */
#define _GNU_SOURCE
#include "tests/bench/holdfast_raw.h"

#include "proto/holdfast.pb-c.h"
#include "proto/holdfast_fields.h"
#include "proto/sp.h"
#include "proto/wire_field.h"
#include "tests/bench/library.h"
#include "tests/bench/process.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define SEQUENCE_BYTES 5
/* Two tags and two stretched numbers. */
#define NUMBERS_BYTES (2 * (1 + SEQUENCE_BYTES))

struct request_template {
  uint8_t data[LOADGEN_REQUEST_BYTES_MAX];
  size_t len;
  size_t id_offset, numbers_offset;
  size_t key_offset; /* 0: none */
};

struct holdfast_dialog {
  enum sp_transport transport;
  uint32_t sequence; /* of the last request */
  uint32_t checked;  /* of the last reply: they come in order */
  uint32_t random;
  unsigned template_count, turn; /* queue: put and get take turns */
  struct request_template templates[2];
};

const char *holdfast_raw_address(const char *url) {
  return strstr(url, "://") + 3;
}

static void write_stretched(uint8_t *out, uint32_t number) {
  for (int i = 0; i < SEQUENCE_BYTES; i++, number >>= 7)
    out[i] = (uint8_t)((number & 0x7f) | (i + 1 < SEQUENCE_BYTES ? 0x80 : 0));
}

static void build_template(enum sp_transport transport, const Holdfast__Request *request,
                           struct request_template *out) {
  size_t packed_len = holdfast__request__get_packed_size(request);
  if (packed_len > sizeof(out->data) - 64)
    bench_fail("request too long");
  memset(out, 0, sizeof(*out));
  out->id_offset = sp_prefix_write(transport, out->data, 4 + NUMBERS_BYTES + packed_len);
  out->numbers_offset = out->id_offset + 4;
  size_t packed_offset = out->numbers_offset + NUMBERS_BYTES;
  out->len = packed_offset + holdfast__request__pack(request, out->data + packed_offset);
  const uint8_t *key = memmem(out->data, out->len, bench_key(0), BENCH_KEY_BYTES);
  out->key_offset = key == NULL ? 0 : (size_t)(key - out->data);
}

static void patch_template(struct request_template *request, uint32_t sequence, uint32_t acked) {
  uint32_t id = htonl(0x80000000u | sequence);
  memcpy(request->data + request->id_offset, &id, sizeof(id));
  uint8_t *numbers = request->data + request->numbers_offset;
  numbers[0] = (uint8_t)wire_tag(HF_FIELD_REQUEST_SEQUENCE, VARINT);
  write_stretched(numbers + 1, sequence);
  numbers[1 + SEQUENCE_BYTES] = (uint8_t)wire_tag(HF_FIELD_REQUEST_ACKED, VARINT);
  write_stretched(numbers + 2 + SEQUENCE_BYTES, acked);
}

/* Response.sequence is first where it is not 0, Response.status next where it is not OK. */
static bool reply_is_ok(struct bytes payload, uint32_t sequence) {
  struct wire_reader reader = {payload.data, payload.data + payload.len};
  struct wire_field field = {0};
  if (sequence != 0 && (!wire_read_field(&reader, &field) ||
                        field.number != HF_FIELD_RESPONSE_SEQUENCE || field.integer != sequence))
    return false;
  return reader.next == reader.end || *reader.next != wire_tag(HF_FIELD_RESPONSE_STATUS, VARINT);
}

/* Sends one request that is not part of the measurement and unpacks its reply. */
static Holdfast__Response *call(struct holdfast_dialog *dialog, int fd,
                                const Holdfast__Request *request) {
  struct request_template built;
  uint8_t reply[LOADGEN_REPLY_BYTES_MAX];
  struct bytes body, payload;
  struct sp_route route;
  size_t prefix_len = sp_prefix_bytes(dialog->transport), used = 0, needed = prefix_len;
  build_template(dialog->transport, request, &built);
  patch_template(&built, dialog->sequence, dialog->checked);
  socket_send(fd, built.data, built.len);
  socket_receive(fd, reply, prefix_len);
  struct bytes input = bytes_of(reply, prefix_len);
  if (sp_frame_read(dialog->transport, input, sizeof(reply) - prefix_len, &body, &used, &needed) !=
          SP_MORE ||
      needed > sizeof(reply))
    bench_fail("holdfast: bad reply");
  socket_receive(fd, reply + prefix_len, needed - prefix_len);
  input.len = needed;
  if (sp_frame_read(dialog->transport, input, needed, &body, &used, &needed) != SP_OK ||
      sp_route_read(body, &route, &payload) != SP_OK)
    bench_fail("holdfast: bad reply");
  Holdfast__Response *response = holdfast__response__unpack(NULL, payload.len, payload.data);
  if (response == NULL || response->status != 0)
    bench_fail("holdfast: a request was refused: %.*s",
               response == NULL ? 0 : (int)response->reason.len,
               response == NULL ? "" : (const char *)response->reason.data);
  dialog->checked = dialog->sequence;
  return response;
}

static void open_session(struct holdfast_dialog *dialog, int fd) {
  uint8_t hello[SP_HELLO_BYTES];
  uint16_t peer;
  sp_hello_write(hello, SP_REQ);
  socket_send(fd, hello, sizeof(hello));
  socket_receive(fd, hello, sizeof(hello));
  if (sp_hello_read(hello, &peer) != SP_OK || peer != SP_REP)
    bench_fail("holdfast: not a holdfast server");
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__OpenSession open = HOLDFAST__OPEN_SESSION__INIT;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OPEN_SESSION;
  request.open_session = &open;
  holdfast__response__free_unpacked(call(dialog, fd, &request), NULL);
}

static uint64_t open_object(struct holdfast_dialog *dialog, int fd, enum bench_op op) {
  static const Holdfast__Kind kinds[] = {HOLDFAST__KIND__DICT, HOLDFAST__KIND__DICT,
                                         HOLDFAST__KIND__LIST, HOLDFAST__KIND__QUEUE};
  const char *name = library_object_name(op);
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__ObjectOpen open = HOLDFAST__OBJECT_OPEN__INIT;
  open.kind = kinds[op];
  open.name.data = (uint8_t *)(uintptr_t)name;
  open.name.len = strlen(name);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN;
  request.object_open = &open;
  dialog->sequence++;
  Holdfast__Response *response = call(dialog, fd, &request);
  if (response->result_case != HOLDFAST__RESPONSE__RESULT_OBJECT)
    bench_fail("holdfast: ObjectOpen answered no object");
  uint64_t id = response->object->id;
  holdfast__response__free_unpacked(response, NULL);
  return id;
}

static void build_templates(struct holdfast_dialog *dialog, uint64_t object, enum bench_op op) {
  Holdfast__Value key = HOLDFAST__VALUE__INIT, value = HOLDFAST__VALUE__INIT;
  Holdfast__DictGet get = HOLDFAST__DICT_GET__INIT;
  Holdfast__DictSet set = HOLDFAST__DICT_SET__INIT;
  Holdfast__ListAppend append = HOLDFAST__LIST_APPEND__INIT;
  Holdfast__QueuePut put = HOLDFAST__QUEUE_PUT__INIT;
  Holdfast__QueueGet take = HOLDFAST__QUEUE_GET__INIT;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  key.kind_case = HOLDFAST__VALUE__KIND_TEXT;
  key.text.data = (uint8_t *)(uintptr_t)bench_key(0);
  key.text.len = BENCH_KEY_BYTES;
  value.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  value.integer = LIBRARY_VALUE;
  get.key = set.key = &key;
  set.value = append.value = put.value = &value;
  request.target_case = HOLDFAST__REQUEST__TARGET_OBJECT;
  request.object = object;
  request.wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS; /* 0 */
  static const Holdfast__Request__OperationCase cases[] = {
      HOLDFAST__REQUEST__OPERATION_DICT_GET, HOLDFAST__REQUEST__OPERATION_DICT_SET,
      HOLDFAST__REQUEST__OPERATION_LIST_APPEND, HOLDFAST__REQUEST__OPERATION_QUEUE_PUT};
  request.operation_case = cases[op];
  if (op == BENCH_GET)
    request.dict_get = &get;
  else if (op == BENCH_SET)
    request.dict_set = &set;
  else if (op == BENCH_APPEND)
    request.list_append = &append;
  else
    request.queue_put = &put;
  build_template(dialog->transport, &request, &dialog->templates[0]);
  dialog->template_count = 1;
  if (op != BENCH_QUEUE)
    return;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_QUEUE_GET;
  request.queue_get = &take;
  build_template(dialog->transport, &request, &dialog->templates[1]);
  dialog->template_count = 2;
}

static void open_holdfast(void *context, int fd, enum bench_transport transport, enum bench_op op) {
  struct holdfast_dialog *dialog = context;
  dialog->transport = transport == BENCH_TCP ? SP_TCP : SP_IPC;
  dialog->random = 1 + (uint32_t)fd;
  open_session(dialog, fd);
  build_templates(dialog, open_object(dialog, fd, op), op);
}

static const uint8_t *next_holdfast(void *context, size_t *len) {
  struct holdfast_dialog *dialog = context;
  struct request_template *request = &dialog->templates[dialog->turn++ % dialog->template_count];
  patch_template(request, ++dialog->sequence, dialog->checked);
  if (request->key_offset != 0)
    memcpy(request->data + request->key_offset,
           bench_key(bench_random(&dialog->random) % BENCH_KEY_COUNT), BENCH_KEY_BYTES);
  *len = request->len;
  return request->data;
}

static ssize_t check_holdfast(void *context, const uint8_t *data, size_t len) {
  struct holdfast_dialog *dialog = context;
  struct bytes body, payload;
  struct sp_route route;
  size_t used, needed;
  enum sp_result result = sp_frame_read(dialog->transport, bytes_of(data, len),
                                        LOADGEN_REPLY_BYTES_MAX, &body, &used, &needed);
  if (result == SP_MORE)
    return 0;
  if (result != SP_OK || sp_route_read(body, &route, &payload) != SP_OK)
    return -1;
  uint32_t expected = ++dialog->checked;
  bool ours = sp_route_id(&route) == expected;
  return ours && reply_is_ok(payload, expected) ? (ssize_t)used : -1;
}

static void close_holdfast(void *context, int fd) {
  struct holdfast_dialog *dialog = context;
  Holdfast__Request request = HOLDFAST__REQUEST__INIT;
  Holdfast__CloseSession bye = HOLDFAST__CLOSE_SESSION__INIT;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_CLOSE_SESSION;
  request.close_session = &bye;
  dialog->sequence++;
  holdfast__response__free_unpacked(call(dialog, fd, &request), NULL);
}

const struct loadgen_protocol holdfast_raw_protocol = {
    .name = "holdfast",
    .dialog_bytes = sizeof(struct holdfast_dialog),
    .open = open_holdfast,
    .next = next_holdfast,
    .check = check_holdfast,
    .close = close_holdfast,
};
