/* A row of the table of transports: one client of this machine, its hello at the door, then its two
 * rings in shared memory.
 *
 * layer   transport, internal
 * threads The rings' thread has all of reading, calls all events and everything below; writing is any
 *         thread's.
 * memory  counted: the rings' thread holds one reference until it has ended the stream, its connection
 *         another. Freed with the last.
 *
 *            accepted
 *               |
 *             hello ----- refused, late, or left --------.
 *               | has its segment and its connection     |
 *               v                                        v
 *             open ----------- closed ----------------> ended
 *
 * reading of an open one:
 *
 *             POLLED <---- news at the door, or the clock ---- AWAITED, PAUSED
 *              |  ^ '-------- await_readable, pause -----------------^
 *   poll: GONE |  | resume
 *              v  |
 *             KEPT by the connection
 */
#ifndef HF_TRANSPORT_RING_STREAM_H
#define HF_TRANSPORT_RING_STREAM_H

#include "proto/base/limited_log.h"
#include "proto/ring.h"
#include "server/transport/door.h"
#include "server/transport/rings.h"

#include <stdatomic.h>
#include <sys/queue.h>

/* What all streams share. */
struct ring_house {
  struct segment_lender lender;
  const struct transport_acceptor *acceptor; /* borrowed */
  struct limited_log limited_log;
  atomic_uint awaiting_room_count; /* streams whose connections wait for room */
  uint32_t timed_count;            /* awaited until a deadline; the thread's */
  uint32_t paused_count;           /* the thread's */
  atomic_bool some_are_over;       /* streams, since the thread looked for them */
  int poke;                        /* an eventfd of our own: wakes the thread */
};

enum ring_reading { RING_KEPT, RING_POLLED, RING_AWAITED, RING_PAUSED };

struct ring_stream {
  struct ring_house *house;
  uint64_t id;
  int door;
  int bell; /* the client's knocks, from the welcome on; else -1 */
  atomic_uint references;
  void *connection; /* NULL: in hello */

  /* The thread's. */
  enum door_status refusal; /* what its hello will be answered; DOOR_WELCOME: nothing against it */
  enum ring_reading reading;
  uint64_t deadline_ns; /* of the hello, or while AWAITED */
  bool has_left;        /* nothing more will be written to its ring */
  bool is_late;         /* the next read is to say so */
  bool is_busy;         /* gone round; else its ring says that we sleep */
  uint64_t served_ns;
  uint32_t told_cpu; /* the client thinks that we run there */
  TAILQ_ENTRY(ring_stream) next_busy;
  struct segment *segment; /* NULL before the hello */
  struct ring_end requests;

  /* The writer's; between await_writable and the event the thread's. */
  struct ring_end replies;
  enum transport_result room; /* TRANSPORT_OK: the next write tries; else what it answers */
  atomic_uint_fast64_t room_deadline_ns;
  atomic_bool awaits_room; /* the event is due; who takes the flag away calls it, or does without */
  atomic_bool client_sleeps; /* it had to be woken for the last replies */
  atomic_bool is_over;       /* to be ended */
};

/* With one reference; takes the door on success. NULL: out of memory. */
struct ring_stream *ring_stream_new(struct ring_house *house, uint64_t id, int door,
                                    enum door_status refusal);
void ring_stream_release(struct ring_stream *stream);

/* After news at the door. */
void ring_stream_hear(struct ring_stream *stream);
/* It is gone round from now on: reading that waits becomes POLLED. */
void ring_stream_poll_again(struct ring_stream *stream);
/* Calls the events that are due. Whether there was anything to do. */
bool ring_stream_serve(struct ring_stream *stream, uint64_t now_ns);
/* Lets the client knock from now on. false: there is something to serve yet. */
bool ring_stream_rest(struct ring_stream *stream);
/* Whether its client was awake to see the last replies, on another processor than ours. */
bool ring_stream_is_followed(struct ring_stream *stream);
/* What waited too long hears of it. Whether the stream is to be gone round. */
bool ring_stream_check_times(struct ring_stream *stream, uint64_t now_ns);
bool ring_stream_is_over(struct ring_stream *stream);
/* One that is over: calls the last events. */
void ring_stream_end(struct ring_stream *stream);

/* Wakes the thread, or keeps it from going to sleep. */
void ring_house_poke(const struct ring_house *house);

#endif
