#include "server/connection/refusal.h"

#include "proto/wire.h"
#include "server/connection/set.h"
#include "server/users/users.h"

/* Of the body: enough for what a client without a session may ask. */
#define UNPACK_BYTES_MAX (64u << 10)

static void log_refused(struct connection *connection) {
  limited_log_line(&connection->set->limited_log, "connection refused connection=%llu why=\"%s\"",
                   (unsigned long long)connection->id, connection->refusal);
}

enum admission refusal_admit(struct connection *connection) {
  char sentence[USERS_SENTENCE_BYTES];
  struct bytes name;
  struct users *users = set_users(connection->set);
  enum admission admission = ADMISSION_REFUSED;
  if (users_find(users, connection->identity, &name, sentence)) {
    enum dispatch_connected connected =
        dispatch_connected(connection->set->dispatch, connection->id, connection->address,
                           connection->split.one_way, name);
    connection->announced = connected != DISPATCH_NOT_CONNECTED;
    connection->is_beyond_quota = connected == DISPATCH_BEYOND_QUOTA;
    admission = connection->announced ? ADMISSION_GRANTED : ADMISSION_FAILED;
  } else {
    connection->refusal = strdup(sentence);
    admission = connection->refusal != NULL ? ADMISSION_REFUSED : ADMISSION_FAILED;
  }
  users_release(users);
  if (admission == ADMISSION_REFUSED) {
    log_refused(connection);
  }
  return admission;
}

/* A client matches the reply by it. 0: the body is no request. */
static uint64_t sequence_of(struct bytes body) {
  struct arena arena;
  Holdfast__Request *request;
  arena_init(&arena, UNPACK_BYTES_MAX);
  bool unpacked = wire_unpack_request(body, &arena, &request) == HF_REASON_NONE;
  uint64_t sequence = unpacked ? request->sequence : 0;
  arena_deinit(&arena);
  return sequence;
}

static ProtobufCBinaryData text(const char *text) {
  return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

bool refusal_answer(struct connection *connection, const struct dispatch_message *message) {
  const enum sp_transport framing = connection->split.transport;
  const struct sp_route *route = &message->route;
  struct buffer *encoded = &connection->outbox.encoded;
  Holdfast__Response response = HOLDFAST__RESPONSE__INIT;
  response.sequence = sequence_of(message->body);
  response.status = HF_UNAUTHENTICATED;
  response.reason = text(hf_reason_name(HF_REASON_NOT_ADMITTED));
  response.message = text(connection->refusal);
  size_t body_len = holdfast__response__get_packed_size(&response);
  pthread_mutex_lock(&connection->lock);
  bool has_room = buffer_reserve(encoded, sp_prefix_bytes(framing) + route->len + body_len);
  if (has_room) {
    encoded->len += sp_prefix_write(framing, buffer_end(encoded), route->len + body_len);
    memcpy(buffer_end(encoded), route->words, route->len);
    encoded->len += route->len;
    encoded->len += holdfast__response__pack(&response, buffer_end(encoded));
  }
  pthread_mutex_unlock(&connection->lock);
  return has_room;
}
