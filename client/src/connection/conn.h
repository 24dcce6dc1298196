/* A connection: one session on a server, over one link after another.
 *
 *          OpenSession                     link lost
 *   DOWN ----------------------> UP -------------------------> DOWN (the session resumes, or:)
 *     |    ResumeSession          |      SESSION_ENDED           |
 *     '---------------------------+------------------------------+-----> ENDED (every call fails)
 *
 * layer   client, connection
 * threads One mutex. A waiting thread becomes the poll leader if there is none (leader.h); the
 *         others sleep, each on a condition variable of its own. Only the poll leader blocks in
 *         system calls, and threads that wait for room to send.
 * memory  Counted: values that have references outlive hf_close.
 */
#ifndef HF_CLIENT_CONN_H
#define HF_CLIENT_CONN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/src/connection/errors.h"
#include "client/src/connection/window.h"
#include "client/src/transport/transport.h"
#include "proto/base/arena.h"

struct pipeline;
struct oneway;
struct attempt;
struct hf_async;
struct segment_map;

#define CONN_LOCAL_PATH_BYTES_MAX 108 /* as in struct sockaddr_un */

struct release {
  uint64_t object, count;
};

/* References to be released with the next call. */
struct releases {
  struct release *items;
  size_t count, capacity;
};

enum conn_state { CONN_DOWN, CONN_UP, CONN_ENDED };

/* A thread that sleeps until *count <= limit. */
struct waiter {
  const uint32_t *count;
  uint32_t limit;
  pthread_cond_t cond;
  struct waiter *next;
};

/* Callbacks of the layers above. */
struct conn_above {
  /* In a forked child, mutex held, before the window drops the parent's requests. */
  void (*become_child)(hf_conn *conn);
  /* Mutex held: there is no poll leader, and no waiting thread; or the state has changed. */
  void (*notify)(hf_conn *conn);
  /* The connection is closed. */
  void (*free)(hf_conn *conn);
};

/* A reply whose bytes go straight to its call; see landing.h. */
struct landing {
  size_t left; /* bytes to come; 0: nothing lands */
  uint32_t id; /* the request's, and its sequence */
  uint64_t sequence;
  bool is_usual; /* the last reply landed: the next read leaves the next one's bytes on the link */
};

struct hf_conn {
  pthread_mutex_t mutex;
  const struct conn_above *above;
  atomic_uint references; /* the program's, and one for each value that has references */
  struct hf_conn *next_watched;

  /* Never change after hf_connect. */
  char *url, *client;
  const struct transport *transport;
  const char *address; /* within url */
  int64_t call_timeout_ms;
  uint32_t grace_ms;

  /* Shared memory. The poll leader's, except no_local: why shared memory is not used; NULL: it is
   * used. */
  bool wants_local;
  bool is_local_path_proven; /* this server's: the url named it, or the session was resumed there */
  /* The path of the local handshake; "": unknown or none. Written under the mutex. */
  char local_path[CONN_LOCAL_PATH_BYTES_MAX];
  uint64_t local_retry_ns;        /* when shared memory may be tried again after a failure */
  _Atomic(const char *) no_local; /* static */

  enum conn_state state;
  struct failure *ended; /* ENDED: why */
  struct link link;
  struct dialling dialling; /* the poll leader's; `worked` is written under the mutex */
  struct attempt *attempt;  /* the poll leader's */
  bool is_broken;           /* UP, but the link was cut, and the poll leader is to take it down */
  bool has_answered;        /* a reply other than that of opening the session came over this link */
  uint32_t change_count;    /* counts links made and lost, and steps towards a link */
  uint64_t up_since_ns, retry_at_ns;
  /* When the last useful link was lost. Resuming a session that then answers nothing leaves it. */
  uint64_t lost_since_ns;
  uint32_t retry_count;  /* attempts since lost_since_ns */
  uint32_t flap_count;   /* links since lost_since_ns that answered nothing */
  uint64_t resend_at_ns; /* when refused requests are to be resent */
  uint32_t resend_count; /* consecutive resends */
  int dial_error;        /* errno of the last attempt, or of what ended the last link */

  bool is_closed; /* by hf_close */
  bool has_session;
  uint32_t session_missing; /* 1 until the session is open or was refused; hf_connect waits for 0 */
  uint8_t session[HF_SESSION_BYTES];
  uint64_t resume_attempt;
  /* See inherit.h. */
  /* The announced session of a child about to be forked. */
  uint8_t forked_session[HF_SESSION_BYTES];
  bool is_announced;
  bool is_forked; /* a forked child: `session` was announced by the parent, and is to be resumed */
  atomic_uint_least64_t frame_bytes_max; /* of a request; read without the mutex */

  /* Set by hf_cancel, which also makes the descriptor readable to wake the poll leader. */
  atomic_bool cancel_requested;
  atomic_uint cancel_count;  /* calls of hf_cancel; ends waits on mapped memory */
  atomic_int cancel_fd;      /* -1 until the next wait */
  bool owes_acknowledgement; /* a received item is not yet acknowledged to the server */
  bool has_acknowledged;     /* an Acknowledge was sent, which this link may lose */

  bool has_leader;
  uint32_t room_count; /* threads that wait for room to send on the link */
  struct waiter *waiters;
  struct window window;
  struct arena reply_arena;

  /* Received and not yet dispatched: input[input_start, input_end). The poll leader's. */
  uint8_t *input;
  size_t input_capacity, input_start, input_end;
  struct landing landing; /* while one is open the input is empty */

  struct releases releases;
  struct hf_object *handles;
  bool is_inherited;         /* a forked child whose session has yet to take its references */
  uint32_t unattached_count; /* pipe handles whose ends the child has yet to attach */

  /* Of the layers above. */
  struct segment_map *segments; /* of cells */
  atomic_bool has_call_modes;   /* some thread has ever opened a call mode */
  struct pipeline *pipelines;
  struct hf_async *async; /* NULL: none is open */
  struct oneway *oneway;  /* NULL until used */
};

void conn_lock(hf_conn *conn);
void conn_unlock(hf_conn *conn);
hf_conn *conn_retain(hf_conn *conn);
void conn_release(hf_conn *conn);
/* Whether every further call fails. Locks the mutex. */
bool conn_has_ended(hf_conn *conn);
/* Sets local_path, which is unproven then. Locks the mutex. */
void conn_set_local_path(hf_conn *conn, struct bytes path);

/* The number of the calling thread, unique in the process. */
uint64_t conn_thread(void);

/* The functions below: mutex held. */

/* Sends unsent requests of the window, as many as the link takes now. */
void conn_write(hf_conn *conn);
/* The same, if something was submitted that nobody waits for and nobody has written. Not in a loop over the
 * window. */
void conn_write_unawaited(hf_conn *conn);
/* Ends the link's traffic; the poll leader sees the end of the stream and takes the link down.
 * error: an errno, the cause */
void conn_cut_link(hf_conn *conn, int error);
/* Wakes the threads whose counts are reached; `all`: all threads and the event loop, after a change of the
 * state. */
void conn_wake(hf_conn *conn, bool all);
/* Sets the thread's last error to "no answer", with advice. */
hf_status conn_error_unanswered(const hf_conn *conn);
/* Sets the thread's last error to the reason why the session ended. */
hf_status conn_error_ended(const hf_conn *conn);
/* Grows `input` to at least `size` bytes. The poll leader's, also without the mutex. false: out of
 * memory */
bool conn_input_reserve(hf_conn *conn, size_t size);

#endif
