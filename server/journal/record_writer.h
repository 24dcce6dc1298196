/* A batch is written: command by command, its header at last (record.h).
 *
 * layer   journal
 * memory  A writer's bytes are its own, and kept for its next batch.
 * limits  None here: the journal bounds its batches.
 */
#ifndef HF_JOURNAL_RECORD_WRITER_H
#define HF_JOURNAL_RECORD_WRITER_H

#include "proto/base/buffer.h"
#include "server/journal/record.h"

/* Being written. The header's numbers but `commands` are known before the first command. */
struct batch_writer {
  struct buffer bytes;
  uint64_t commands;
  uint64_t last_ns;
  struct batch_header header;
  struct bytes whole; /* after record_end */
};

/* Of a writer that is {0}, or was used before. false: out of memory. */
bool record_begin(struct batch_writer *writer, const struct batch_header *header);
/* false: out of memory, nothing was appended. */
bool record_append_genesis(struct batch_writer *writer, const struct genesis *genesis);
bool record_append(struct batch_writer *writer, const struct command *command,
                   struct bytes answers);
/* The whole batch with its header and checksum: borrowed until the next record_begin. Once more: the same. false: out
 * of memory. */
bool record_end(struct batch_writer *writer, struct bytes *batch);
/* Frees its bytes; it is {0} again. */
void record_deinit(struct batch_writer *writer);
/* Bytes of the batch so far. */
static inline size_t record_bytes(const struct batch_writer *writer) {
  return writer->bytes.len;
}

#endif
