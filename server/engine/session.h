/* Sessions: a client process as the server knows it.
 *
 *             OpenSession                connection lost
 *   (none) ---------------> bound ----------------------------> lost
 *                            |  ^        ResumeSession           | |
 *                            |  '--------------------------------' |
 *                            | CloseSession                        | grace time over
 *                            v                                     v
 *                       ended, clean                        ended, abnormal
 *                  locks stay held (robust ones           locks are free, the next
 *                  are free)                              holder is told
 *
 *                  reserved items go back              reserved items go back, as tried
 *
 *   Either end: waiters gone, pipe ends detached, references dropped; its name answers
 * SESSION_ENDED.
 *
 * layer   engine
 * window  Replies are kept until acknowledged, so that a repeated request is answered, not
 * repeated.
 */
#ifndef HF_ENGINE_SESSION_H
#define HF_ENGINE_SESSION_H

#include "proto/base/map64.h"
#include "server/engine/addresses.h"
#include "server/engine/memory.h"
#include "server/engine/reply.h"
#include "server/engine/sequences.h"
#include "server/engine/share.h"
#include "server/engine/waiter.h"
#include "server/objects/task.h"

struct session {
  TAILQ_ENTRY(session) lost_link; /* in one of the engine's lists: without a connection, or over */
  TAILQ_ENTRY(session) address_lost_link; /* in its address's list, while it is lost */
  struct address *address;                /* it was opened from there */
  TAILQ_ENTRY(session) peer_link;         /* in peer->sessions */
  struct peer *peer;                      /* the connection it was bound to last; NULL: closed */
  uint64_t serial; /* the first 8 bytes of its id; names it inside the engine */
  uint64_t number; /* names it to others, who must not know its id */
  uint8_t id[HF_SESSION_BYTES];
  struct value client;         /* text, for people */
  uint64_t connection;         /* 0: lost */
  uint64_t attempt;            /* of the last resume */
  int process;                 /* the sink's handle; or one of: */
#define PROCESS_ELSEWHERE (-1) /* on another machine, for all that is known */
#define PROCESS_HIDDEN (-2)    /* on this one, but it can't be looked at */
  uint64_t process_id;         /* as it said itself; 0: it has ended */
  uint32_t grace_ms;
  bool is_lost;

  /* See forks.c. */
  bool is_unclaimed;      /* made for a forked child, which did not resume it yet */
  struct session *parent; /* of an unclaimed one; NULL: it has ended */
  TAILQ_ENTRY(session) sibling_link;
  struct session_list forked; /* unclaimed ones whose parent it is */
  size_t forked_count;

  struct timer timer; /* runs while lost */
  uint64_t heard_ns;  /* when its last request came: what renews its leases */

  struct map64 window; /* sequence -> struct reply, one count each */
  uint32_t
      pending_count; /* of them, of requests that still wait: those have a bound of their own */
  size_t window_bytes;
  uint64_t acked;              /* every sequence up to here is acknowledged */
  uint64_t highest;            /* sequence seen */
  struct sequences acked_also; /* those beyond `acked`; their memory is part of window_bytes */

  struct map64 holds;   /* object id -> count of references */
  struct map64 locks;   /* object id -> non-NULL: locks it holds */
  struct map64 expired; /* object id -> non-NULL: locks it lost with their lease, unknowingly */
  struct map64 permits; /* object id -> count: semaphores acquired and not released */
  struct map64 acting;  /* object id -> non-NULL: barriers that wait for its action */
  struct map64 cells; /* object id -> struct cell_share, one count each: what it may have mapped */
  struct map64 ends;  /* object id -> bits: pipe ends it is attached to */
  struct map64 reservations; /* number -> struct task */
  struct task_list reserved; /* the same, the oldest first */
  struct waiter_list waiters;
  size_t waiters_count;
  size_t references_bytes; /* of `holds`, as charged */
  size_t tables_bytes;     /* of the session itself and all its other tables, as charged */
  size_t fixed_bytes;      /* of the session itself and its name */
  bool tables_changed;     /* some may be larger than charged, or sparse */

  /* One-way requests, numbered apart. */
  struct waiter_list one_way_waiters; /* those of `waiters` that are numbered, in order */
  uint64_t one_way_received;
  uint64_t one_way_failed; /* since the last flush */
  size_t failures_count;
  struct reply_failure *failures; /* HF_FAILURES_MAX of them, or NULL */
  struct wait_queue flushers;

  /* How far its end has come. */
  unsigned end_phase;
  size_t end_position;
  bool ends_clean;
};

/* Unbound; client is taken. NULL: out of memory, nothing taken. */
struct session *session_new(const uint8_t id[HF_SESSION_BYTES], uint32_t grace_ms,
                            struct value client);
/* Nobody may wait in it. */
void session_free(struct session *session);
/* session_account() with tables that have changed. */
void session_recount(struct session *session, struct memory *memory);
/* Charges what its tables take now. What grows is charged by the end of the request. */
static inline void session_account(struct session *session, struct memory *memory) {
  if (session->tables_changed) {
    session_recount(session, memory);
  }
}
/* As map64_set and map64_remove, of a table of the session's own. */
static inline bool session_set(struct session *session, struct map64 *table, uint64_t key,
                               void *value) {
  size_t slots = map64_slots(table);
  bool is_set = map64_set(table, key, value);
  session->tables_changed |= map64_slots(table) != slots;
  return is_set;
}
static inline void *session_remove(struct session *session, struct map64 *table, uint64_t key) {
  size_t slots = map64_slots(table);
  void *removed = map64_remove(table, key);
  session->tables_changed |= map64_slots(table) != slots || map64_is_sparse(table);
  return removed;
}
/* Refunds all that is charged for it, kept replies too, before it is freed. */
void session_refund(struct session *session, struct memory *memory);
/* It ends without its client's knowledge: what that may have mapped is no other cell's from now on. */
void session_retire_cells(struct session *session);

/* Drops the replies up to `acked`, and those listed. Running operations stay, and replies whose
 * acknowledgement can't be remembered. */
void session_acknowledge(struct session *session, struct memory *memory, uint64_t acked,
                         const uint64_t *also, size_t also_count);
/* A repeated request's reply, borrowed; NULL: the sequence is new. */
struct reply *session_find_reply(const struct session *session, uint64_t sequence);
/* Whether a new request fits. HF_REASON_NONE | WINDOW_FULL BAD_SEQUENCE */
hf_reason session_check_sequence(const struct session *session, uint64_t sequence);
/* Keeps the reply (one count more) until acknowledged. false: out of memory. */
bool session_keep_reply(struct session *session, struct reply *reply);
/* A sequence was seen, whether or not its reply is kept. Whether it is beyond all that were. */
bool session_note_sequence(struct session *session, uint64_t sequence);

/* How a one-way request ended. */
void session_note_failure(struct session *session, uint64_t sequence, const struct reply *reply);
/* Every one-way request up to the answer is done. */
uint64_t session_one_way_finished(const struct session *session);

/* Counts of references; they do not touch the objects. */
bool session_hold(struct session *session, uint64_t object);
/* Drops up to count; answers how many it had of them. */
uint64_t session_unhold(struct session *session, uint64_t object, uint64_t count);

#endif
