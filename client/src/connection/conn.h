/* A connection: one session on a server, whatever links it needs meanwhile.
 *
 *          OpenSession                     link lost
 *   DOWN ----------------------> UP -------------------------> DOWN (the session resumes, or:)
 *     |    ResumeSession          |      SESSION_ENDED           |
 *     '---------------------------+------------------------------+-----> ENDED (every call fails)
 *
 * layer   client, connection
 * threads One mutex. A thread that waits while no other one leads becomes the poll leader, see leader.h;
 *         the others sleep, each on a condition variable of its own. Blocking work is done only by
 *         the poll leader.
 * memory  Counted, because values that hold references outlive hf_close.
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

/* Holds to be given back with the next call. */
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

/* What the layers above keep with the connection. */
struct conn_above {
  /* In a forked child, mutex held, before the window forgets the parent's requests. */
  void (*become_child)(hf_conn *conn);
  /* Mutex held: no thread leads, and none waits. */
  void (*leaderless)(hf_conn *conn);
  /* The connection is closed. */
  void (*free)(hf_conn *conn);
};

struct hf_conn {
  pthread_mutex_t mutex;
  const struct conn_above *above;
  atomic_uint references; /* the user's, and one for each value that holds references */
  struct hf_conn *next_watched;

  /* Never change after hf_connect. */
  char *url, *client;
  const struct transport *transport;
  const char *address; /* within url */
  int64_t call_timeout_ms;
  uint32_t grace_ms;

  /* Shared memory. The poll leader's, but for the last, which says why it is not used; NULL: it is. */
  bool wants_local;
  bool
      is_local_path_proven; /* the url named it, or the session was resumed there: it is this server's */
  char local_path
      [CONN_LOCAL_PATH_BYTES_MAX]; /* where to get it; "": not known, or there is none; written under
                                   * the mutex */
  uint64_t local_rest_until_ns;    /* it broke lately: sockets until then */
  _Atomic(const char *) no_local;  /* static */

  enum conn_state state;
  struct failure *ended; /* ENDED: why */
  struct link link;
  struct dialling dialling; /* the poll leader's; `worked` is written under the mutex */
  struct attempt *attempt;  /* the poll leader's */
  bool is_broken;           /* UP, but the link was cut; the poll leader takes it down */
  bool has_answered;     /* a reply to a request came over this link; opening the session is none */
  uint32_t change_count; /* of links that came and went, and steps towards one */
  uint64_t up_since_ns, retry_at_ns;
  uint64_t lost_since_ns; /* when the last link that was of use was lost: a session that is resumed
                             again and again, and answers nothing, does not move it */
  uint32_t retry_count;   /* attempts since then */
  uint32_t flap_count;    /* links since then, which came to be and answered nothing */
  uint64_t resend_at_ns;  /* of requests that the server had no room for */
  uint32_t resend_count;  /* in a row */
  int dial_error;         /* errno of the last attempt, or of what ended the last link */

  bool is_closed; /* by hf_close */
  bool has_session;
  uint32_t
      session_missing; /* 1 until there is a session or it was refused: what hf_connect awaits */
  uint8_t session[HF_SESSION_BYTES];
  uint64_t resume_attempt;
  /* See inherit.h. */
  uint8_t
      forked_session[HF_SESSION_BYTES]; /* of a child about to be forked, while it is announced */
  bool is_announced;
  bool is_forked; /* a child: `session` names what its parent announced, to be resumed */
  atomic_uint_least64_t frame_bytes_max; /* of a request; read without the mutex */

  /* Set by hf_cancel, which also makes the descriptor readable to wake the poll leader. */
  atomic_bool cancel_requested;
  atomic_uint cancel_count;  /* how often: ends waits that the server knows nothing of */
  atomic_int cancel_fd;      /* -1: none, until the next wait */
  bool owes_acknowledgement; /* of an item that was received, and not yet told to the server */
  bool has_acknowledged;     /* in a message of its own, which this link may lose */

  bool has_leader;
  uint32_t room_count; /* threads that wait for room to send on the link */
  struct waiter *waiters;
  struct window window;
  struct arena reply_arena;

  /* Received and not yet handed out: input[input_start, input_end). The poll leader's. */
  uint8_t *input;
  size_t input_capacity, input_start, input_end;

  struct releases releases;
  struct hf_object *handles;
  bool is_inherited;         /* a forked child that has to tell the server what it holds */
  uint32_t unattached_count; /* pipe handles it has still to attach there */

  /* Of the layers above. */
  struct segment_map *segments; /* of cells */
  atomic_bool has_call_modes;   /* some thread ever sent its calls otherwise than one by one */
  struct pipeline *pipelines;
  struct hf_async *async; /* NULL: none is open */
  struct oneway *oneway;  /* NULL until used */
};

void conn_lock(hf_conn *conn);
void conn_unlock(hf_conn *conn);
hf_conn *conn_retain(hf_conn *conn);
void conn_release(hf_conn *conn);
/* Whether every further call fails. Takes the mutex itself. */
bool conn_has_ended(hf_conn *conn);
/* Notes where the server's memory is to be had. Takes the mutex itself. */
void conn_set_local_path(hf_conn *conn, struct bytes path);

/* A number for the calling thread, unique in the process. */
uint64_t conn_thread(void);

/* All that follow: mutex held. */

/* Sends what the window has to send, as far as it goes now. */
void conn_write(hf_conn *conn);
/* Ends the link's traffic; the poll leader sees the end of the stream and takes the link down.
 * error  an errno: why */
void conn_cut_link(hf_conn *conn, int error);
/* Wakes who has something to do after counts or the state changed. */
void conn_wake(hf_conn *conn, bool all);
/* Makes "no answer" the thread's last error, with what to do about it. */
hf_status conn_error_unanswered(const hf_conn *conn);
/* Makes why the session ended the thread's last error. */
hf_status conn_error_ended(const hf_conn *conn);
/* Makes room for `size` bytes of input in all. The poll leader's: without the mutex too. */
bool conn_input_reserve(hf_conn *conn, size_t size);

#endif
