/* Opening the journal's files, sqlite's too (sqlite_calls.h).
 *
 * Clients leave the process its descriptors (proto/base/descriptors.h), but the machine may have no more files, or the
 * limit may be lowered: then it waits until one is free. Nothing is wrong with the disk, and a server that ended for it
 * could be ended by any process. The wait is back-pressure, as that for a slow disk.
 *
 * layer   journal
 * threads any; a failure is of the thread that met it
 * source  sqlite 3.40: its system call "open"
 */
#ifndef HF_JOURNAL_OPENINGS_H
#define HF_JOURNAL_OPENINGS_H

#include <stdbool.h>

/* As open(2). sqlite opens its files so, too. */
int openings_open(const char *path, int flags, int mode);
/* Whether errno says that there is no descriptor: then it has waited for a moment, and the call is to be made
 * again. */
bool openings_await(void);
/* errno of the last file that was to be opened, or made if it was not there; 0: it was. sqlite tries only to read the
 * file then, and forgets why. */
int openings_failure(void);

#endif
