/* A real holdfastd in a process of its own, for tests.
 *
 * Starts on a free tcp port of loopback and on an ipc socket in a directory of its own under
 * $TMPDIR, and is ready when start returns. Fails the process with a message when it can't.
 */
#ifndef HF_TESTS_SUPPORT_DAEMON_H
#define HF_TESTS_SUPPORT_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct daemon {
  pid_t pid;
  uint16_t tcp_port;
  char dir[128];
  char tcp_url[64];  /* tcp://127.0.0.1:PORT, or tls+tcp://.. */
  char ipc_url[160]; /* ipc://DIR/holdfast.sock */
};

/* Servers started from now on have tls+tcp:// where they had tcp://, with a key that HOLDFAST_KEY_FILE
 * names from now on. */
void daemon_use_tls(void);
/* Their logs are appended to that file; borrowed. */
void daemon_log_to(const char *path);
/* The path of holdfastd. */
const char *daemon_program(void);
/* extra: further arguments, NULL-terminated; NULL: none. The daemon ends with the test process. */
void daemon_start(struct daemon *daemon, const char *const *extra);
/* Restarts at the same addresses, after daemon_kill. */
void daemon_restart(struct daemon *daemon, const char *const *extra);
/* Sends SIGTERM; fails the test unless the server exits 0 within 5 s. Removes the directory. First
 * checks for leaked memory of ended clients (daemon_check). */
void daemon_stop(struct daemon *daemon);
/* The same without the check: the directory stays, for daemon_restart. */
void daemon_end(struct daemon *daemon);
/* Waits for a server that ends by itself; out status: its exit status, or 128 + the signal. The directory stays.
 * false: it goes on. */
bool daemon_wait(struct daemon *daemon, long timeout_ms, int *status);
/* Fails the test if the server has rings without a client, or memory of cells without an object or
 * session; waits a little until ends of clients are detected. Prints what can't be checked while
 * clients are connected. */
void daemon_check(const struct daemon *daemon);
/* The number of connections through shared memory, counted by mappings: segments of rings have a
 * distinct size. */
unsigned daemon_rings(const struct daemon *daemon);
/* Removes a directory of --data with its files. */
void daemon_remove_data(const char *directory);
/* SIGKILL; the directory stays. */
void daemon_kill(struct daemon *daemon);
/* Sends SIGKILL and removes the directory. */
void daemon_discard(struct daemon *daemon);
/* Resident memory now, bytes; and its peak. */
uint64_t daemon_resident_bytes(const struct daemon *daemon);
uint64_t daemon_resident_peak_bytes(const struct daemon *daemon);

#endif
