/* How many batches were durable: a small file, written behind each commit, or each sync if commits are not
 * synced, and not synced itself. After the process was killed it is exact, or of the last sync; after the machine
 * lost power it is of some moment before: it is never ahead.
 *
 *   number | checksum | number | checksum       of an even and an odd batch
 *
 * A write that was cut short leaves the other number.
 *
 * layer   journal
 */
#ifndef HF_JOURNAL_ACKNOWLEDGED_H
#define HF_JOURNAL_ACKNOWLEDGED_H

#include <stdbool.h>
#include <stdint.h>

#define ACKNOWLEDGED_FILE "acknowledged"

/* The index of the last one; 0: not known. false: errno says why it can't be read; 0: it is damaged. */
bool acknowledged_read(const char *directory, uint64_t *index);
/* For the functions below. -1: errno. */
int acknowledged_open(const char *directory);
/* false: errno. Without room on the disk it stays as it was, which is not ahead. */
bool acknowledged_write(int file, uint64_t index);
/* Also if it was more before; synced. */
bool acknowledged_reset(int file, uint64_t index);

#endif
