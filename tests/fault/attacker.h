/* A raw peer for tests: sends exactly the given bytes, over tcp on loopback.
 *
 * Nothing here fails the test by itself unless it says so; a server that closes is an outcome.
 */
#ifndef HF_TESTS_FAULT_ATTACKER_H
#define HF_TESTS_FAULT_ATTACKER_H

#include "proto/base/bytes.h"
#include "proto/holdfast.pb-c.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct attacker {
  int fd;
  uint32_t next_id;
  uint8_t *input; /* received and not yet parsed */
  size_t input_len, input_room;
};

/* A connected socket, blocking, nodelay. Fails the test if nothing listens. */
int attacker_dial(uint16_t port);
/* Connects and sends the hello of `protocol`; waits for the answer. false: the server closed
 * instead. */
bool attacker_open(struct attacker *attacker, uint16_t port, uint16_t protocol);
void attacker_close(struct attacker *attacker);
/* Closes with a RST. */
void attacker_reset(struct attacker *attacker);

/* Sends the bytes. false: the server has closed. */
bool attacker_send_bytes(struct attacker *attacker, const void *data, size_t len);
/* Sends the body in a REQ message with the next id; returns the id, 0 if the server has closed. */
uint32_t attacker_send(struct attacker *attacker, struct bytes body);
uint32_t attacker_send_request(struct attacker *attacker, const Holdfast__Request *request);
/* The next reply. false: none within timeout_ms, or closed. Free *response with
 * holdfast__response__free_unpacked. Fails the test if the reply is no Response. */
bool attacker_receive(struct attacker *attacker, int timeout_ms, uint32_t *id,
                      Holdfast__Response **response);
/* Whether the server closes within timeout_ms; its bytes are dropped. */
bool attacker_is_closed(struct attacker *attacker, int timeout_ms);

/* Sends the body and expects that answer within 10 s, in order. "": OK. */
void attacker_expect(struct attacker *attacker, struct bytes body, hf_status status,
                     const char *reason);
void attacker_expect_request(struct attacker *attacker, const Holdfast__Request *request,
                             hf_status status, const char *reason);

/* A body under construction, which no library would encode. */
struct body {
  uint8_t *data;
  size_t len, room;
};
void body_free(struct body *body);
void body_put(struct body *body, const void *data, size_t len);
void body_put_varint(struct body *body, uint64_t number);
/* A length-delimited field: its tag, its length, its content. */
void body_put_field(struct body *body, uint32_t field, const void *data, size_t len);
struct bytes body_view(const struct body *body);

/* Milliseconds of a monotonic clock. */
int64_t attacker_now_ms(void);

#endif
