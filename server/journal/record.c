#include "server/journal/record.h"

#include "proto/wire_field.h"
#include "server/engine/job.h"
#include "server/engine/operation.h"
#include "server/journal/checksum.h"

#include <stdlib.h>
#include <string.h>

/* Room for the eight numbers of the header, which are written in front of the commands at last. */
#define HEADER_BYTES_MAX ((size_t)8 * VARINT_BYTES_MAX)
/* The fields of a command that have a known length, at most. */
#define COMMAND_BYTES_MAX ((size_t)256)
_Static_assert(sizeof(struct sp_route) + HF_SESSION_BYTES + 10 * VARINT_BYTES_MAX <= 256,
               "a request fits without its body");
#define USER_BYTES_MIN 9 /* its numbers, all 0 */
#define RIGHT_BYTES_MIN 2

/* Kinds in a batch: numbers are only ever added. */
enum record_kind {
  RECORD_GENESIS = 0,
  RECORD_REQUEST = 1,
  RECORD_TICK = 2,
  RECORD_CONNECT = 3,
  RECORD_DISCONNECT = 4,
  RECORD_PROCESS_ENDED = 5,
  RECORD_JOB_DONE = 6,
  RECORD_FREED = 7,
  RECORD_CROWDED = 8,
  RECORD_DRAIN = 9,
  RECORD_USERS = 10,
  RECORD_RESTART = 11,
  RECORD_DISK = 12,
  RECORD_HEARD = 13,
  RECORD_ANSWERS = 14, /* no command: belongs to the next one */
};

/* The first number of a command is its kind times 8, and these. */
enum record_flag {
  FLAG_IS_SO = 1,   /* CROWDED, DISK; CONNECT: one way */
  FLAG_ENTROPY = 2, /* REQUEST: it has some */
  FLAG_PROCESS = 4, /* REQUEST: it names one */
};

#define FLAGS_BITS 3

static const uint8_t kind_of_command[] = {
    [COMMAND_REQUEST] = RECORD_REQUEST,
    [COMMAND_TICK] = RECORD_TICK,
    [COMMAND_CONNECT] = RECORD_CONNECT,
    [COMMAND_DISCONNECT] = RECORD_DISCONNECT,
    [COMMAND_PROCESS_ENDED] = RECORD_PROCESS_ENDED,
    [COMMAND_JOB_DONE] = RECORD_JOB_DONE,
    [COMMAND_FREED] = RECORD_FREED,
    [COMMAND_CROWDED] = RECORD_CROWDED,
    [COMMAND_DRAIN] = RECORD_DRAIN,
    [COMMAND_USERS] = RECORD_USERS,
    [COMMAND_RESTART] = RECORD_RESTART,
    [COMMAND_DISK] = RECORD_DISK,
    [COMMAND_HEARD] = RECORD_HEARD,
};
#define COMMAND_KINDS (sizeof kind_of_command)

/* Batches are bounded by the journal, and count against no connection's memory. */
static struct buffer_budget unbounded = {.bytes_max = SIZE_MAX};

static const char damaged[] = "its bytes are damaged";
static const char senseless[] = "what it has is no command";
static const char newer[] =
    "it is of a newer format than this server reads; use the version that wrote it";
static const char no_memory[] = "there is not enough memory";

/* ---- writing */

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
  put_number(bytes, RECORD_GENESIS << FLAGS_BITS);
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
      return (opens(command->request) ? FLAG_ENTROPY : 0u) |
             (command->request->process ? FLAG_PROCESS : 0u);
    case COMMAND_CONNECT:
      return command->one_way ? FLAG_IS_SO : 0;
    case COMMAND_CROWDED:
      return command->is_crowded ? FLAG_IS_SO : 0;
    case COMMAND_DISK:
      return command->is_full ? FLAG_IS_SO : 0;
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
    put_number(bytes, RECORD_ANSWERS << FLAGS_BITS);
    put_bytes(bytes, answers);
  }
  /* A time before the last command's counts as that, as in the engine. */
  uint64_t now_ns = command->now_ns > writer->last_ns ? command->now_ns : writer->last_ns;
  put_number(bytes, (uint64_t)kind_of_command[command->kind] << FLAGS_BITS | flags_of(command));
  put_number(bytes, now_ns - writer->last_ns);
  put_content(bytes, command, now_ns);
  writer->last_ns = now_ns;
  writer->commands++;
  return true;
}

bool record_end(struct batch_writer *writer, struct bytes *batch) {
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
  *batch = bytes_of(start, content.len + CHECKSUM_BYTES);
  return true;
}

/* ---- reading */

struct batch_reader {
  struct wire_reader rest;
  uint64_t left; /* commands */
  uint64_t index;
  uint64_t last_ns;
  struct users_settings users;
  struct user_settings *users_rows; /* malloc */
  struct user_right *rights_rows;   /* malloc, of all users */
};

static bool read_number(struct batch_reader *reader, uint64_t *number) {
  return wire_read_varint(&reader->rest, number);
}

static bool read_size(struct batch_reader *reader, size_t *size) {
  uint64_t number;
  if (!read_number(reader, &number)) {
    return false;
  }
  *size = (size_t)number;
  return true;
}

static bool read_bytes(struct batch_reader *reader, struct bytes *bytes) {
  uint64_t len;
  return read_number(reader, &len) && wire_take(&reader->rest, len, bytes);
}

static bool read_raw(struct batch_reader *reader, void *into, size_t len) {
  struct bytes bytes;
  if (!wire_take(&reader->rest, len, &bytes)) {
    return false;
  }
  memcpy(into, bytes.data, len);
  return true;
}

static size_t unread(const struct batch_reader *reader) {
  return (size_t)(reader->rest.end - reader->rest.next);
}

static const char *read_header(struct batch_reader *reader, struct batch_header *header) {
  uint64_t version;
  if (!read_number(reader, &version) || version == 0) {
    return damaged;
  }
  if (version > RECORD_VERSION) {
    return newer;
  }
  bool is_read = read_number(reader, &header->engine) && read_number(reader, &header->epoch) &&
                 read_number(reader, &header->index) && read_number(reader, &header->now_ns) &&
                 read_number(reader, &header->digest) && read_number(reader, &header->memory) &&
                 read_number(reader, &header->commands);
  return is_read ? NULL : damaged;
}

struct batch_reader *record_open(struct bytes batch, struct batch_header *header,
                                 const char **why) {
  *why = damaged;
  if (batch.len < CHECKSUM_BYTES) {
    return NULL;
  }
  struct bytes content = bytes_of(batch.data, batch.len - CHECKSUM_BYTES);
  if (!checksum_fits(batch.data + content.len, content, 0)) {
    return NULL;
  }
  struct batch_reader *reader = calloc(1, sizeof *reader);
  if (!reader) {
    *why = no_memory;
    return NULL;
  }
  reader->rest = (struct wire_reader){content.data, content.data + content.len};
  *why = read_header(reader, header);
  if (*why) {
    free(reader);
    return NULL;
  }
  reader->left = header->commands;
  reader->index = header->index;
  reader->last_ns = header->now_ns;
  return reader;
}

bool record_is_newer(const char *why) {
  return why == newer;
}

static void free_users(struct batch_reader *reader) {
  free(reader->users_rows);
  free(reader->rights_rows);
  reader->users_rows = NULL;
  reader->rights_rows = NULL;
}

void record_close(struct batch_reader *reader) {
  if (reader) {
    free_users(reader);
    free(reader);
  }
}

static bool read_genesis(struct batch_reader *reader, struct genesis *genesis) {
  return read_raw(reader, genesis->hash_key, sizeof genesis->hash_key) &&
         read_number(reader, &genesis->first_object) &&
         read_number(reader, &genesis->first_token) && read_number(reader, &genesis->start_ns) &&
         read_number(reader, &genesis->memory_bytes_max);
}

static bool read_process(struct batch_reader *reader, int *process) {
  uint64_t number;
  if (!read_number(reader, &number) || number > UINT32_MAX) {
    return false;
  }
  *process = (int)wire_from_zigzag(number);
  return true;
}

static bool read_request(struct batch_reader *reader, unsigned flags,
                         struct engine_request *request) {
  struct bytes route;
  if (!read_number(reader, &request->connection) || !read_bytes(reader, &route) ||
      route.len > sizeof request->route.words) {
    return false;
  }
  request->route.len = (uint8_t)route.len;
  memcpy(request->route.words, route.data, route.len);
  return (!(flags & FLAG_ENTROPY) || read_raw(reader, request->entropy, sizeof request->entropy)) &&
         (!(flags & FLAG_PROCESS) || read_process(reader, &request->process)) &&
         read_bytes(reader, &request->body);
}

static bool read_job(struct batch_reader *reader, struct record *record) {
  struct bytes name;
  if (!read_number(reader, &record->job_number) || !read_bytes(reader, &name)) {
    return false;
  }
  record->job_reason = hf_reason_find((const char *)name.data, name.len);
  return name.len == 0 || record->job_reason != HF_REASON_NONE;
}

static bool read_heard(struct batch_reader *reader, uint64_t now_ns, struct heard *heard) {
  uint64_t since;
  if (!read_number(reader, &heard->session) || !read_number(reader, &heard->requests) ||
      !read_number(reader, &heard->acked) || !read_number(reader, &heard->highest) ||
      !read_number(reader, &since)) {
    return false;
  }
  heard->heard_ns = now_ns + (uint64_t)wire_from_zigzag(since);
  return true;
}

static bool read_user(struct batch_reader *reader, struct user_settings *user) {
  uint64_t is_admin, rights_count;
  if (!read_bytes(reader, &user->name) || !read_number(reader, &is_admin) ||
      !read_number(reader, &user->limits.memory_bytes) ||
      !read_number(reader, &user->limits.objects) || !read_number(reader, &user->limits.sessions) ||
      !read_number(reader, &user->limits.connections) ||
      !read_number(reader, &user->limits.waiting) ||
      !read_number(reader, &user->limits.requests_per_s) || !read_number(reader, &rights_count) ||
      rights_count > unread(reader) / RIGHT_BYTES_MIN) {
    return false;
  }
  user->is_admin = is_admin != 0;
  user->rights_count = (size_t)rights_count;
  return true;
}

static bool read_right(struct batch_reader *reader, struct user_right *right) {
  uint64_t access;
  if (!read_bytes(reader, &right->prefix) || !read_number(reader, &access) || access > UINT8_MAX) {
    return false;
  }
  right->access = (uint8_t)access;
  return true;
}

/* Their rights are read twice: first to know how many there are. */
static bool read_rows(struct batch_reader *reader, size_t *rights_count) {
  struct user_right skipped, *next = reader->rights_rows;
  *rights_count = 0;
  for (size_t i = 0; i < reader->users.count; i++) {
    struct user_settings *user = &reader->users_rows[i];
    if (!read_user(reader, user)) {
      return false;
    }
    user->rights = next;
    for (size_t j = 0; j < user->rights_count; j++) {
      if (!read_right(reader, next ? next++ : &skipped)) {
        return false;
      }
    }
    *rights_count += user->rights_count;
  }
  return true;
}

static bool read_users(struct batch_reader *reader, const char **why) {
  uint64_t count;
  free_users(reader);
  if (!read_number(reader, &count) || count > unread(reader) / USER_BYTES_MIN) {
    return false;
  }
  reader->users.count = (size_t)count;
  reader->users_rows = calloc(count + 1, sizeof *reader->users_rows);
  struct wire_reader rest = reader->rest;
  size_t rights_count;
  if (reader->users_rows && !read_rows(reader, &rights_count)) {
    return false;
  }
  reader->rights_rows =
      reader->users_rows ? calloc(rights_count + 1, sizeof *reader->rights_rows) : NULL;
  if (!reader->rights_rows) {
    *why = no_memory;
    return false;
  }
  reader->rest = rest;
  reader->users.users = reader->users_rows;
  return read_rows(reader, &rights_count);
}

static bool read_content(struct batch_reader *reader, unsigned flags, struct record *record,
                         const char **why) {
  struct command *command = &record->command;
  switch (command->kind) {
    case COMMAND_REQUEST:
      command->request = &record->request;
      return read_request(reader, flags, &record->request);
    case COMMAND_CONNECT:
      command->one_way = flags & FLAG_IS_SO;
      return read_number(reader, &command->connection) && read_number(reader, &command->address) &&
             read_bytes(reader, &command->user);
    case COMMAND_DISCONNECT:
      return read_number(reader, &command->connection);
    case COMMAND_PROCESS_ENDED:
      return read_number(reader, &command->session);
    case COMMAND_JOB_DONE:
      return read_job(reader, record);
    case COMMAND_FREED:
      return read_size(reader, &command->freed_bytes);
    case COMMAND_USERS:
      command->users = &reader->users;
      return read_users(reader, why);
    case COMMAND_RESTART:
      return read_size(reader, &command->memory_bytes_max);
    case COMMAND_HEARD:
      command->heard = &record->heard;
      return read_heard(reader, command->now_ns, &record->heard);
    case COMMAND_CROWDED:
      command->is_crowded = flags & FLAG_IS_SO;
      return true;
    case COMMAND_DISK:
      command->is_full = flags & FLAG_IS_SO;
      return true;
    case COMMAND_TICK:
    case COMMAND_DRAIN:
      return true;
  }
  return false;
}

static bool find_command(uint64_t kind, enum command_kind *command) {
  for (size_t i = 0; i < COMMAND_KINDS; i++) {
    if (kind_of_command[i] == kind) {
      *command = (enum command_kind)i;
      return true;
    }
  }
  return false;
}

/* What comes before the command's time. */
static bool read_head(struct batch_reader *reader, uint64_t *kind, struct bytes *answers) {
  *answers = bytes_of("", 0);
  if (!read_number(reader, kind)) {
    return false;
  }
  return *kind != RECORD_ANSWERS << FLAGS_BITS ||
         (read_bytes(reader, answers) && read_number(reader, kind));
}

static bool read_record(struct batch_reader *reader, struct record *record, const char **why) {
  uint64_t kind, since;
  struct bytes answers;
  if (!read_head(reader, &kind, &answers) || !read_number(reader, &since)) {
    return false;
  }
  reader->last_ns += since;
  *record = (struct record){.answers = answers,
                            .command = {.now_ns = reader->last_ns, .index = reader->index}};
  unsigned flags = kind & ((1u << FLAGS_BITS) - 1);
  kind >>= FLAGS_BITS;
  record->is_genesis = kind == RECORD_GENESIS;
  if (record->is_genesis) {
    return read_genesis(reader, &record->genesis);
  }
  return find_command(kind, &record->command.kind) && read_content(reader, flags, record, why);
}

bool record_next(struct batch_reader *reader, struct record *record, const char **why) {
  *why = NULL;
  if (reader->left == 0) {
    *why = unread(reader) > 0 ? senseless : NULL;
    return false;
  }
  reader->left--;
  if (read_record(reader, record, why)) {
    return true;
  }
  *why = *why ? *why : senseless;
  return false;
}
