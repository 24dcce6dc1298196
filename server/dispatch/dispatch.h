/* Dispatch: a frame becomes a request, the engine applies it, its reply becomes bytes.
 *
 * layer   dispatch: called by connection, calls the engine
 * threads any; the engine runs under one lock inside. Decoding and encoding happen outside it. With a
 *         log, dispatch_messages waits before it locks the engine while the log's batch or the held
 *         replies are too large (room.h): for some ms at most, then it
 *         is the connection that waits
 * source  server/ARCHITECTURE.md, "A request's way": one read may bring many messages; they are
 *         applied in one batch, in order, and their replies leave together
 */
#ifndef HF_DISPATCH_DISPATCH_H
#define HF_DISPATCH_DISPATCH_H

#include "proto/base/bytes.h"
#include "proto/sp.h"
#include "server/dispatch/outbox.h"
#include "server/engine/cell_host.h"
#include "server/engine/user_settings.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why the engine closes connections. */
#define DISPATCH_WHY_CLOSED "session moved, user removed, or beyond its quota of connections"

struct dispatch;
struct batch_delivery;
struct command_log;
struct engine;

struct dispatch_config {
  size_t memory_bytes_max; /* of values and containers */
  const char *version;
  const struct cell_host *cell_host; /* borrowed; NULL: there is no shared memory */
  bool
      is_loading; /* the state comes later, see dispatch_load: until then requests are answered LOADING */
};

/* How replies leave; filled by connection. Connections are named by a number, never reused.
 *
 * deliver  Takes the replies and puts each into its connection's outbox; drops it when the connection is
 *          gone. A delivery without a reply closes its connection. self is the argument of
 *          dispatch_messages, whose caller sends all replies when dispatch_messages returns; NULL: no
 *          messages are being served, and deliver flushes each connection once. Answers whether the
 *          connection that is served has room for more.
 * close    Closes the connection, which may be the served one; why is static.
 *
 * Called without the engine's lock, from any thread.
 */
struct dispatch_sink {
  void *ctx;
  bool (*deliver)(void *ctx, void *self, const struct batch_delivery *deliveries, size_t count);
  void (*close)(void *ctx, uint64_t connection, const char *why);
};

/* A message's body, and the route that its reply must carry back. Borrowed for the call. */
struct dispatch_message {
  struct sp_route route;
  struct bytes body;
};

/* When a request was last served. Never blocks. */
uint64_t dispatch_served_ns(const struct dispatch *dispatch);
/* Peers stand in line before they can connect: until they don't, grace times stand still. */
void dispatch_set_crowded(struct dispatch *dispatch, bool is_crowded);
/* Starts the threads: ticker.h (the engine's timers), job_threads.h, reclaimer.h, processes.h. NULL: out of
 * memory. */
struct dispatch *dispatch_start(const struct dispatch_config *config,
                                const struct dispatch_sink *sink);
/* The path of the local handshake, for replies to sessions of this machine; borrowed until
 * dispatch_stop. */
void dispatch_set_local_handshake(struct dispatch *dispatch, const char *path);
/* Who there is, and may do what, from now on: before the first connection, and again when that changes.
 * Copied. Sessions and connections of users that are in it no more end. false: out of memory, all is as
 * before. */
bool dispatch_set_users(struct dispatch *dispatch, const struct users_settings *users);
/* The state has been loaded: the engine is taken, its time goes on from now_ns, and its commands go to the log,
 * which is borrowed, from this one on, which is COMMAND_RESTART. The caller closes all connections then.
 * Batches through `committed` are durable. false: out of memory. */
bool dispatch_load(struct dispatch *dispatch, struct engine *engine, uint64_t now_ns,
                   uint64_t committed, const struct command_log *log,
                   const struct users_settings *users);
/* Batches of the log through this one are durable: sends the replies that waited for it, or has a thread that is in
 * dispatch_await_log do so. One call at a time. */
void dispatch_committed(struct dispatch *dispatch, uint64_t through);
/* Whether dispatch_committed only wakes a thread. */
bool dispatch_is_awaited(const struct dispatch *dispatch);
/* A reply that the log had (command_log.h); it is given. */
void dispatch_deliver(struct dispatch *dispatch, uint64_t connection, const struct sp_route *route,
                      struct reply *reply);
/* The journal's disk is full, or has room again. After dispatch_stop: nothing. */
void dispatch_set_disk_full(struct dispatch *dispatch, bool is_full);
/* Answers everything that waits with UNAVAILABLE STOPPING; later requests too. */
void dispatch_drain(struct dispatch *dispatch);
/* Stops the threads: no command comes any more. No call may be under way but dispatch_committed,
 * dispatch_deliver and dispatch_set_disk_full. */
void dispatch_stop(struct dispatch *dispatch);
/* After that: frees everything. */
void dispatch_free(struct dispatch *dispatch);

/* Inits the outbox of a new connection. */
void dispatch_init_outbox(struct dispatch *dispatch, struct outbox *outbox, uint64_t connection,
                          enum sp_transport transport);
/* Of all connections. */
struct budget *dispatch_budget(struct dispatch *dispatch);
/* Memory for buffers or waiting replies has run out: closes the connection that has used most of it
 * for longest, if any has for too long. Call without a connection's lock. */
void dispatch_make_room(struct dispatch *dispatch);

enum dispatch_connected {
  DISPATCH_CONNECTED,
  DISPATCH_BEYOND_QUOTA, /* likewise, but it is to be closed if no request comes soon: its user has as many
                            as it may, see engine_exceeds_quota */
  DISPATCH_NOT_CONNECTED, /* out of memory, or there is no such user any more: close the connection */
};
/* A new connection from that address (engine/addresses.h), of a user, or of the owner, whose name is
 * empty. */
enum dispatch_connected dispatch_connected(struct dispatch *dispatch, uint64_t connection,
                                           uint64_t address, bool one_way, struct bytes user);
/* Applies messages of the connection, in order. One call at a time per connection. Answers how many
 * were applied: when the replies fill the connection's outbox, the caller gives the other messages
 * again once the outbox has room; when the connection's user is beyond its rate, or the log has no room, after the
 * pause.
 * out  pause_ns  for so long the connection is not to be read from
 *      awaited   the batch of the log that replies to them wait for; 0: they wait for none */
size_t dispatch_messages(struct dispatch *dispatch, void *self, uint64_t connection,
                         const struct dispatch_message *messages, size_t count, uint64_t *pause_ns,
                         uint64_t *awaited);
/* Whether a batch that a reply waits for (`awaited`) is durable. Of other threads, it may still be about to be
 * sent. */
bool dispatch_is_durable(const struct dispatch *dispatch, uint64_t awaited);
/* Waits until that batch is durable, `interrupted` is true, or the deadline; meanwhile and then sends the replies
 * that waited for what is durable. */
void dispatch_await_log(struct dispatch *dispatch, uint64_t awaited, uint64_t deadline_ns,
                        const atomic_bool *interrupted);
/* The flag of a thread that may wait there was set. */
void dispatch_interrupt(struct dispatch *dispatch);
/* Messages of several connections follow at once: an idle log commits them together, see command_log.h. false: it does
 * not, and this is not to be ended. */
bool dispatch_begin_batching(struct dispatch *dispatch);
/* In between: this thread would only wait for the log now, and commits itself. See command_log.h. */
void dispatch_lead_log(struct dispatch *dispatch);
void dispatch_end_batching(struct dispatch *dispatch);
/* The connection is gone: no dispatch_messages for it is under way, none will come. */
void dispatch_disconnected(struct dispatch *dispatch, uint64_t connection);

#endif
