/* The handshake of one stream, before a connection has it.
 *
 * layer   transport, internal
 * threads One at a time; between two calls the row below has reading or writing, and its event comes. Any
 *         other thread may close the stream, under its lock.
 */
#ifndef HF_TRANSPORT_TLS_OPENING_H
#define HF_TRANSPORT_TLS_OPENING_H

#include "server/transport/tls_stream.h"

enum tls_opening {
  TLS_OPENING_WAITS,   /* an event comes; the stream may be gone already */
  TLS_OPENING_DONE,    /* nothing is awaited */
  TLS_OPENING_REFUSED, /* the handshake failed, see tls_failure; nothing is awaited */
  TLS_OPENING_LATE,    /* not over at its deadline; nothing is awaited */
  TLS_OPENING_LEFT,    /* the peer has left, or the stream was closed; nothing is awaited */
};

/* Gives reading away for the first time; with a delay, even if bytes come. false: it is not given. */
bool tls_opening_begin(struct tls_stream *stream, uint32_t delay_ms);
/* Works on what has come. */
enum tls_opening tls_opening_go_on(struct tls_stream *stream);
/* Whether the peer has proved, by what it has sent so far, that it has a key: then the server answers. */
bool tls_opening_is_proven(const struct tls_stream *stream);
/* Who the peer is. */
void tls_opening_identity(const struct tls_stream *stream, struct identity *identity);

#endif
