/* Opening a link, in steps that don't block: a socket is dialled, then both sides say hello; at the
 * server's local handshake the client says hello, and gets memory with rings.
 *
 * layer   client, transport
 * threads one at a time
 */
#ifndef HF_CLIENT_OPENING_H
#define HF_CLIENT_OPENING_H

#include "client/src/transport/transport.h"

struct opening {
  struct link link; /* fd < 0: not dialled yet */
  enum sp_protocol own, peer;
  uint64_t deadline_ns;
  struct dial dial; /* of a socket */
  uint64_t hello_until_ns;
  uint8_t hello[SP_HELLO_BYTES]; /* the peer's */
  size_t sent, received;
  bool is_local; /* at the local handshake, as are the next */
  const char *handshake_path;
  enum sp_transport framing;
  const char *why; /* after a failure: a static sentence for people */
};

/* As `own`, expecting `peer`. dialling and address are borrowed until the end. */
void opening_begin(struct opening *opening, const struct transport *transport, const char *address,
                   enum sp_protocol own, enum sp_protocol peer, struct dialling *dialling,
                   uint64_t deadline_ns);
/* Rings at the server's local handshake of that path, borrowed, which carry that framing. */
void opening_begin_local(struct opening *opening, const char *handshake_path,
                         enum sp_transport framing, enum sp_protocol own, uint64_t deadline_ns);
/* 0, *link is the caller's | STEP_WAITS | an errno (EPROTO: not that peer), or an enum dial_error; it
 * has ended then */
int opening_step(struct opening *opening, struct link *link, struct waits *waits);
/* Gives it up; harmless after its end. */
void opening_end(struct opening *opening);
/* Waits until it has ended. As opening_step, but for STEP_WAITS. */
int opening_run(struct opening *opening, struct link *link);

#endif
