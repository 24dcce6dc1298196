/* Syncs of a directory that sqlite asks for. It has made a write-ahead log, or removed one, and goes on if the
 * sync of its entry fails: batches of a log without an entry would be acknowledged. Here a failure is kept for
 * the caller of sqlite.
 *
 * layer   journal
 * threads any; a failure is of the thread that met it
 * source  sqlite 3.40, unixSync: what its system call "openDirectory" (sqlite_calls.h) answers is all that matters
 */
#ifndef HF_JOURNAL_DIRECTORY_SYNCS_H
#define HF_JOURNAL_DIRECTORY_SYNCS_H

#include <stdbool.h>

/* In the place of opening the directory of that file, for sqlite to sync: it is synced here. Answers that it can't be
 * opened, after which sqlite does nothing. */
int directory_syncs_open(const char *file, int *directory);
/* Whether one has failed since this was asked last. true: errno */
bool directory_syncs_have_failed(void);

#endif
