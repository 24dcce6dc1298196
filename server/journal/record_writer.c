#include "server/journal/record_writer.h"

#include "proto/wire_field.h"
#include "server/engine/job.h"
#include "server/engine/operation.h"
#include "server/journal/checksum.h"

#include <string.h>

/* Room for the eight numbers of the header, which are written in front of the commands at last. */
#define HEADER_BYTES_MAX ((size_t)8 * VARINT_BYTES_MAX)
/* The fields of a command that have a known length, at most. */
#define COMMAND_BYTES_MAX ((size_t)256)
_Static_assert(sizeof(struct sp_route) + HF_SESSION_BYTES + 10 * VARINT_BYTES_MAX <= 256,
               "a request fits without its body");

/* Batches are bounded by the journal, and count against no connection's memory. */
static struct buffer_budget unbounded = {.bytes_max = SIZE_MAX};

/* A large buffer grows exactly by what it is asked for: here it doubles. */
static bool reserve(struct buffer *buffer, size_t room_bytes) {
  return buffer_room(buffer) >= room_bytes || buffer_reserve(buffer, room_bytes + buffer->len);
}

static void put_number(struct buffer *buffer, uint64_t number) {
  buffer->len += wire_write_varint(buffer_end(buffer), number);
}

static void put_raw(struct buffer *buffer, const void *data, size_t len) {
  if (len > 0) {
    memcpy(buffer_end(buffer), data, len);
    buffer->len += len;
  }
}

static void put_bytes(struct buffer *buffer, struct bytes bytes) {
  put_number(buffer, bytes.len);
  put_raw(buffer, bytes.data, bytes.len);
}

bool record_begin(struct batch_writer *writer, const struct batch_header *header) {
  if (!writer->bytes.budget) {
    buffer_init(&writer->bytes, &unbounded);
  }
  buffer_consume(&writer->bytes, writer->bytes.len);
  writer->header = *header;
  writer->commands = 0;
  writer->whole = bytes_of(NULL, 0);
  writer->last_ns = header->now_ns;
  if (!reserve(&writer->bytes, HEADER_BYTES_MAX)) {
    return false;
  }
  writer->bytes.len = HEADER_BYTES_MAX;
  return true;
}

void record_deinit(struct batch_writer *writer) {
  if (writer->bytes.budget) {
    buffer_deinit(&writer->bytes);
  }
  *writer = (struct batch_writer){0};
}

bool record_append_genesis(struct batch_writer *writer, const struct genesis *genesis) {
  struct buffer *bytes = &writer->bytes;
  if (!reserve(bytes, COMMAND_BYTES_MAX)) {
    return false;
  }
  put_number(bytes, RECORD_GENESIS << RECORD_FLAGS_BITS);
  put_number(bytes, 0);
  put_raw(bytes, genesis->hash_key, sizeof genesis->hash_key);
  put_number(bytes, genesis->first_object);
  put_number(bytes, genesis->first_token);
  put_number(bytes, genesis->start_ns);
  put_number(bytes, genesis->memory_bytes_max);
  writer->commands++;
  return true;
}

/* Bytes of the names and prefixes with their numbers, at most. */
static size_t users_bytes_max(const struct users_settings *settings) {
  size_t bytes = VARINT_BYTES_MAX;
  for (size_t i = 0; i < settings->count; i++) {
    const struct user_settings *user = &settings->users[i];
    bytes += user->name.len + (size_t)9 * VARINT_BYTES_MAX;
    for (size_t j = 0; j < user->rights_count; j++) {
      bytes += user->rights[j].prefix.len + (size_t)2 * VARINT_BYTES_MAX;
    }
  }
  return bytes;
}

static size_t command_bytes_max(const struct command *command) {
  switch (command->kind) {
    case COMMAND_REQUEST:
      return COMMAND_BYTES_MAX + command->request->body.len;
    case COMMAND_CONNECT:
      return COMMAND_BYTES_MAX + command->user.len;
    case COMMAND_USERS:
      return COMMAND_BYTES_MAX + users_bytes_max(command->users);
    default:
      return COMMAND_BYTES_MAX;
  }
}

static bool opens(const struct engine_request *request) {
  return request->operation && request->operation->flags & OPERATION_OPENS;
}

static unsigned flags_of(const struct command *command) {
  switch (command->kind) {
    case COMMAND_REQUEST:
      return (opens(command->request) ? RECORD_FLAG_ENTROPY : 0u) |
             (command->request->process ? RECORD_FLAG_PROCESS : 0u);
    case COMMAND_CONNECT:
      return command->one_way ? RECORD_FLAG_IS_SO : 0;
    case COMMAND_CROWDED:
      return command->is_crowded ? RECORD_FLAG_IS_SO : 0;
    case COMMAND_DISK:
      return command->is_full ? RECORD_FLAG_IS_SO : 0;
    default:
      return 0;
  }
}

static void put_request(struct buffer *bytes, const struct engine_request *request) {
  put_number(bytes, request->connection);
  put_bytes(bytes, bytes_of(request->route.words, request->route.len));
  if (opens(request)) {
    put_raw(bytes, request->entropy, sizeof request->entropy);
  }
  if (request->process) {
    put_number(bytes, wire_to_zigzag(request->process));
  }
  put_bytes(bytes, request->body);
}

static void put_user(struct buffer *bytes, const struct user_settings *user) {
  put_bytes(bytes, user->name);
  put_number(bytes, user->is_admin);
  put_number(bytes, user->limits.memory_bytes);
  put_number(bytes, user->limits.objects);
  put_number(bytes, user->limits.sessions);
  put_number(bytes, user->limits.connections);
  put_number(bytes, user->limits.waiting);
  put_number(bytes, user->limits.requests_per_s);
  put_number(bytes, user->rights_count);
  for (size_t i = 0; i < user->rights_count; i++) {
    put_bytes(bytes, user->rights[i].prefix);
    put_number(bytes, user->rights[i].access);
  }
}

static void put_users(struct buffer *bytes, const struct users_settings *settings) {
  put_number(bytes, settings->count);
  for (size_t i = 0; i < settings->count; i++) {
    put_user(bytes, &settings->users[i]);
  }
}

static void put_heard(struct buffer *bytes, const struct heard *heard, uint64_t now_ns) {
  put_number(bytes, heard->session);
  put_number(bytes, heard->requests);
  put_number(bytes, heard->acked);
  put_number(bytes, heard->highest);
  put_number(bytes, wire_to_zigzag((int64_t)(heard->heard_ns - now_ns)));
}

static void put_job(struct buffer *bytes, const struct job *job) {
  put_number(bytes, job->number);
  put_bytes(bytes, bytes_of_text(hf_reason_name(job->reason)));
}

static void put_content(struct buffer *bytes, const struct command *command, uint64_t now_ns) {
  switch (command->kind) {
    case COMMAND_REQUEST:
      put_request(bytes, command->request);
      break;
    case COMMAND_CONNECT:
      put_number(bytes, command->connection);
      put_number(bytes, command->address);
      put_bytes(bytes, command->user);
      break;
    case COMMAND_DISCONNECT:
      put_number(bytes, command->connection);
      break;
    case COMMAND_PROCESS_ENDED:
      put_number(bytes, command->session);
      break;
    case COMMAND_JOB_DONE:
      put_job(bytes, command->job);
      break;
    case COMMAND_FREED:
      put_number(bytes, command->freed_bytes);
      break;
    case COMMAND_USERS:
      put_users(bytes, command->users);
      break;
    case COMMAND_RESTART:
      put_number(bytes, command->memory_bytes_max);
      break;
    case COMMAND_HEARD:
      put_heard(bytes, command->heard, now_ns);
      break;
    case COMMAND_TICK:
    case COMMAND_CROWDED:
    case COMMAND_DRAIN:
    case COMMAND_DISK:
      break;
  }
}

bool record_append(struct batch_writer *writer, const struct command *command,
                   struct bytes answers) {
  struct buffer *bytes = &writer->bytes;
  if (!reserve(bytes, command_bytes_max(command) + answers.len)) {
    return false;
  }
  if (answers.len > 0) {
    put_number(bytes, RECORD_ANSWERS << RECORD_FLAGS_BITS);
    put_bytes(bytes, answers);
  }
  /* A time before the last command's counts as that, as in the engine. */
  uint64_t now_ns = command->now_ns > writer->last_ns ? command->now_ns : writer->last_ns;
  put_number(bytes,
             (uint64_t)record_kind_of(command->kind) << RECORD_FLAGS_BITS | flags_of(command));
  put_number(bytes, now_ns - writer->last_ns);
  put_content(bytes, command, now_ns);
  writer->last_ns = now_ns;
  writer->commands++;
  return true;
}

static bool end(struct batch_writer *writer) {
  if (!reserve(&writer->bytes, CHECKSUM_BYTES)) {
    return false;
  }
  uint8_t header[HEADER_BYTES_MAX], *end = header;
  end += wire_write_varint(end, RECORD_VERSION);
  end += wire_write_varint(end, writer->header.engine);
  end += wire_write_varint(end, writer->header.epoch);
  end += wire_write_varint(end, writer->header.index);
  end += wire_write_varint(end, writer->header.now_ns);
  end += wire_write_varint(end, writer->header.digest);
  end += wire_write_varint(end, writer->header.memory);
  end += wire_write_varint(end, writer->commands);
  size_t header_len = (size_t)(end - header);
  uint8_t *start = buffer_first(&writer->bytes) + HEADER_BYTES_MAX - header_len;
  memcpy(start, header, header_len);
  struct bytes content = bytes_of(start, (size_t)(buffer_end(&writer->bytes) - start));
  checksum_write(buffer_end(&writer->bytes), content, 0);
  writer->whole = bytes_of(start, content.len + CHECKSUM_BYTES);
  return true;
}

bool record_end(struct batch_writer *writer, struct bytes *batch) {
  bool is_whole = writer->whole.len > 0 || end(writer);
  *batch = writer->whole;
  return is_whole;
}
