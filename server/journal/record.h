/* Commands as bytes, in batches: the same in the journal of one machine, and on their way between machines.
 *
 *   batch    version | engine | epoch | index | engine time | digests | how many | command ... | checksum
 *   command  kind and flags | time since the one before | what the kind has
 *            or, in front of one, kind | what shared cells answered meanwhile (cell_tape.h)
 *
 * Numbers are varints, bytes have their length before them. The checksum is of all before it (checksum.h): any
 * damage of the bytes is found. Version and checksum are where they are in every version.
 *
 * layer   journal
 * source  server/decisions, "Commands are what is made durable"
 */
#ifndef HF_JOURNAL_RECORD_H
#define HF_JOURNAL_RECORD_H

#include "proto/base/buffer.h"
#include "server/engine/command.h"
#include "server/engine/config.h"

#define RECORD_VERSION 1

/* What a journal begins with, before all commands: numbers that the first engine was made with. */
struct genesis {
  uint8_t hash_key[sizeof(struct value_hash_key)];
  uint64_t first_object, first_token, start_ns;
  uint64_t memory_bytes_max;
};

/* In front of a batch's commands. */
struct batch_header {
  uint64_t engine; /* its revision: see engine/revision.h */
  uint64_t epoch;  /* of the start that wrote it: 1, 2 ... */
  uint64_t index;  /* of the batch: 1, 2 ... without a gap */
  uint64_t now_ns; /* what the first command's time counts from */
  uint64_t digest; /* of the engine before the batch, and of all replies until then: see digest.h */
  uint64_t memory; /* the digest of what its state counts for */
  uint64_t commands;
};

/* Being written. The header's numbers but `commands` are known before the first command. */
struct batch_writer {
  struct buffer bytes;
  uint64_t commands;
  uint64_t last_ns;
  struct batch_header header;
};

/* Of a writer that is {0}, or was used before. false: out of memory. */
bool record_begin(struct batch_writer *writer, const struct batch_header *header);
/* false: out of memory, nothing was appended. */
bool record_append_genesis(struct batch_writer *writer, const struct genesis *genesis);
bool record_append(struct batch_writer *writer, const struct command *command,
                   struct bytes answers);
/* The whole batch with its header and checksum: borrowed until the next record_begin. false: out of memory. */
bool record_end(struct batch_writer *writer, struct bytes *batch);
/* Frees its bytes; it is {0} again. */
void record_deinit(struct batch_writer *writer);
/* Bytes of the batch so far. */
static inline size_t record_bytes(const struct batch_writer *writer) {
  return writer->bytes.len;
}

/* A command that was read. All is borrowed from the batch, or from the reader until the next one. A request
 * is not decoded: it has its connection, route, body, entropy and process. A job is a number and how it ended. */
struct record {
  bool is_genesis;
  struct bytes answers; /* of shared cells */
  struct genesis genesis;
  struct command command;
  struct engine_request request; /* which command.request points to */
  struct heard heard;
  uint64_t job_number;
  hf_reason job_reason;
};

struct batch_reader;

/* Checks the checksum, version and header. NULL: *why, static, says what is wrong, or that memory ran out. */
struct batch_reader *record_open(struct bytes batch, struct batch_header *header, const char **why);
/* false: no more, or *why is set: what is there makes no sense. */
bool record_next(struct batch_reader *reader, struct record *record, const char **why);
void record_close(struct batch_reader *reader);
/* What record_open says of a format that it does not know: it is no damage. */
bool record_is_newer(const char *why);

#endif
