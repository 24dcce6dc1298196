/* A row of the table of transports: one client of this machine, its local handshake, then its two
 * rings in shared memory.
 *
 * layer   transport, internal
 * threads The rings' thread does all reading, calls all events and every function below; any thread may
 *         write.
 * memory  Reference counted: the rings' thread has a reference until it has ended the stream, the
 *         connection has another.
 *
 *            accepted
 *               |
 *             hello ----- refused, late, or left --------.
 *               | has its segment and its connection     |
 *               v                                        v
 *             open ----------- closed ----------------> ended
 *
 * reading of an open one:
 *             POLLED <-- its descriptors, or the clock -- AWAITED
 *             POLLED <-- the clock, or the stream's end - PAUSED
 *              |  ^ '-------- await_readable, pause -----------^
 *   poll: GONE |  | resume
 *              v  |
 *             KEPT by the connection
 */
#ifndef HF_TRANSPORT_RING_STREAM_H
#define HF_TRANSPORT_RING_STREAM_H

#include "proto/base/limited_log.h"
#include "proto/ring.h"
#include "server/transport/ring_handshake.h"
#include "server/transport/segment_opener.h"
#include "server/transport/transport.h"

#include <stdatomic.h>
#include <sys/queue.h>

/* What all streams share. */
struct ring_context {
  struct segment_opener opener;
  const struct transport_acceptor *acceptor; /* borrowed */
  struct limited_log limited_log;
  atomic_uint awaiting_room_count; /* streams whose connections wait for room */
  uint32_t timed_count;            /* awaited until a deadline; the thread's */
  uint32_t paused_count;           /* the thread's */
  atomic_bool some_are_over;       /* a stream, since the thread's last search for them */
  atomic_bool some_are_resumed;    /* likewise */
  int wakeup;                      /* an eventfd of the server's own: wakes the rings' thread */
};

enum ring_reading { RING_KEPT, RING_POLLED, RING_AWAITED, RING_PAUSED };

struct ring_stream {
  struct ring_context *context;
  uint64_t id;
  int socket;   /* of the local handshake */
  int doorbell; /* the eventfd that the client notifies; -1 before the welcome */
  atomic_uint references;
  void *connection; /* NULL: in hello */

  /* The thread's. */
  enum handshake_status refusal; /* the answer to its hello; HANDSHAKE_WELCOME: not refused */
  enum ring_reading reading;
  uint64_t deadline_ns; /* of the hello, or while AWAITED or PAUSED */
  bool has_left;        /* the client writes nothing more to its ring */
  bool is_late;         /* the next read answers TRANSPORT_LATE */
  bool is_busy; /* in the run queue; else its ring says that the server waits for the doorbell */
  uint64_t served_ns;
  uint32_t announced_cpu; /* the processor that the ring says the rings' thread runs on */
  TAILQ_ENTRY(ring_stream) next_busy;
  struct segment *segment; /* NULL before the hello */
  struct ring_end requests;

  /* The writer's; between await_writable and the event the thread's. */
  struct ring_end replies;
  /* TRANSPORT_OK: the next write tries; else the answer of the next write. */
  enum transport_result room;
  atomic_uint_fast64_t room_deadline_ns;
  /* The event is due; the thread that clears the flag calls the event, or needs none. */
  atomic_bool awaits_room;
  atomic_bool client_sleeps; /* the client had to be woken for the last replies */
  atomic_bool is_over;       /* to be ended */

  /* Dekker's handshake: resume stores is_resumed, then reads is_ended; the thread stores is_ended, then
   * reads is_resumed. One of the two takes the flag away, and goes on with reading. */
  atomic_bool is_resumed, is_ended;
};

/* With one reference; takes the socket on success. NULL: out of memory. */
struct ring_stream *ring_stream_new(struct ring_context *context, uint64_t id, int socket,
                                    enum handshake_status refusal);
void ring_stream_release(struct ring_stream *stream);

/* The socket of the local handshake is readable. */
void ring_stream_read_socket(struct ring_stream *stream);
/* Whether reading was resumed; it is POLLED then. */
bool ring_stream_take_resume(struct ring_stream *stream);
/* Something has come: AWAITED becomes POLLED. PAUSED stays so until its deadline, but the stream is to be
 * served all the same: its connection may wait for room. */
void ring_stream_poll_again(struct ring_stream *stream);
/* Calls the events that are due. Whether there was anything to do. */
bool ring_stream_serve(struct ring_stream *stream, uint64_t now_ns);
/* The client has to ring the doorbell from now on. false: there is something to serve yet. */
bool ring_stream_go_idle(struct ring_stream *stream);
/* Whether the client was awake to see the last replies, on another processor than the rings'
 * thread. */
bool ring_stream_is_followed(struct ring_stream *stream);
/* Ends waits whose deadline has passed. Whether the stream is to be polled. */
bool ring_stream_check_times(struct ring_stream *stream, uint64_t now_ns);
bool ring_stream_is_over(struct ring_stream *stream);
/* Of a stream that is over: calls the last events. */
void ring_stream_end(struct ring_stream *stream);

/* Wakes the rings' thread, or keeps it from going to sleep. */
void ring_context_notify(const struct ring_context *context);

#endif
