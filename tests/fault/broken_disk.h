/* Servers whose disk fails (failing_files.h): such a server says so, acknowledges nothing more, and ends. Or whose disk
 * hangs now and then. */
#ifndef HF_TESTS_FAULT_BROKEN_DISK_H
#define HF_TESTS_FAULT_BROKEN_DISK_H

#include "tests/support/daemon.h"
#include "tests/support/random.h"

/* Servers started from now on have files below that directory that can fail. */
void broken_disk_prepare(const char *directory);
/* One of the next calls fails. Waits until the server has ended by it, and fails the test unless it ends with the
 * right status and sentence. A failure of the process that makes snapshots ends no server: then another one
 * follows. */
void broken_disk_end(struct daemon *server, struct random *random);
/* From now on each n-th sync takes so much longer; 0: none. */
void broken_disk_hang(unsigned each, unsigned us);
/* Syncs that have hung. */
unsigned broken_disk_hangs(void);
/* How often which call failed. */
void broken_disk_print(void);

#endif
