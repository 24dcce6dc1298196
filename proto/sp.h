/* Framing of the scalability protocols, as nng's req, rep, push and pull send on tcp and ipc.
 *
 * layer   proto; used by server and client
 * source  read in nng 1.5.2's transports, and checked against its sockets by the tests
 *
 *   hello, both ways   00 'S' 'P' 00 | protocol, 2 bytes big endian | 00 00
 *   message on tcp     length, 8 bytes big endian | body
 *   message on ipc     01 | length, 8 bytes big endian | body
 *   body of REQ, REP   hop words ... | id word with the high bit set | payload
 *   body of PUSH       payload
 */
#ifndef HF_PROTO_SP_H
#define HF_PROTO_SP_H

#include "proto/base/bytes.h"
#include "proto/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sp_protocol { SP_REQ = 0x30, SP_REP = 0x31, SP_PUSH = 0x50, SP_PULL = 0x51 };
enum sp_transport { SP_TCP, SP_IPC };

#define SP_HELLO_BYTES 8
#define SP_PREFIX_BYTES_MAX 9

/* The hop words and the id word of a request, which its reply carries back unchanged. */
struct sp_route {
  uint8_t len; /* bytes; a multiple of 4, 0 for PUSH */
  uint8_t words[4 * (HF_HOPS_MAX + 1)];
};

enum sp_result {
  SP_OK,
  SP_MORE,      /* the rest has not arrived yet */
  SP_BAD_HELLO, /* not the scalability protocols */
  SP_BAD_FRAME, /* ipc: not a message; REQ: no id within HF_HOPS_MAX words */
  SP_TOO_LONG,  /* longer than the limit */
};

void sp_hello_write(uint8_t hello[SP_HELLO_BYTES], enum sp_protocol protocol);
/* out protocol: the peer's, any 16-bit number. SP_OK | SP_BAD_HELLO */
enum sp_result sp_hello_read(const uint8_t hello[SP_HELLO_BYTES], uint16_t *protocol);

size_t sp_prefix_bytes(enum sp_transport transport);
/* Writes the prefix of a body of body_len bytes; returns the prefix's length. */
size_t sp_prefix_write(enum sp_transport transport, uint8_t *prefix, size_t body_len);
/* Looks for one message at the start of `input`.
 * out  body   borrowed from input
 *      used   length of the message with its prefix
 *      needed SP_MORE: bytes that input must have in total, as far as known
 * SP_OK | SP_MORE | SP_BAD_FRAME | SP_TOO_LONG */
enum sp_result sp_frame_read(enum sp_transport transport, struct bytes input, size_t body_bytes_max,
                             struct bytes *body, size_t *used, size_t *needed);
/* Splits the body of a REQ or REP message. SP_OK | SP_BAD_FRAME */
enum sp_result sp_route_read(struct bytes body, struct sp_route *route, struct bytes *payload);
/* A route of one word: id with its high bit set. */
struct sp_route sp_route_of(uint32_t id);
/* The id of a route's last word, without the high bit. */
uint32_t sp_route_id(const struct sp_route *route);

#endif
