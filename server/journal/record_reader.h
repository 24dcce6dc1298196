/* A batch is checked and read, command by command (record.h). Any bytes may be read: what makes no sense is said.
 *
 * layer   journal
 * memory  What is read points into the batch, which is the caller's.
 */
#ifndef HF_JOURNAL_RECORD_READER_H
#define HF_JOURNAL_RECORD_READER_H

#include "server/journal/record.h"

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
