/* One client of this machine: its hello at the door, then its two rings.
 *
 * layer   local, internal
 * threads The local thread reads, serves and ends; replies come from any thread, under the link's
 *         lock.
 * memory  counted: the table holds one reference until the link has ended, whoever looks it up
 *         another. Freed with the last.
 *
 *            accepted
 *               |
 *             HELLO ---- refused, late, or left ----.
 *               | has its segment                   |
 *               v                                   v
 *             OPEN ----- left, nonsense, closed --> ENDED
 *
 * While its outbox is full, an open link is not read from.
 */
#ifndef HF_LOCAL_LINK_H
#define HF_LOCAL_LINK_H

#include "proto/base/buffer.h"
#include "proto/base/complaints.h"
#include "proto/ring.h"
#include "server/dispatch/split.h"
#include "server/local/door.h"
#include "server/local/local.h"

#include <pthread.h>
#include <sys/queue.h>

/* What all links share. */
struct link_house {
  struct segment_lender lender;
  struct dispatch *dispatch; /* borrowed */
  struct complaints complaints;
  atomic_uint unsent_count;  /* links with unsent replies */
  uint32_t starved_count;    /* links without memory for their input; the local thread's */
  uint32_t part_count;       /* links that hold a large part of a request; the local thread's */
  atomic_bool some_are_over; /* links, since the local thread looked for them */
  int poke;                  /* an eventfd of our own: wakes the local thread */
};

enum link_state { LINK_HELLO, LINK_OPEN, LINK_ENDED };

struct local_link {
  struct link_house *house;
  uint64_t id;
  int door;
  int bell; /* the client's knocks, from the welcome on; else -1 */
  atomic_uint references;

  /* The local thread's. */
  enum link_state state;
  enum door_status refusal; /* HELLO: what it will be answered; DOOR_WELCOME: nothing against it */
  uint64_t hello_deadline_ns;
  bool is_announced; /* dispatch knows it */
  bool has_left;     /* nothing more will be written to its ring */
  bool holds_part;   /* counted in part_count */
  bool is_starved;   /* counted in starved_count */
  bool is_busy;      /* gone round; else its ring says that we sleep */
  uint64_t served_ns;
  uint32_t told_cpu; /* the client thinks that we run there */
  TAILQ_ENTRY(local_link) next_busy;
  struct segment *segment; /* NULL before the hello */
  struct ring_end requests;
  struct buffer input;
  struct budget_account input_account;
  struct split split;

  atomic_bool is_unsent;     /* changes under the lock */
  atomic_bool client_sleeps; /* it had to be woken for the last replies */
  _Atomic(const char *) why; /* it is to end; static */
  pthread_mutex_t lock;      /* for all below */
  bool takes_replies;
  bool is_served; /* by the local thread, which will send */
  struct ring_end replies;
  struct outbox outbox;
  uint64_t unsent_since_ns; /* or the last time that some of it went */
};

/* With one reference; takes the door on success. NULL: out of memory. */
struct local_link *link_new(struct link_house *house, uint64_t id, int door,
                            enum door_status refusal);
void link_acquire(struct local_link *link);
void link_release(struct local_link *link);

/* The local thread's. */

/* After news at the door. */
void link_hear(struct local_link *link);
/* Reads, serves and answers a turn's worth. Whether there was anything to do. */
bool link_serve(struct local_link *link, uint64_t now_ns);
/* Lets the client knock from now on. false: there is something to serve yet. */
bool link_rest(struct local_link *link);
/* Whether its client was awake to see the last replies, on another processor than ours. */
bool link_is_followed(struct local_link *link);
/* What waited too long ends: hellos, parts of requests, replies. */
void link_check_times(struct local_link *link, uint64_t now_ns);
/* To be ended: why is set, or the peer left and everything it said was served. */
bool link_is_over(struct local_link *link);
/* Nothing of it is served from here on. */
void link_end(struct local_link *link);

/* See struct dispatch_sink. */
bool link_deliver(struct local_link *link, const struct sp_route *route, struct reply *reply,
                  bool own);
/* Ends it soon. */
void link_close(struct local_link *link, const char *why);
/* Wakes the local thread, or keeps it from going to sleep. */
void link_poke(const struct link_house *house);

#endif
