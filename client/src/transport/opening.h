/* Opening a link in non-blocking steps: dial a socket, then exchange hellos; or perform the local
 * handshake, which gives memory with rings. Over TLS its handshake comes before the hellos.
 *
 * layer   client, transport
 * threads one at a time
 */
#ifndef HF_CLIENT_OPENING_H
#define HF_CLIENT_OPENING_H

#include "client/src/transport/transport.h"

struct opening {
  struct link link; /* fd < 0: not connected yet */
  enum sp_protocol own, peer;
  uint64_t deadline_ns; /* another one once it is connected, see dialling->handshake_ms */
  struct dial dial;     /* of a socket */
  bool is_secure;       /* the hellos may be exchanged */
  uint64_t hello_until_ns;
  uint8_t hello[SP_HELLO_BYTES]; /* the peer's */
  size_t sent, received;
  bool is_local; /* a local handshake, with the next two members */
  const char *handshake_path;
  enum sp_transport framing;
  const char *why; /* after a failure: a static sentence for people */
};

/* As protocol `own`, expecting `peer`. dialling and address are borrowed until the opening ends. */
void opening_begin(struct opening *opening, const struct transport *transport, const char *address,
                   enum sp_protocol own, enum sp_protocol peer, struct dialling *dialling,
                   uint64_t deadline_ns);
/* The local handshake at that path, borrowed; the rings carry that framing. */
void opening_begin_local(struct opening *opening, const char *handshake_path,
                         enum sp_transport framing, enum sp_protocol own, uint64_t deadline_ns);
/* 0, the caller takes *link | STEP_WAITS | an errno (EPROTO: another protocol), or an enum
 * dial_error, and the opening has ended */
int opening_step(struct opening *opening, struct link *link, struct waits *waits);
/* Cancels the opening; ignored after its end. */
void opening_end(struct opening *opening);

#endif
