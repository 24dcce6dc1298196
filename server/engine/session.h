/* Sessions: a client process as the server knows it.
 *
 *             OpenSession                connection lost
 *   (none) ---------------> bound ----------------------------> lost
 *                            |  ^        ResumeSession           | |
 *                            |  '--------------------------------' |
 *                            | CloseSession                        | grace time over
 *                            v                                     v
 *                       ended, clean                        ended, abnormal
 *                  locks stay locked; robust and          locks are free, the next
 *                  leased ones are free                   owner is notified
 *                  reserved items go back                 reserved items go back, as tried
 *
 *   Either end: waiters gone, pipe ends detached, references dropped; its name answers SESSION_ENDED.
 *
 * layer   engine
 * window  Replies are kept until acknowledged, so that a repeated request is answered, not repeated.
 */
#ifndef HF_ENGINE_SESSION_H
#define HF_ENGINE_SESSION_H

#include "proto/base/map64.h"
#include "server/engine/addresses.h"
#include "server/engine/command.h"
#include "server/engine/memory.h"
#include "server/engine/reply.h"
#include "server/engine/sequences.h"
#include "server/engine/share.h"
#include "server/engine/waiter.h"
#include "server/objects/task.h"

struct user;

struct session {
  TAILQ_ENTRY(session) lost_link; /* in one of the engine's lists: without a connection, or over */
  TAILQ_ENTRY(session) address_lost_link; /* in its address's list, while it is lost */
  struct address *address;                /* it was opened from there */
  struct user *user;                      /* whose it is; NULL: the owner's */
  TAILQ_ENTRY(session) peer_link;         /* in peer->sessions */
  struct peer *peer;                      /* the connection it was bound to last; NULL: closed */
  uint64_t serial; /* the first 8 bytes of its id; names it inside the engine */
  uint64_t number; /* its public name: the id is secret */
  uint8_t id[HF_SESSION_BYTES];
  struct value client; /* text, for people */
  uint64_t connection; /* 0: lost */
  uint64_t attempt;    /* of the last resume */
  int process;         /* a handle, or one of PROCESS_ELSEWHERE and PROCESS_HIDDEN */
  uint64_t process_id; /* as it said itself; 0: it has ended */
  uint32_t grace_ms;
  bool is_lost;
  /* While it is lost: how far its grace time was extended for crowding, and how long there had been
   * crowding when that was last looked at. */
  uint64_t extended_ns;
  uint64_t crowded_ns;

  /* See forks.c. */
  bool is_unadopted;      /* made for a forked child, which did not resume it yet */
  struct session *parent; /* of an unadopted session; NULL: it has ended */
  TAILQ_ENTRY(session) sibling_link;
  struct session_list forked; /* unadopted sessions whose parent it is */
  size_t forked_count;

  struct timer timer; /* runs while lost */
  uint64_t heard_ns;  /* when its last request came: what renews its leases */

  struct heard heard; /* its requests that only read and are in no log yet; see reads.h */
  TAILQ_ENTRY(session) heard_link; /* if there are some */

  struct map64 window; /* sequence -> struct reply, one count each */
  /* Of them, of requests that still wait: those have a bound of their own. */
  uint32_t pending_count;
  size_t window_bytes;
  uint64_t acked;              /* every sequence up to here is acknowledged */
  uint64_t highest;            /* sequence seen */
  struct sequences acked_also; /* those beyond `acked`; their memory is part of window_bytes */

  struct map64 references; /* object id -> reference_entry */
  struct map64 locks;      /* object id -> non-NULL: locks it owns */
  struct map64 expired;    /* object id -> non-NULL: locks it lost with their lease, unknowingly */
  struct map64 permits;    /* object id -> count: semaphores acquired and not released */
  struct map64 acting;     /* object id -> non-NULL: barriers that wait for its action */
  struct map64 cells; /* object id -> struct cell_share, a reference each: cells that its process
                       * may have mapped */
  struct map64 ends;  /* object id -> bits: pipe ends it is attached to */
  struct map64 reservations; /* number -> struct task */
  struct task_list reserved; /* the same, the oldest first */
  struct waiter_list waiters;
  size_t waiters_count;
  struct memory *memory;   /* borrowed: the engine's, where it is charged */
  size_t references_bytes; /* of `references`, as charged */
  size_t tables_bytes;     /* of the session itself and all its other tables, as charged */
  bool has_sparse_tables;

  /* One-way requests, numbered apart. */
  struct waiter_list one_way_waiters; /* those of `waiters` that are numbered, in order */
  uint64_t one_way_received;
  uint64_t one_way_failed; /* since the last flush */
  size_t failures_count;
  struct reply_failure *failures; /* HF_FAILURES_MAX of them; NULL: there are none */
  struct wait_queue flushers;

  /* How far its end has come. */
  unsigned end_phase;
  uint64_t end_position;
  bool ends_clean;
};

/* Unbound, and charged to the memory, which is borrowed; client is taken. NULL: out of memory, nothing
 * taken. */
struct session *session_new(const uint8_t id[HF_SESSION_BYTES], uint32_t grace_ms,
                            struct value client, const struct value_hash_key *hash_key,
                            struct memory *memory);
/* Refunds what is charged for the session, its window too. It has no waiters. */
void session_free(struct session *session);
/* As map64_set and map64_remove, of a table of the session: charges the table's bytes. */
bool session_set(struct session *session, struct map64 *table, uint64_t key, void *value);
void *session_remove(struct session *session, struct map64 *table, uint64_t key);
/* Tables that were much larger give memory back: apart from session_remove, after which the same key
 * can be set without memory. */
void session_trim(struct session *session);
/* It ends without its client's knowledge: what that may have mapped is no other cell's from now on. */
void session_retire_cells(struct session *session);

/* Drops the replies up to `acked`, and those listed. Running operations stay, and replies whose
 * acknowledgement can't be remembered. */
void session_acknowledge(struct session *session, uint64_t acked, const uint64_t *also,
                         size_t also_count);
/* A repeated request's reply, borrowed; NULL: the sequence is new. */
struct reply *session_find_reply(const struct session *session, uint64_t sequence);
/* Keeps the reply (one count more) until acknowledged. false: out of memory. */
bool session_keep_reply(struct session *session, struct reply *reply);
/* Whether there is room for a reply of that number. When memory is exhausted there is for few; those of waiting
 * requests count then for one that may wait. HF_REASON_NONE | BAD_SEQUENCE WINDOW_FULL MEMORY_FULL */
hf_reason session_check_room(const struct session *session, uint64_t sequence, bool may_wait);
/* A sequence was seen, whether or not its reply is kept. Whether it is beyond all that were. */
bool session_record_sequence(struct session *session, uint64_t sequence);

/* How a one-way request ended: counted, and remembered as long as there is room. */
void session_record_failure(struct session *session, uint64_t sequence, const struct reply *reply);
void session_remember_failure(struct session *session, struct reply_failure failure);
/* All failures were reported. */
void session_forget_failures(struct session *session);
/* Every one-way request up to the answer is done. */
uint64_t session_one_way_finished(const struct session *session);

/* An entry of references: their count, and the rights that were handed with any of them, as bits of enum
 * operation_access, which count for objects without a name. */
#define REFERENCE_RIGHTS_BITS 2
static inline uint64_t reference_count(const void *entry) {
  return (uintptr_t)entry >> REFERENCE_RIGHTS_BITS;
}
static inline unsigned reference_rights(const void *entry) {
  return (uintptr_t)entry & ((1u << REFERENCE_RIGHTS_BITS) - 1);
}
/* What was handed to the session with references to the object; 0 without any. */
unsigned session_rights_to(const struct session *session, uint64_t object);
/* These do not touch the objects. */
bool session_add_reference(struct session *session, uint64_t object, unsigned rights);
/* Drops up to count; answers how many it had of them. */
uint64_t session_drop_references(struct session *session, uint64_t object, uint64_t count);

#endif
