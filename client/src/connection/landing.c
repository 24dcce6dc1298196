#include "client/src/connection/landing.h"

#include <errno.h>
#include <string.h>

#include "client/src/connection/reply.h"
#include "proto/holdfast_fields.h"
#include "proto/wire_field.h"

/* A shorter frame is received as a whole. */
#define LONG_FRAME_BYTES (64u << 10)
/* What is read of a frame that is expected to land. */
#define HEAD_BYTES (4u << 10)

/* The tag of a delimited field whose content ends with the reader. */
static bool is_last_field(struct wire_reader *reader, uint32_t number, size_t missing) {
  uint64_t tag, len;
  return wire_read_varint(reader, &tag) && tag == wire_tag(number, DELIMITED) &&
         wire_read_varint(reader, &len) && len == (uint64_t)(reader->end - reader->next) + missing;
}

/* Reads the head of a reply whose last `missing` bytes are not there yet.
 * out  content  the bytes of its value, as far as they are there */
static bool read_head(struct bytes payload, size_t missing, uint64_t *sequence,
                      struct bytes *content) {
  struct wire_reader reader = {payload.data, payload.data + payload.len};
  uint64_t tag;
  if (!wire_read_varint(&reader, &tag) || tag != wire_tag(HF_FIELD_RESPONSE_SEQUENCE, VARINT) ||
      !wire_read_varint(&reader, sequence) ||
      !is_last_field(&reader, HF_FIELD_RESPONSE_VALUE, missing) ||
      !is_last_field(&reader, HF_FIELD_VALUE_BYTES, missing)) {
    return false;
  }
  *content = bytes_of(reader.next, (size_t)(reader.end - reader.next));
  return true;
}

/* The slot of the landing's request; NULL: it was freed. */
static struct slot *find_slot(hf_conn *conn) {
  return conn->landing.sequence == 0
             ? NULL
             : window_find(&conn->window, conn->landing.id, conn->landing.sequence);
}

/* The result that takes the slot's reply; NULL: none any more. */
static struct result *result_of(const struct slot *slot) {
  return slot != NULL && slot->call != NULL ? &slot->call->result : NULL;
}

bool landing_begin(hf_conn *conn, struct bytes frame, size_t frame_len) {
  struct landing *landing = &conn->landing;
  size_t prefix_len = sp_prefix_bytes(conn->transport->framing), missing = frame_len - frame.len;
  struct bytes payload, content;
  struct sp_route route;
  landing->is_usual = false;
  if (frame_len < LONG_FRAME_BYTES || frame.len < prefix_len ||
      sp_route_read(bytes_of(frame.data + prefix_len, frame.len - prefix_len), &route, &payload) !=
          SP_OK ||
      !read_head(payload, missing, &landing->sequence, &content)) {
    return false;
  }
  landing->id = sp_route_id(&route);
  const struct slot *slot = find_slot(conn);
  const struct result *result = result_of(slot);
  bool is_sent = slot != conn->window.unsent || conn->window.unsent_offset == 0;
  if (result == NULL || !is_sent || !result->lands || result->size != content.len + missing) {
    return false;
  }
  memcpy(result->first, content.data, content.len);
  landing->left = missing;
  landing->is_usual = true;
  return true;
}

static void finish(hf_conn *conn) {
  Holdfast__Response reply = HOLDFAST__RESPONSE__INIT;
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  struct slot *slot = find_slot(conn);
  const struct result *result = result_of(slot);
  reply.sequence = conn->landing.sequence;
  reply.result_case = HOLDFAST__RESPONSE__RESULT_VALUE;
  reply.value = &value;
  value.kind_case = HOLDFAST__VALUE__KIND_BYTES;
  if (result != NULL) {
    value.bytes = (ProtobufCBinaryData){result->size, result->first};
  }
  conn->has_answered = true;
  conn->resend_count = 0;
  if (slot != NULL) {
    reply_finish(conn, slot, &reply, NULL);
  }
}

int landing_receive(hf_conn *conn) {
  struct landing *landing = &conn->landing;
  const struct result *result = result_of(find_slot(conn));
  uint8_t *to = conn->input; /* which is empty */
  size_t room = landing->left < conn->input_capacity ? landing->left : conn->input_capacity;
  if (result != NULL) {
    to = (uint8_t *)result->first + (result->size - landing->left);
    room = landing->left;
  }
  ssize_t received = link_recv(&conn->link, to, room);
  if (received <= 0) {
    return received == 0 ? ECONNRESET : errno;
  }
  landing->left -= (size_t)received;
  if (landing->left > 0) {
    return 0;
  }
  const struct slot *slot = find_slot(conn);
  if (slot != NULL && slot == conn->window.unsent && conn->window.unsent_offset > 0) {
    return EPROTO; /* its request is being sent again: the rest of it has to follow */
  }
  finish(conn);
  return 0;
}

size_t landing_room(const hf_conn *conn, size_t room) {
  return conn->landing.is_usual && room > HEAD_BYTES ? HEAD_BYTES : room;
}
