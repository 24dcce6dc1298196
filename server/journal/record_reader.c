#include "server/journal/record_reader.h"

#include "proto/wire_field.h"
#include "server/journal/checksum.h"

#include <stdlib.h>
#include <string.h>

#define USER_BYTES_MIN 9 /* its numbers, all 0 */
#define RIGHT_BYTES_MIN 2

static const char damaged[] = "its bytes are damaged";
static const char senseless[] = "what it has is no command";
static const char newer[] =
    "it is of a newer format than this server reads; use the version that wrote it";
static const char no_memory[] = "there is not enough memory";

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
  return (!(flags & RECORD_FLAG_ENTROPY) ||
          read_raw(reader, request->entropy, sizeof request->entropy)) &&
         (!(flags & RECORD_FLAG_PROCESS) || read_process(reader, &request->process)) &&
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
      command->one_way = flags & RECORD_FLAG_IS_SO;
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
      command->is_crowded = flags & RECORD_FLAG_IS_SO;
      return true;
    case COMMAND_DISK:
      command->is_full = flags & RECORD_FLAG_IS_SO;
      return true;
    case COMMAND_TICK:
    case COMMAND_DRAIN:
      return true;
  }
  return false;
}

/* What comes before the command's time. */
static bool read_head(struct batch_reader *reader, uint64_t *kind, struct bytes *answers) {
  *answers = bytes_of("", 0);
  if (!read_number(reader, kind)) {
    return false;
  }
  return *kind != RECORD_ANSWERS << RECORD_FLAGS_BITS ||
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
  unsigned flags = kind & ((1u << RECORD_FLAGS_BITS) - 1);
  kind >>= RECORD_FLAGS_BITS;
  record->is_genesis = kind == RECORD_GENESIS;
  if (record->is_genesis) {
    return read_genesis(reader, &record->genesis);
  }
  return record_find_command(kind, &record->command.kind) &&
         read_content(reader, flags, record, why);
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
