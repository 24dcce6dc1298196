/* Commands as bytes, in batches: the same in the journal of one machine, and on their way between machines.
 *
 *   batch    version | engine | epoch | index | engine time | digests | how many | command ... | checksum
 *   command  kind and flags | time since the one before | what the kind has (record_writer.c); a request:
 *            connection | route | entropy, 16 bytes, if it opens | process, zigzag, if it has one | body
 *            or, in front of one, kind | what shared cells answered meanwhile (cell_tape.h)
 *
 * Numbers are varints, bytes have their length before them, but for entropy and the key of hashes. The checksum is
 * of all before it (checksum.h, with the number 0): any damage of the bytes is found. Version and checksum are where they are in every version.
 *
 * Written by record_writer.h, read by record_reader.h.
 *
 * layer   journal
 * source  server/decisions, "Commands are what is made durable"
 */
#ifndef HF_JOURNAL_RECORD_H
#define HF_JOURNAL_RECORD_H

#include "server/engine/command.h"
#include "server/journal/genesis.h"

#define RECORD_VERSION 1

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
  RECORD_FLAG_IS_SO = 1,   /* CROWDED, DISK; CONNECT: one way */
  RECORD_FLAG_ENTROPY = 2, /* REQUEST: it has some */
  RECORD_FLAG_PROCESS = 4, /* REQUEST: it names one */
};

#define RECORD_FLAGS_BITS 3

/* Of an enum record_kind. */
uint8_t record_kind_of(enum command_kind command);
/* false: of no command. */
bool record_find_command(uint64_t kind, enum command_kind *command);

#endif
