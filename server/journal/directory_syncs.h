/* Syncs of a directory that sqlite asks for. It has made a write-ahead log, or removed one, and goes on if the
 * sync of its entry fails: batches of a log without an entry would be acknowledged. Here a failure is kept for
 * the caller of sqlite.
 *
 * layer   journal
 * threads any; a failure is of the thread that met it
 * source  sqlite 3.40, unixSync: what its system call "openDirectory" answers is all that matters
 */
#ifndef HF_JOURNAL_DIRECTORY_SYNCS_H
#define HF_JOURNAL_DIRECTORY_SYNCS_H

#include <stdbool.h>

/* Before the first file is opened; again: nothing. */
void directory_syncs_begin(void);
/* Whether one has failed since this was asked last. true: errno */
bool directory_syncs_have_failed(void);

#endif
