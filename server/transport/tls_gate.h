/* Where streams become TLS streams: their handshakes, before a connection has them.
 *
 * layer   transport: called by server; sockets of tls+tcp addresses are handed to it as to a connection
 * threads As many as processors, four at most, work on handshakes; one, while anybody is served: else
 *         a storm of handshakes would take the processors from the requests of all others. The rest
 *         stands in a line. tls_gate_* are called by the main thread; tls_gate_use by any.
 *
 *                         bytes have come
 *   accepted -> waits ----------------------> in line -> worked on -> accepted by its connection
 *     |  ^        |  ^                                      |  |
 *     |  '- full: | the socket's queue keeps it             |  '-> refused, late, left: closed
 *     |           '- oldest of too many, after a while:   |
 *     |              closed                               |
 *     '- its address has failed often: waits for a while    '-> waits for more
 *
 * A life: tls_gate_new, tls_gate_use, tls_gate_acceptor for the listeners; when these accept no more
 * tls_gate_stop; when all streams are freed tls_gate_free.
 */
#ifndef HF_TRANSPORT_TLS_GATE_H
#define HF_TRANSPORT_TLS_GATE_H

#include "proto/tls/tls.h"
#include "server/transport/transport.h"

struct tls_gate;

/* What the gate needs to know and to tell; called without locks. */
struct tls_gate_host {
  void *ctx;
  /* When a request was last served, over any transport. */
  uint64_t (*served_ns)(void *ctx);
  /* Peers stand in line for longer than a moment; or do no more. By one thread at a time, in turns. */
  void (*crowded)(void *ctx, bool is_crowded);
};

/* All is borrowed, but for host, which is copied. acceptor takes the streams whose handshakes are over.
 * NULL: out of memory, or no threads. */
struct tls_gate *tls_gate_new(const struct transport_acceptor *acceptor,
                              struct buffer_budget *budget, const struct tls_gate_host *host);
/* New handshakes use the context, which is taken; open connections keep theirs. Once before the first. */
void tls_gate_use(struct tls_gate *gate, struct tls_context *context);
/* Takes streams that are to become TLS; borrowed. */
const struct transport_acceptor *tls_gate_acceptor(struct tls_gate *gate);
/* Ends all handshakes, and the threads. */
void tls_gate_stop(struct tls_gate *gate);
void tls_gate_free(struct tls_gate *gate);

#endif
