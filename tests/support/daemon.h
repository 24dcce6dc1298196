/* A real holdfastd in a process of its own, for tests.
 *
 * Starts on a free tcp port of loopback and on an ipc socket in a directory of its own under
 * $TMPDIR, and is ready when start returns. Fails the process with a message when it can't.
 */
#ifndef HF_TESTS_SUPPORT_DAEMON_H
#define HF_TESTS_SUPPORT_DAEMON_H

#include <stdint.h>
#include <sys/types.h>

struct daemon {
  pid_t pid;
  uint16_t tcp_port;
  char dir[128];
  char tcp_url[64];  /* tcp://127.0.0.1:PORT */
  char ipc_url[160]; /* ipc://DIR/holdfast.sock */
};

/* extra: further arguments, NULL-terminated; NULL: none. The daemon dies with the test process. */
void daemon_start(struct daemon *daemon, const char *const *extra);
/* The same addresses again after daemon_kill: a restarted server. */
void daemon_restart(struct daemon *daemon, const char *const *extra);
/* SIGTERM; fails the test unless it exits 0 within 5 s. Removes the directory. Before that, fails
 * if the server still has memory of clients that are gone; see daemon_check. */
void daemon_stop(struct daemon *daemon);
/* Fails the test if the server holds rings nobody calls through, or places of cells that neither an
 * object nor a session has; waits a little for ends of clients to be noticed. While clients are
 * there, some of it can't be told; it says so. */
void daemon_check(const struct daemon *daemon);
/* How many connections through shared memory its mappings are of: segments of rings have a size of
 * their own. */
unsigned daemon_rings(const struct daemon *daemon);
/* SIGKILL; the directory stays. */
void daemon_kill(struct daemon *daemon);
/* SIGKILL, and the directory is removed. */
void daemon_discard(struct daemon *daemon);
/* Resident memory now, bytes; and its peak. */
uint64_t daemon_resident_bytes(const struct daemon *daemon);
uint64_t daemon_resident_peak_bytes(const struct daemon *daemon);

#endif
