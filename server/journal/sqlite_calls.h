/* The system calls of sqlite that the journal makes itself: opening a file (openings.h), syncing a directory
 * (directory_syncs.h), writing.
 *
 * layer   journal
 * threads any; a failure is of the thread that met it
 * source  sqlite 3.40, its vfs "unix": xSetSystemCall
 */
#ifndef HF_JOURNAL_SQLITE_CALLS_H
#define HF_JOURNAL_SQLITE_CALLS_H

/* Before sqlite opens its first file; again: nothing. */
void sqlite_calls_begin(void);
/* errno of the last write; 0: it was done. sqlite forgets why a commit failed. */
int sqlite_calls_failure(void);

#endif
