/* Connections: opening and closing, their path, information about the server, cancelling.
 * Included by <holdfast/holdfast.h>.
 */
#ifndef HOLDFAST_CONNECTION_H
#define HOLDFAST_CONNECTION_H

#include <holdfast/base.h>

HF_BEGIN_DECLARATIONS

typedef struct hf_conn hf_conn;

struct hf_options {
  int64_t call_timeout_ms; /* how long a call tries to reach the server; 0: 10,000 */
  uint32_t grace_ms;  /* how long the session outlives a lost connection; 0: the server's 5,000 */
  const char *client; /* a name for people, as of an object, copied; NULL: "program@host:pid" */

  /* For tls+tcp://. Paths of files; NULL: the environment variable, else none. They are read now, and
   * when the connection is lost and they have changed since. */
  const char *key_file;  /* of "holdfast key new"; its first key is used. HOLDFAST_KEY_FILE */
  const char *ca_file;   /* PEM: CAs of servers; none: the system's. HOLDFAST_CA_FILE */
  const char *cert_file; /* PEM: the program's certificate and, unless the next member is set, its
                            private key. HOLDFAST_CERT_FILE */
  const char *private_key_file; /* PEM. HOLDFAST_PRIVATE_KEY_FILE */
};

/* Who is at the other end, over tls+tcp://: with a key, which makes the other files unused, both sides
 * prove that they have it. Without
 * one the server proves with its certificate that it is the url's host, and the program with its own
 * that it may come, if the server wants one. What fails, does so at once, and also when a lost
 * connection is restored: every call answers UNAUTHENTICATED then.
 *
 * Beside a key, tcp:// is refused unless the host is 127.0.0.1, ::1 or localhost: a forgotten "tls+"
 * would send everything in clear. ipc:// and tcp:// ignore these files otherwise. */

/* Connects and opens a session.
 *
 * in   url      tls+tcp://HOST:PORT, tcp://HOST:PORT or ipc:///PATH; NULL: $HOLDFAST_URL, else
 *               tcp://127.0.0.1:4653
 *      options  NULL: all defaults
 * out  conn     closed by hf_close
 *
 * HF_OK | INVALID_ARGUMENT BAD_ADDRESS; BAD_ARGUMENT HOLDFAST_LOCAL (see hf_conn_path) is neither
 * on nor off, or a file can't be used | UNAVAILABLE no server answers there; LOADING one does, and
 * loads its state | UNAUTHENTICATED KEY_REFUSED; NOT_ADMITTED; SERVER_NOT_TRUSTED |
 * RESOURCE_EXHAUSTED SESSIONS_FULL; QUOTA_SESSIONS; QUOTA_CONNECTIONS
 */
HF_CHECKED hf_status hf_connect_sized(const char *url, const struct hf_options *options,
                                      size_t options_size, hf_conn **conn);
HF_INLINE hf_status hf_connect(const char *url, const struct hf_options *options, hf_conn **conn) {
  return hf_connect_sized(url, options, sizeof *options, conn);
}

#define HF_KEY_LINE_BYTES 119

/* Makes a key for a user, of 32 random bytes of the kernel: the line USER:hfk1_.., without an end of
 * line, for the key files of server and program. user: 1 to 64 of a-z A-Z 0-9 . _ @ -; a section of
 * the server's settings names users of up to 44.
 *
 * HF_OK | INVALID_ARGUMENT BAD_NAME | RESOURCE_EXHAUSTED NO_MEMORY the kernel has no random bytes */
HF_CHECKED hf_status hf_key_new(const char *user, char line[HF_KEY_LINE_BYTES]);

/* Says goodbye and frees the connection. Close its handles before; no other thread may be in a call
 * on it. A pipeline, batch or one-way that another thread has open is still to be ended by that
 * thread: its calls that were not performed answer FAILED_PRECONDITION SESSION_ENDED, as do further
 * calls. One-way calls that were not flushed may be lost. Locks that are owned stay owned, as in
 * Python, but robust ones and those with a lease. NULL is ignored. */
HF_API void hf_close(hf_conn *conn);

/* One round trip. out round_trip_ns may be NULL. */
HF_CHECKED hf_status hf_ping(hf_conn *conn, uint64_t *round_trip_ns);

/* How calls reach the server now: "shared memory" if the server runs on this machine as the same
 * user (for root, too, a server of another user does not count), else "tls", "tcp" or "ipc". Static.
 * Two environment variables matter:
 *
 *   HOLDFAST_LOCAL=off    connections made from now on use no shared memory, values and arrays
 *                         included
 *   HOLDFAST_LOG=connect  each connection logs its path, and why, on standard error:
 *                         holdfast: worker[4711] calls tcp://127.0.0.1:4653 over shared memory */
HF_API const char *hf_conn_path(hf_conn *conn);
/* Why the path is not shared memory, a sentence; "" when it is. Static. */
HF_API const char *hf_conn_path_reason(hf_conn *conn);

#define HF_MEMORY_USES_MAX 16

/* One use of the server's memory, e.g. "values", "waiters". */
struct hf_memory_use {
  char name[16];
  uint64_t bytes;
  uint64_t bytes_max; /* 0: no more than all together */
};

#define HF_USER_USES_MAX 16

/* What one user uses. */
struct hf_user_use {
  char name[48];
  bool removed; /* it is in no settings any more, but something of it is left */
  uint64_t memory_bytes, objects, sessions, connections, waiting;
};

/* Where a server that was started with --data keeps its state. An index is that of a batch of changes. */
struct hf_journal_info {
  uint64_t index, committed; /* of the last batch, and of the last that outlives a crash */
  uint64_t journal_bytes;
  uint64_t snapshot_index; /* the last snapshot has everything up to it; 0: there is none */
  uint64_t snapshot_bytes, snapshot_age_ms; /* without one: 0, and UINT64_MAX */
  uint64_t fsync_p99_us;
  uint64_t unsynced_ms; /* the time whose changes a crash may lose; 0: none */
  bool full;            /* the disk: what stores is refused */
  bool compacting;      /* a snapshot was asked for, or is being made */
  char fsync[24];       /* "always", "interval 100", "never" */
};

struct hf_server_info {
  char version[32];
  uint64_t uptime_ms, sessions, objects, waiting, requests, duplicates, connections, memory_bytes;
  uint64_t deadlocks;        /* seen since the start */
  uint64_t memory_bytes_max; /* --memory-max; of it memory_bytes are used: */
  size_t memory_count;
  struct hf_memory_use memory[HF_MEMORY_USES_MAX];
  /* The caller itself; for the server's owner, who is no user, and for admins all, or as many as fit. */
  size_t users_count;
  size_t users_left_out;
  struct hf_user_use users[HF_USER_USES_MAX];
  bool has_journal; /* false: the state is in memory only */
  struct hf_journal_info journal;
};
HF_CHECKED hf_status hf_server_info_sized(hf_conn *conn, struct hf_server_info *info,
                                          size_t info_size);
HF_INLINE hf_status hf_server_info(hf_conn *conn, struct hf_server_info *info) {
  return hf_server_info_sized(conn, info, sizeof *info);
}

/* Asks a server with --data for a snapshot of its state, which makes its journal shorter. Returns at once: the
 * snapshot is there when hf_server_info says a snapshot_index of at least what was committed before.
 *
 * HF_OK | FAILED_PRECONDITION NO_JOURNAL | PERMISSION_DENIED NO_RIGHT the user is no admin */
HF_CHECKED hf_status hf_server_snapshot(hf_conn *conn);

/* A backup of all that a server with --data has, for holdfastd --restore: all that was acknowledged before, of
 * later changes those up to some moment. take is called for each part, in their order; false: that is enough.
 * Only after HF_OK are they a backup.
 *
 * HF_OK | FAILED_PRECONDITION NO_JOURNAL | PERMISSION_DENIED NO_RIGHT the user is no admin |
 * ABORTED BACKUP_FAILED another one is being made, or it failed | CANCELLED CANCELLED take said so */
HF_CHECKED hf_status hf_server_backup(hf_conn *conn,
                                      bool (*take)(void *ctx, const void *data, size_t len),
                                      void *ctx);

/* Withdraws the calls in flight on conn, of all threads, that wait on the server; if there is none,
 * the next call that would wait. Each returns CANCELLED CANCELLED, or its result if the server had
 * just performed it: an item is either returned or still in its queue. hf_condition_wait returns
 * owning its lock. A second hf_cancel, or one while the server is unreachable, makes at once those
 * calls return that have not, also calls that wait only for the server; hf_condition_wait then
 * returns without its lock. May be called by any thread and, alone of all functions, by a signal
 * handler:
 *
 *   static void on_interrupt(int signal) { hf_cancel(conn); } */
HF_API void hf_cancel(hf_conn *conn);

/* For programs whose signals are handled by code that may not run in a signal handler, such as
 * interpreters. A setting of the calling thread: `check` is called during the waits of its calls,
 * when a signal handler has interrupted a wait, and else every 25 to 50 ms. true withdraws the
 * call, or the calls of the thread's pipeline, as hf_cancel does, and true again gives it up; calls
 * of other threads go on. hf_connect, and waits for room to send, answer CANCELLED CANCELLED at
 * once. `check` may make calls, and fork: in the child the call answers CANCELLED. NULL, as at
 * first: no check, and no wait ends sooner. */
HF_API void hf_on_interrupt(bool (*check)(void));

HF_END_DECLARATIONS

#endif
