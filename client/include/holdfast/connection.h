/* Connections: opening and closing them, what they say of themselves and the server.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_CONNECTION_H
#define HOLDFAST_CONNECTION_H

#include <holdfast/base.h>

HF_BEGIN_DECLARATIONS

typedef struct hf_conn hf_conn;

struct hf_options {
  int64_t call_timeout_ms; /* how long a call tries to reach the server; 0: 10,000 */
  uint32_t grace_ms;  /* how long the session outlives a lost connection; 0: the server's 5,000 */
  const char *client; /* a name for people, as of an object, copied; NULL: "program@host:pid" */
};

/* Connects and opens a session.
 *
 * in   url      tcp://HOST:PORT or ipc:///PATH; NULL: $HOLDFAST_URL, else tcp://127.0.0.1:4653
 *      options  NULL: all defaults
 * out  conn     closed by hf_close
 *
 * HF_OK | INVALID_ARGUMENT BAD_ADDRESS; BAD_ARGUMENT HOLDFAST_LOCAL (see hf_conn_path) is neither on
 * nor off | UNAVAILABLE nobody answers there | RESOURCE_EXHAUSTED SESSIONS_FULL
 */
HF_CHECKED hf_status hf_connect_sized(const char *url, const struct hf_options *options,
                                      size_t options_size, hf_conn **conn);
HF_INLINE hf_status hf_connect(const char *url, const struct hf_options *options, hf_conn **conn) {
  return hf_connect_sized(url, options, sizeof *options, conn);
}

/* Says goodbye and frees the connection. Handles must be closed before, and no other thread may be in
 * a call on it. A pipeline, batch or one-way that another thread has open is still that thread's to
 * end: what was not done by now answers FAILED_PRECONDITION SESSION_ENDED, as would further calls.
 * What was sent one-way and not flushed may be lost. Locks still held stay held, as in Python. NULL
 * is harmless. */
HF_API void hf_close(hf_conn *conn);

/* One round trip. out round_trip_ns may be NULL. */
HF_CHECKED hf_status hf_ping(hf_conn *conn, uint64_t *round_trip_ns);

/* How calls get to the server now: "shared memory" where it runs on this machine as the same user
 * (to root another user's server is a stranger's too), else "tcp" or "ipc". Static. Two variables of the environment have a say:
 *
 *   HOLDFAST_LOCAL=off    no shared memory for connections made from now on, values and arrays
 *                         included
 *   HOLDFAST_LOG=connect  each connection tells which way it goes, and why, on standard error:
 *                         holdfast: worker[4711] calls tcp://127.0.0.1:4653 over shared memory */
HF_API const char *hf_conn_path(hf_conn *conn);
/* Why it is not shared memory, a sentence; "" when it is. Static. */
HF_API const char *hf_conn_path_reason(hf_conn *conn);

#define HF_MEMORY_USES_MAX 16

/* What the server's memory is used for, e.g. "values", "waiters". */
struct hf_memory_use {
  char name[16];
  uint64_t bytes;
  uint64_t bytes_max; /* 0: no more than all together */
};

struct hf_server_info {
  char version[32];
  uint64_t uptime_ms, sessions, objects, waiting, requests, duplicates, connections, memory_bytes;
  uint64_t deadlocks;        /* seen since the start */
  uint64_t memory_bytes_max; /* --memory-max; of it memory_bytes are used: */
  size_t memory_count;
  struct hf_memory_use memory[HF_MEMORY_USES_MAX];
};
HF_CHECKED hf_status hf_server_info_sized(hf_conn *conn, struct hf_server_info *info,
                                          size_t info_size);
HF_INLINE hf_status hf_server_info(hf_conn *conn, struct hf_server_info *info) {
  return hf_server_info_sized(conn, info, sizeof *info);
}

/* Withdraws the calls under way on conn that wait for something on the server, of all threads; when
 * there is none, the next one that would wait. Each returns CANCELLED CANCELLED, or its result if
 * it had just come about: an item is either returned or still in its queue, never lost. A
 * condition's wait returns with its lock held again. Called once more, or while the server can't be
 * reached, it gives up at once those that have not returned, and then also calls that would not wait
 * on the server: they wait for it. A condition's wait is then left without its lock. May be called by any thread and, alone of all functions, by a signal handler:
 *
 *   static void on_interrupt(int signal) { hf_cancel(conn); }
 */
HF_API void hf_cancel(hf_conn *conn);

HF_END_DECLARATIONS

#endif
