/* The fixed parts of a backup: see backup.h.
 *
 * layer   journal
 */
#ifndef HF_JOURNAL_BACKUP_FORMAT_H
#define HF_JOURNAL_BACKUP_FORMAT_H

#include "server/journal/checksum.h"

#include <stddef.h>

#define BACKUP_MAGIC UINT64_C(0x4b434142444c4f48) /* "HOLDBACK" */
#define BACKUP_VERSION 1

struct backup_header {
  uint64_t magic, version;
  uint64_t snapshot_index, snapshot_bytes; /* 0: there was none */
  uint8_t checksum[CHECKSUM_BYTES];
};
_Static_assert(sizeof(struct backup_header) == 40, "five numbers without padding");

struct backup_end {
  uint64_t zero; /* in the place of a length */
  uint64_t index;
  uint8_t checksum[CHECKSUM_BYTES];
};
_Static_assert(sizeof(struct backup_end) == 24, "three numbers without padding");

static inline struct bytes backup_header_content(const struct backup_header *header) {
  return bytes_of(header, offsetof(struct backup_header, checksum));
}

static inline struct bytes backup_end_content(const struct backup_end *end) {
  return bytes_of(end, offsetof(struct backup_end, checksum));
}

#endif
